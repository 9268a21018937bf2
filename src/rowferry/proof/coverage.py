"""The offset algebra of a stage: do the names of a partition's files cover it once? Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from rowferry.flow.stage.names import FileName

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the names of one partition's files say.

    gaps, overlaps: [from, to) of positions that no file, or more than one, claims. duplicates:
    files whose whole range earlier ones have. start, end: of all files; None without files.
    """

    files: int
    rows: int
    start: int | None
    end: int | None
    gaps: Ranges
    overlaps: Ranges
    duplicates: int


def cover(
    files: Iterable[FileName], begin: int | None = None, committed: int | None = None
) -> Coverage:
    """Sort the names and chain them.

    begin: where the first file had to start at the latest, if that is known; committed: the
    position up to which the group says that all is staged.
    """
    ordered = sorted(files, key=lambda name: (name.start, name.end))
    gaps: list[tuple[int, int]] = []
    overlaps: list[tuple[int, int]] = []
    duplicates = 0
    start = int(ordered[0].start) if ordered else None
    known = [position for position in (begin, start) if position is not None]
    reached = min(known, default=None)
    for name in ordered:
        if reached is not None and name.start > reached:
            gaps.append((reached, int(name.start)))
        elif reached is not None and name.start < reached:
            overlaps.append((int(name.start), min(reached, int(name.end))))
            duplicates += name.end <= reached
        reached = max(reached or 0, int(name.end))
    if committed is not None and reached is not None and committed > reached:
        gaps.append((reached, committed))
    return Coverage(
        files=len(ordered),
        rows=sum(name.rows for name in ordered),
        start=start,
        end=max((int(name.end) for name in ordered), default=None),
        gaps=tuple(gaps),
        overlaps=tuple(overlaps),
        duplicates=duplicates,
    )
