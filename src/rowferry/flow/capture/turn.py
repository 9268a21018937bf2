"""What a table is given when its turn comes, and what it tells of its load."""

from dataclasses import dataclass

from rowferry.flow.capture.ahead import Reader
from rowferry.flow.capture.source import Look, Moment, Source
from rowferry.flow.capture.window import Seen
from rowferry.model import Table


@dataclass(frozen=True, slots=True)
class Here:
    """Where a turn happens: a moment, what its sample says, and the table before it.

    loads_until: by the feed's clock, when no further chunk of a load begins.
    """

    source: Source
    moment: Moment
    seen: Seen
    look: Look
    reader: Reader
    loads_until: float


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far the load of a table has come.

    leaves: how many are still to finish. estimated: rows of the whole table by its statistics; 0
    where it has none.
    """

    table: Table
    rows: int
    leaves: int
    estimated: int = 0
