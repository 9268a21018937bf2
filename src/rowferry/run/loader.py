"""The loop that loads: what the group has committed → files that follow on the ledger → a table.

The group's position is read before the files are listed: so each file below it must be there, and
a hole is a loss to be told, never a file still on its way.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError, Transient
from rowferry.flow.receive.topics import Place as Source
from rowferry.flow.receive.topics import Topics
from rowferry.flow.stage.load_session import LoadSession
from rowferry.flow.stage.load_targets import place_of
from rowferry.flow.stage.snowflake_location import parse_location
from rowferry.registry import Registry
from rowferry.run.patience import Retry, first_reach
from rowferry.run.topic_loader import Committed, Loaded, TopicLoader
from rowferry.run.watchdog import Watchdog
from rowferry.stop import Stop

log = structlog.get_logger()


@dataclass(slots=True)
class Loader:
    """All topics, one after the other, in one session. One thread."""

    settings: Settings
    topics: Topics
    registry: Registry
    session: LoadSession
    loaders: list[TopicLoader]
    loaded: Loaded
    goal: dict[str, Committed] = field(default_factory=dict)

    def turn(self, *, once: bool, reached: Callable[[], None]) -> bool:
        """Load what is there of each topic; says whether anything was loaded.

        once: no further than where the group stood at the first turn. reached: called as soon as
        all parts have answered, which may be hours before a backlog is loaded.
        """
        before = self.loaded.files
        for loader in self.loaders:
            committed = self.goal.get(loader.topic) or self._committed(loader.topic)
            if once:
                self.goal[loader.topic] = committed
            loader.load(committed, reached)
        return self.loaded.files > before

    def purge(self, now: float) -> None:
        """Remove from the stage what is loaded and old."""
        for loader in self.loaders:
            loader.purge(self._committed(loader.topic), now)

    def forget(self) -> None:
        """Know nothing but what the ledger says."""
        for loader in self.loaders:
            loader.forget()

    def close(self) -> None:
        """Log out."""
        self.session.close()
        self.registry.close()

    def _committed(self, topic: str) -> Committed:
        """Where the group stands, and in which creation of the topic."""
        sources: list[Source] = sorted(self.topics.ends([topic]))
        creation = self.topics.ids([topic])[topic]
        found = self.topics.committed(self.settings.group, sources)
        return Committed(creation, {p: at for (_, p), at in found.items() if at >= 0})


def run_loader(
    settings: Settings,
    stop: Stop,
    *,
    once: bool = False,
    purge: bool = False,
    clock: Callable[[], float] = time.time,
) -> Loaded:
    """Load until a stop is asked for; once: what is staged and committed now.

    Several may run: each loads what the others have not. Raises NeedsPerson errors; what was
    loaded until then is loaded. RetryBudgetSpent where a part was not reached for CONNECT_SECONDS.
    """
    loaded = Loaded()
    with Watchdog(stop, settings.drain_seconds):
        loader = first_reach(lambda: assemble(settings, loaded), settings, stop)
        if loader is None:
            return loaded
        try:
            _load_with(loader, stop, once=once, purge=clock if purge else None)
        finally:
            loader.close()
    return loaded


def assemble(settings: Settings, loaded: Loaded) -> Loader:
    """What a loader is made of. Raises ConfigError for settings that do not go together."""
    refuse_unfit(settings)
    session = LoadSession(settings, parse_location(settings.stage or ""))
    topics = Topics(settings)
    topics.ids(settings.received_topics)
    registry = Registry(settings)
    loaders = [
        TopicLoader(settings, topic, session, registry, loaded)
        for topic in settings.received_topics
    ]
    return Loader(settings, topics, registry, session, loaders, loaded)


def refuse_unfit(settings: Settings) -> None:
    """Raises ConfigError for settings that nothing can be loaded by."""
    if settings.load == "off":
        what = "ROWFERRY_LOAD: append keeps every version of a row, upsert the latest; not set"
        raise ConfigError(Code.CONFIG, what)
    if not (settings.stage or "").startswith("@"):
        raise ConfigError(
            Code.CONFIG, "ROWFERRY_STAGE: only files on a Snowflake stage can be loaded"
        )
    places = [place_of(settings, topic) for topic in settings.received_topics]
    if len(set(places)) < len(places):
        raise ConfigError(
            Code.CONFIG,
            "ROWFERRY_LOAD_TABLE: several topics would share a target",
            advice="let {table} or {topic} stand in it",
        )


def _load_with(
    loader: Loader, stop: Stop, *, once: bool, purge: Callable[[], float] | None
) -> None:
    retry = Retry(loader.settings, stop)
    while not stop.requested:
        try:
            has_loaded = loader.turn(once=once, reached=retry.reached)
            if purge is not None and not has_loaded:
                loader.purge(purge())
        except Transient as error:
            loader.forget()
            retry.wait(error)
            continue
        retry.succeeded()
        if once and not has_loaded:
            return
        if not has_loaded:
            stop.wait(loader.settings.load_seconds)
