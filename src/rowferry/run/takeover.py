"""Taking up a partition: its register, its files on the stage, and what they prove together."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.receive.contract import Fetched, Owned
from rowferry.flow.receive.register import Boundary, Register, chain, end_of_chain, parse
from rowferry.flow.stage.contract import Stage
from rowferry.flow.stage.names import (
    FileName,
    parse_name,
    partition_prefix,
    position_prefix,
    topic_prefix,
)
from rowferry.model import Offset, Partition, TopicId
from rowferry.run.uploads import Task


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a partition goes on: its register, and which of its planned files are staged.

    to_commit: the register stands nowhere yet, and has to before anything else.
    """

    register: Register
    staged: frozenset[Boundary]
    to_commit: bool = False


@dataclass(slots=True)
class Arrival:
    """A partition whose take-over waits for the stage, and what came of it meanwhile."""

    task: Task
    answer: list[Taken]
    fetched: list[Fetched] = field(default_factory=list)
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """How partitions are taken up. Any thread; raises DataAtRisk, and what the stage raises."""

    stage: Stage
    format: str
    beginning: Callable[[TopicId, Partition], Offset]
    resume_from_stage: bool = False
    accept_recreated: bool = False
    from_end: bool = False

    @property
    def may_move(self) -> bool:
        """Whether a partition may have to start elsewhere than where the group stands."""
        return self.resume_from_stage or self.accept_recreated

    def take_up(self, owned: Owned) -> Taken:
        """Bring register and stage together."""
        if owned.metadata is not None:
            register = self._committed(owned)
            if register is not None and register.topic_id == owned.topic.short_id:
                return Taken(*chain(register, lambda p: self.files_at(owned, p), owned.where))
            if register is not None and not self.accept_recreated:
                raise _recreated(owned, register.topic_id)
            start = self.beginning(owned.topic, owned.partition)  # what is committed is not its
            return self._first_start(owned, start)
        return self._first_start(owned, owned.start)

    def files_at(self, owned: Owned, position: Offset) -> list[Boundary]:
        """The staged files that start at a position."""
        prefix = position_prefix(owned.topic, owned.partition, position)
        found = (parse_name(staged.name) for staged in self.stage.list(prefix))
        return [_boundary(name) for name in found if name is not None]

    def _committed(self, owned: Owned) -> Register | None:
        try:
            return parse(owned.start, owned.metadata or "", owned.where)
        except DataAtRisk:
            if self.resume_from_stage:
                return None
            raise

    def _first_start(self, owned: Owned, start: Offset) -> Taken:
        register = Register(owned.topic.short_id, self.format, start)
        if not self.accept_recreated:
            self._refuse_other_creations(owned)
        own = partition_prefix(owned.topic, owned.partition)
        names = (parse_name(staged.name) for staged in self.stage.list(own))
        files = [_boundary(name) for name in names if name is not None]
        if not files:
            return Taken(register, frozenset(), self.from_end or owned.metadata is not None)
        end = end_of_chain(files, owned.where)
        if not self.resume_from_stage:
            raise DataAtRisk(
                Code.NO_COMMIT_BUT_FILES,
                f"the group has no position here, but the stage has files up to offset {end}",
                where=owned.where,
                advice="if the group's offsets have expired, start once with "
                "ROWFERRY_RESUME_FROM_STAGE=true; if this is another group, give it its own prefix",
            )
        return Taken(replace(register, position=end), frozenset(), to_commit=True)

    def _refuse_other_creations(self, owned: Owned) -> None:
        for staged in self.stage.list(topic_prefix(owned.topic.topic)):
            name = parse_name(staged.name)
            if name is not None and name.short_id != owned.topic.short_id:
                raise _recreated(owned, name.short_id)


class FirstPutCheck:
    """A second look at the stage before the first upload after a take-over.

    An upload of a predecessor may have landed between the listing and now.
    """

    def __init__(self, entry: Entry, owned: Owned) -> None:
        self._entry, self._owned = entry, owned
        self._looked = False
        self._lock = threading.Lock()

    def __call__(self, boundary: Boundary) -> None:
        """Refuse to upload a file that would overlap one that is there."""
        with self._lock:
            if self._looked:
                return
            for found in self._entry.files_at(self._owned, boundary.start):
                if found != boundary:
                    raise DataAtRisk(
                        Code.PREFIX_OWNED,
                        f"the stage has a file for the offsets [{found.start}, {found.end}), "
                        f"and this one would hold [{boundary.start}, {boundary.end})",
                        where=self._owned.where,
                        advice="another group writes to this stage: give each group its own prefix",
                    )
            self._looked = True


def _boundary(name: FileName) -> Boundary:
    return Boundary(name.start, name.end, name.rows)


def other_rows(decided: Boundary, rows: int, where: str, *, is_other_format: bool) -> DataAtRisk:
    """The records of a decided file, which is not staged, make other rows than they did.

    Its name would be another, and the one decided may still land (docs/decisions/0018).
    """
    if is_other_format:
        reason = (
            "the settings of lines (METADATA, DECIMALS, UNWRAP, JSON_VALUES) were others: set them "
            "back until this file is staged"
        )
    elif rows > decided.rows:
        reason = "records that could not be read then can be now: was a schema registered since?"
    else:
        reason = (
            "is the topic compacted, or does the registry lack a schema? Retention must be longer "
            "than any stop"
        )
    return DataAtRisk(
        Code.STAGE_CONFLICT,
        f"the records [{decided.start}, {decided.end}) were {decided.rows} rows when their file "
        f"was decided, and are {rows} now",
        where=where,
        advice=f"{reason}. To stage them as they are now, see that no receiver of the group that "
        "was started before is alive, and start once with ROWFERRY_RESUME_FROM_STAGE=true",
    )


def _recreated(owned: Owned, before: str) -> DataAtRisk:
    return DataAtRisk(
        Code.TOPIC_RECREATED,
        f"the topic was deleted and created again: it was {before}, it is {owned.topic.short_id}",
        where=owned.where,
        advice="to stage the new one into a folder of its own, start once with "
        "ROWFERRY_ACCEPT_RECREATED=true",
    )
