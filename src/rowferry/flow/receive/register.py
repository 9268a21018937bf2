"""The register of a partition: its committed offset, and the ends of files decided but not done.

It lives in the group's own offset commit: `rf1|t=<topic id>|f=<format>|b=<delta>[.<rows>],…`.
Pure: what it says, what may be next, and how a successor takes it up (docs/exactly-once.md).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rowferry.errors import Code, DataAtRisk
from rowferry.model import Offset

LONGEST_METADATA = 4095  # the broker's 4,096 less the NUL that librdkafka appends
_END = r"[1-9]\d{0,18}(?:\.\d{1,19})?"  # int() refuses thousands of digits
_TEXT = re.compile(
    rf"rf1\|t=(?P<topic>[\w-]{{8}})\|f=(?P<format>\w+)\|b=(?P<ends>{_END}(?:,{_END})*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Boundary:
    """A file decided: the records with start <= offset < end, `rows` lines of them."""

    start: Offset
    end: Offset
    rows: int


@dataclass(frozen=True, slots=True)
class Register:
    """What is committed for a partition; each change is a new value.

    Everything before position is staged; planned files follow on it without a gap.
    """

    topic_id: str
    format: str
    position: Offset
    planned: tuple[Boundary, ...] = ()

    @property
    def frontier(self) -> Offset:
        """Where the next file to be decided starts."""
        return self.planned[-1].end if self.planned else self.position

    def plan(self, boundary: Boundary) -> "Register":
        """Decide one more file. It must start where the last one ends."""
        if boundary.start != self.frontier or boundary.end <= boundary.start:
            raise ValueError(f"{boundary} does not follow on {self.frontier}")
        return replace(self, planned=(*self.planned, boundary))

    def decide(self, boundary: Boundary) -> "Register":
        """Plan one more file, or let one that was planned have other rows."""
        for index, planned in enumerate(self.planned):
            if (planned.start, planned.end) == (boundary.start, boundary.end):
                around = (*self.planned[:index], boundary, *self.planned[index + 1 :])
                return replace(self, planned=around)
        return self.plan(boundary)

    def complete(self, count: int) -> "Register":
        """Take the first planned files as staged."""
        if count == 0:
            return self
        return replace(self, position=self.planned[count - 1].end, planned=self.planned[count:])

    @property
    def metadata(self) -> str:
        """The text that is committed beside the position."""
        ends = ",".join(_delta(boundary) for boundary in self.planned)
        return f"rf1|t={self.topic_id}|f={self.format}|b={ends}"

    @property
    def fits(self) -> bool:
        """Whether the broker takes the metadata."""
        return len(self.metadata) <= LONGEST_METADATA


def parse(position: Offset, metadata: str, where: str) -> Register:
    """The register that was committed. Raises DataAtRisk for what we did not write."""
    found = _TEXT.fullmatch(metadata)
    if found is None:
        raise DataAtRisk(
            Code.REGISTER_UNREADABLE,
            "the group's committed offset was not written by this version of Rowferry",
            where=where,
            advice="use another ROWFERRY_GROUP, or, if an offset was reset by hand, start once "
            "with ROWFERRY_RESUME_FROM_STAGE=true",
        )
    register = Register(found["topic"], found["format"], position)
    for item in filter(None, (found["ends"] or "").split(",")):
        delta, _, rows = item.partition(".")
        start = register.frontier
        end = Offset(start + int(delta))
        register = register.plan(Boundary(start, end, int(rows or delta)))
    return register


def chain(
    register: Register, files_at: Callable[[Offset], Sequence[Boundary]], where: str
) -> tuple[Register, frozenset[Boundary]]:
    """Take up a register together with what is on the stage, and which of its files are there.

    files_at lists the staged files that start at a position. Where plan and stage disagree the
    stage wins; files that chain on are adopted. Raises DataAtRisk for files that overlap.
    """
    planned = {boundary.start: boundary for boundary in register.planned}
    taken = replace(register, planned=())
    staged: set[Boundary] = set()
    while True:
        files = files_at(taken.frontier)
        if len(files) > 1:
            ends = " and ".join(str(boundary.end) for boundary in files)
            raise DataAtRisk(
                Code.PREFIX_OWNED,
                f"several staged files start at offset {taken.frontier}, ending at {ends}",
                where=where,
                advice="another group writes to this stage: give each group its own prefix",
            )
        following = files[0] if files else planned.get(taken.frontier)
        if following is None:
            return taken, frozenset(staged)
        if files:
            staged.add(following)
        taken = taken.plan(following)


def end_of_chain(files: Sequence[Boundary], where: str) -> Offset:
    """The position that the names of all of a partition's files prove.

    Raises DataAtRisk where they leave a gap or overlap.
    """
    ordered = sorted(files, key=lambda boundary: (boundary.start, boundary.end))
    for one, following in pairwise(ordered):
        if one.end != following.start:
            word = "overlap" if one.end > following.start else "leave a gap"
            between = f"[{min(one.end, following.start)}, {max(one.end, following.start)})"
            raise DataAtRisk(
                Code.INCOMPLETE,
                f"the staged files {word} at offsets {between}",
                where=where,
                advice="run: rowferry verify",
            )
    return ordered[-1].end


def _delta(boundary: Boundary) -> str:
    delta = boundary.end - boundary.start
    return str(delta) if boundary.rows == delta else f"{delta}.{boundary.rows}"
