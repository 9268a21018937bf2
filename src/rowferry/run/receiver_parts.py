"""What a receiver is made of, from the settings; shared by its memberships."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from rowferry.config import Delivery, Settings, Unreadables
from rowferry.errors import Code, ConfigError, DataAtRisk
from rowferry.flow.receive.batches import Triggers
from rowferry.flow.receive.client import consumer_properties
from rowferry.flow.receive.consumer import GroupMembership
from rowferry.flow.receive.contract import Membership, Owned
from rowferry.flow.receive.dead_letters import DeadLetters
from rowferry.flow.receive.decode import Decoder
from rowferry.flow.receive.topics import Topics
from rowferry.flow.stage.kinds import open_stage
from rowferry.flow.stage.lines import line_format
from rowferry.model import TopicId
from rowferry.registry import Registry
from rowferry.run.compressing import Compressor
from rowferry.run.goal import Goal
from rowferry.run.lane import FileMaking, Lane
from rowferry.run.pressure import lowered
from rowferry.run.spool import Spool
from rowferry.run.takeover import Entry, Taken
from rowferry.run.uploads import Uploads

_STREAMING_SHARE = 0.7  # of MAX_AGE_SECONDS until a file is closed; the rest is for its upload
_CLOSE_SECONDS = 2.0
_NOWHERE = "_/"  # no name of ours begins so

log = structlog.get_logger()


@dataclass(slots=True)
class Parts:
    """The stage, the uploads, the cluster's answers, and how files are made."""

    settings: Settings
    names: tuple[str, ...]
    topics: Topics
    uploads: Uploads
    entry: Entry
    making: FileMaking
    registry: Registry
    goal: Goal | None
    protocol: str = "consumer"
    ids: dict[str, TopicId] = field(default_factory=dict)  # as the present membership found them
    revoke_seconds: float = 3.0  # for what is under way when partitions are taken away
    spool_bytes: int = field(init=False)  # SPOOL_BYTES, or less where the disk was full before

    def __post_init__(self) -> None:
        self.spool_bytes = self.settings.spool_bytes

    def join(
        self,
        on_revoke: Callable[[list[Owned]], None],
        on_lost: Callable[[list[Owned]], None],
    ) -> Membership:
        """A new membership of the group."""
        self.ids = self.topics.ids(self.names)
        return GroupMembership(
            consumer_properties(self.settings, self.protocol, once=self.goal is not None),
            self.ids,
            from_end=self.entry.from_end,
            held=self.entry.may_move,
            on_revoke=on_revoke,
            on_lost=on_lost,
        )

    def take_the_classic_protocol(self) -> None:
        """Go on with the older group protocol. Raises ConfigError where the other was asked for."""
        if self.settings.group_protocol != "auto":
            raise ConfigError(
                Code.CONFIG,
                "the broker does not have the group protocol that ROWFERRY_GROUP_PROTOCOL names",
                advice="leave it at auto",
            )
        self.protocol = "classic"

    def taking_up(self, owned: Owned, answer: list[Taken]) -> Callable[[], None]:
        """Work for the pool that appends its answer."""
        return lambda: answer.append(self.entry.take_up(owned))

    def lower_spool(self, spooled: int) -> None:
        """Let the next membership spool less than what was there when the disk was full."""
        most = lowered(self.spool_bytes, spooled)
        if most < self.spool_bytes:
            self.spool_bytes = most
            log.warning(
                "spool.lowered",
                reason="the disk was full before ROWFERRY_SPOOL_BYTES: files end earlier, until"
                " the receiver is started again",
                spooled=spooled,
                bytes=most,
            )

    def check_topics(self) -> None:
        """See that every topic is still the one that is received."""
        for topic in self.ids.values():
            self.refuse_another_creation(topic)

    def refuse_another_creation(self, topic: TopicId) -> None:
        """See, after records were read and before they are staged, whose they are."""
        now = self.topics.ids([topic.topic])[topic.topic]
        if now != topic:
            raise DataAtRisk(
                Code.TOPIC_RECREATED,
                f"the topic was deleted and created again: it was {topic.short_id}, "
                f"it is {now.short_id}",
                where=topic.topic,
                advice="to stage the new one into a folder of its own, start once with "
                "ROWFERRY_ACCEPT_RECREATED=true",
            )

    def is_complete(self, lanes: Sequence[Lane], *, busy: bool) -> bool:
        """Whether `--once` has reached its goal."""
        return self.goal is not None and not busy and self.goal.is_reached(lanes)

    def close(self) -> None:
        """Let go of the stage and the threads."""
        self.uploads.close(_CLOSE_SECONDS)
        if self.making.compressor is not None:
            self.making.compressor.close()
        self.uploads.stage.close()
        self.registry.close()


def assemble(settings: Settings, spool: Spool, *, once: bool) -> Parts:
    """Open what a receiver needs. Raises what its parts raise; nothing stays open then."""
    topics = Topics(settings)
    names = settings.received_topics
    topics.ids(names)
    goal = Goal(topics, names, settings.group) if once else None
    registry = Registry(settings)
    format_ = line_format(
        settings.metadata, settings.decimals, settings.unwrap, settings.json_values
    )
    dead_letters = (
        DeadLetters(settings) if settings.on_unreadable is Unreadables.DEAD_LETTER else None
    )
    making = FileMaking(
        Decoder(registry, settings.unwrap),
        format_,
        triggers_of(settings),
        settings.gzip_level,
        spool.new_path,
        dead_letters.write if dead_letters is not None else None,
        Compressor(),
        recount=settings.resume_from_stage,
    )
    stage = open_stage(settings)
    for _ in stage.list(_NOWHERE):  # a wrong password or a missing stage is told at once
        break
    entry = Entry(
        stage,
        format_.fingerprint,
        topics.beginning,
        resume_from_stage=settings.resume_from_stage,
        accept_recreated=settings.accept_recreated,
        from_end=settings.start_from == "end",
    )
    uploads = Uploads(stage, settings.upload_threads)
    protocol = "consumer" if settings.group_protocol == "auto" else settings.group_protocol
    return Parts(settings, names, topics, uploads, entry, making, registry, goal, protocol)


def triggers_of(settings: Settings) -> Triggers:
    """When files end."""
    share = _STREAMING_SHARE if settings.delivery is Delivery.STREAMING else 1.0
    return Triggers(settings.max_records, settings.max_bytes, share * settings.age_seconds)
