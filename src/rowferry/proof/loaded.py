"""What the loader's ledger says is loaded: files of such offsets may be gone from the stage."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from rowferry.config import Settings
from rowferry.errors import AccessDenied, ConfigError, Transient
from rowferry.flow.stage.load_session import LoadSession
from rowferry.flow.stage.load_targets import ledger_of, place_of
from rowferry.flow.stage.snowflake_location import parse_location
from rowferry.proof.coverage import Ranges

Place = tuple[str, int]  # a topic's id, and a partition of it


class LedgerReader:
    """Reads the ledger, if the settings name a target; one thread. It changes nothing.

    Where it cannot be read, nothing counts as loaded, and `why_not` says so.
    """

    def __init__(self, settings: Settings) -> None:
        self.why_not: str | None = None
        self._settings = settings
        self._session: LoadSession | None = None

    def positions(self, topic: str) -> Mapping[Place, int]:
        """Up to which offset each partition is in the topic's target."""
        if self._settings.load == "off" or self.why_not is not None:
            return {}
        try:
            if self._session is None:
                location = parse_location(self._settings.stage or "")
                self._session = LoadSession(self._settings, location)
            ledger = ledger_of(self._settings, place_of(self._settings, topic))
            rows = self._session.run(ledger.positions(topic)).rows
        except (AccessDenied, ConfigError, Transient) as error:
            self.why_not = (
                f"the ledger cannot be read ({error.what}): files that were removed because they "
                "are loaded count as gaps"
            )
            return {}
        return {(str(topic_id), int(partition)): int(at) for topic_id, partition, at in rows}

    def close(self) -> None:
        """Log out."""
        if self._session is not None:
            self._session.close()


def _nothing() -> int:
    return 0


@dataclass(slots=True)
class Owed:
    """The offsets that must be on the stage: from first to stop, without those that were purged.

    loaded_to: asks the ledger up to which offset the partition is loaded by then.
    """

    first: int
    stop: int
    purged: Ranges = ()
    loaded_to: Callable[[], int] = _nothing
    _known: int = field(default=0, init=False)

    def excuses(self, start: int, end: int) -> bool:
        """Whether a file that was listed, and is gone, was loaded: then nobody owes its offsets."""
        if self._known < end:
            self._known = self.loaded_to()
        if self._known < end:
            return False
        before, purged = self.purged[:-1], self.purged[-1:]
        if purged and purged[0][1] == start:  # files go one behind the other: one range for all
            self.purged = (*before, (purged[0][0], end))
        else:
            self.purged = (*self.purged, (start, end))
        return True

    def __contains__(self, offset: int) -> bool:
        is_purged = any(start <= offset < end for start, end in self.purged)
        return self.first <= offset < self.stop and not is_purged


def split_at(gaps: Collection[tuple[int, int]], loaded_to: int) -> tuple[Ranges, Ranges]:
    """What of the gaps is loaded, and what is not."""
    loaded = tuple((a, min(b, loaded_to)) for a, b in gaps if a < loaded_to)
    lost = tuple((max(a, loaded_to), b) for a, b in gaps if b > loaded_to)
    return loaded, lost
