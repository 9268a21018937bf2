"""A simulated topic, group, stage and pool, in which the real receiver runs one turn at a time.

The group behaves as brokers do: it never checks who owns a partition, only that a commit carries
the present generation; a commit may be answered with an error and be applied all the same, at once
or later. An upload may land at any time, also after its process has died.
"""

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from rowferry.config import Delivery, Settings
from rowferry.errors import Code, DataAtRisk
from rowferry.flow.receive.batches import Triggers
from rowferry.flow.receive.contract import Fetched, MembershipOver, Owned, Polled
from rowferry.flow.receive.decode import Decoder, Readable
from rowferry.flow.receive.register import Register
from rowferry.flow.stage.lines import line_format
from rowferry.flow.stage.names import FileName, parse_name
from rowferry.flow.stage.same import same_contents
from rowferry.model import (
    DecodedRecords,
    Offset,
    Partition,
    RawRecords,
    SchemaId,
    StagedFile,
    TopicId,
)
from rowferry.run.lane import FileMaking
from rowferry.run.receiver import Received, Receiver
from rowferry.run.receiver_parts import Parts
from rowferry.run.takeover import Entry, Taken
from rowferry.run.uploads import Task
from rowferry.stop import Stop

TOPIC = TopicId("orders", "AbC-_123")
PLACE = Partition(0)


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass(eq=False)
class Upload:
    """An upload of any process, dead or alive: first it checks, later it lands."""

    name: str
    data: bytes
    task: Task
    before: Callable[[], None]
    checked: bool = False


@dataclass
class World:
    """What is outside of the receivers, and survives them."""

    offsets: list[int] = field(default_factory=list)
    end: int = 0
    register: tuple[int, str] | None = None
    before: tuple[int, str] | None = None  # the register one commit ago, of this generation
    generation: int = 0
    late: list[tuple[int, tuple[int, str]]] = field(default_factory=list)
    staged: dict[str, bytes] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)  # files never change: land() sees to it
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rowferry-world-")))
    numbers: Iterator[int] = field(default_factory=count)

    def produce(self, records: int, hole: int) -> None:
        """Records, and behind them offsets without one: markers, aborted records."""
        self.offsets += range(self.end, self.end + records)
        self.end += records + hole

    def move_back(self) -> None:
        """A hidden retry of the client's lands: the register is what it was one commit ago."""
        self.register = self.before

    def land_late_commit(self) -> None:
        generation, register = self.late.pop(0)
        if generation == self.generation:
            self.register = register

    def check_upload(self, upload: Upload) -> None:
        if not upload.checked:
            upload.checked = True
            upload.before()

    def land(self, upload: Upload) -> None:
        """PUT without overwriting; the same name must carry the same lines."""
        self.check_upload(upload)
        self.uploads.remove(upload)
        there = self.staged.setdefault(upload.name, upload.data)
        if not same_contents(BytesIO(there), BytesIO(upload.data)):
            raise Broken(f"another content for {upload.name}")
        upload.task.action = lambda: None
        upload.task.run()

    def check(self, *, complete: bool = False) -> None:
        """I6: files neither overlap nor differ from the log; I7: nothing uncovered is committed."""
        behind = chained = 0
        for name in sorted(self.staged):
            parsed = parse_name(name)
            assert parsed is not None
            if name not in self.compared:
                self.compare(name, parsed)
            if parsed.start < behind:
                raise Broken(f"{name} overlaps the one before")
            behind = parsed.end
            if parsed.start == chained:
                chained = parsed.end
        position = self.register[0] if self.register else 0
        if position > chained:
            raise Broken(f"{position} is committed, {chained} is staged")
        if complete and [o for o in self.offsets if o >= chained]:
            raise Broken(f"records from {chained} on are not staged")

    def compare(self, name: str, parsed: FileName) -> None:
        here = [offset for offset in self.offsets if parsed.start <= offset < parsed.end]
        data = gzip.decompress(self.staged[name])
        lines = [json.loads(line)["_offset"] for line in data.splitlines()]
        if lines != here or len(lines) != parsed.rows:
            raise Broken(f"{name} holds {lines}, the log {here}")
        self.compared.add(name)

    # --- The stage's contract, as far as receivers see it beside put()

    def list(self, prefix: str) -> Iterator[StagedFile]:
        names = sorted(name for name in self.staged if name.startswith(prefix))
        return iter([StagedFile(name, len(self.staged[name])) for name in names])

    def close(self) -> None:
        shutil.rmtree(self.folder)


@dataclass
class Member:
    """A process with the real Receiver in it; what it is answered is decided from outside."""

    world: World
    triggers: Triggers
    outcomes: list[str] = field(default_factory=list)  # of the next commits; then all are clean
    deliver: int = 0  # records of the next poll
    most: int = 1000  # records that a poll waits for
    received: Received = field(default_factory=Received)
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = Receiver(cast("Parts", FakeParts(self)), Stop(), self.received)
        self.receiver._pressure.wait = lambda *_, **__: (self.most, 0.0)  # type: ignore[method-assign]

    def turn(self, deliver: int, outcomes: list[str], *, is_behind: bool = False) -> bool:
        """One turn of the loop; says whether the membership goes on.

        is_behind: then it does not wait for what becomes of its commits.
        """
        self.deliver, self.outcomes = deliver, list(outcomes)
        self.most = 0 if is_behind else 1000
        try:
            self.receiver._turn()
        except MembershipOver:
            self.die()
            return False
        return True

    def hand_over(self, outcomes: list[str]) -> bool:
        """An orderly revocation, with uploads that land while it waits or do not."""
        self.outcomes = list(outcomes)
        try:
            membership = cast("FakeMembership", self.receiver._membership)
            membership.revoke()
        except MembershipOver:
            return False
        finally:
            self.die()
        return True

    def die(self) -> None:
        """Everything in memory is gone; commits and uploads under way are not."""
        cast("FakeMembership", self.receiver._membership).end_commits()
        self.receiver._drop([*self.receiver._lanes])


class Commit(Future[None]):
    """A commit that is on its way until somebody waits for it, or its process ends."""

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self._action = action

    def end(self) -> None:
        if not self.done():
            try:
                self.set_result(self._action())
            except MembershipOver as over:
                self.set_exception(over)

    def result(self, timeout: float | None = None) -> None:
        self.end()
        return super().result(timeout)


class FakeMembership:
    """A membership of the simulated group, which knows only generations."""

    def __init__(
        self,
        member: Member,
        on_revoke: Callable[[list[Owned]], None],
        on_lost: Callable[[list[Owned]], None],
    ) -> None:
        self._member, self._world = member, member.world
        self._on_revoke, self._on_lost = on_revoke, on_lost
        self._world.generation += 1
        self._world.before = None
        self.generation = self._world.generation
        self._owned: Owned | None = None
        self._position = 0
        self._over = False
        self._commits: list[Commit] = []

    def poll(self, _most: int, _seconds: float) -> Polled:
        if self._owned is None:
            register = self._world.register
            start = Offset(register[0] if register else 0)
            self._position = start
            self._owned = Owned(TOPIC, PLACE, start, register[1] if register else None)
            return Polled([self._owned])
        left = [offset for offset in self._world.offsets if offset >= self._position]
        found = left[: self._member.deliver]
        behind = found[-1] + 1 if found else self._position
        if len(found) == len(left) and self._member.deliver:
            behind = self._world.end
        if behind == self._position:
            return Polled()
        self._position = behind
        raw = RawRecords(
            TOPIC.topic,
            PLACE,
            [b"k"] * len(found),
            [b"%d" % offset for offset in found],
            pa.array(found, pa.int64()),
            pa.array([0] * len(found), pa.int64()),
            Offset(behind),
        )
        return Polled([], [Fetched(self._owned, raw, lambda _: ())])

    def commit(self, owned: Owned, register: Register) -> Commit:
        commit = Commit(lambda: self._commit(owned, register))
        self._commits.append(commit)
        return commit

    def end_commits(self) -> None:
        for commit in self._commits:
            commit.end()

    def _commit(self, owned: Owned, register: Register) -> None:
        if self._over or owned is not self._owned:
            raise MembershipOver(Code.KAFKA_CONN, "not owned")
        value = (int(register.position), register.metadata)
        if not register.fits:
            raise Broken(f"a broker refuses {len(register.metadata)} characters")
        outcome = self._member.outcomes.pop(0) if self._member.outcomes else "clean"
        is_current = self.generation == self._world.generation
        if outcome in ("clean", "applied") and is_current:
            self._world.before, self._world.register = self._world.register, value
        elif outcome == "late":
            self._world.late.append((self.generation, value))
        if outcome != "clean" or not is_current:
            self._over = True
            raise MembershipOver(Code.KAFKA_CONN, f"unclean: {outcome}")

    def revoke(self) -> None:
        self.end_commits()
        if self._owned is not None and not self._over:
            self._on_revoke([self._owned])
            self._owned = None

    def resume(self, _owned: Owned, _position: Offset) -> None: ...

    def pause(self, _owned: Owned) -> None: ...

    def close(self) -> None: ...


class FakeParts:
    """The parts of a receiver, with the world in the place of cluster, stage and pool."""

    def __init__(self, member: Member) -> None:
        self._member, self._world = member, member.world
        self.settings = Settings(delivery=Delivery.STREAMING)
        self.spool_bytes = self.settings.spool_bytes
        format_ = line_format(("_offset",))
        self.entry = Entry(cast("Any", self._world), format_.fingerprint, lambda *_: Offset(0))
        self.making = FileMaking(
            cast("Decoder", FakeDecoder()), format_, member.triggers, 1, self._new_path, None
        )
        self.uploads = self
        self.revoke_seconds = 0.0
        self.goal = None

    def join(self, on_revoke: Any, on_lost: Any) -> FakeMembership:
        return FakeMembership(self._member, on_revoke, on_lost)

    def taking_up(self, owned: Owned, answer: list[Taken]) -> Callable[[], None]:
        return lambda: answer.append(self.entry.take_up(owned))

    def refuse_another_creation(self, _topic: TopicId) -> None: ...

    def check_topics(self) -> None: ...

    def ask(self, action: Callable[[], None], what: str) -> Task:
        task = Task(action, what)
        task.run()
        if isinstance(task.error, DataAtRisk):
            raise Broken(str(task.error))
        return task

    def put(self, name: str, whole: Callable[[], Path], before: Callable[[], None]) -> Task:
        task = Task(lambda: None, name)
        self._world.uploads.append(Upload(name, whole().read_bytes(), task, before))
        return task

    def _new_path(self) -> Path:
        return self._world.folder / f"{next(self._world.numbers)}.gz"


class FakeDecoder:
    """A record is its offset in digits."""

    def decode(self, raw: RawRecords) -> Readable:
        numbers = pa.array([int(value or b"0") for value in raw.values], pa.int64())
        batch = pa.RecordBatch.from_arrays([numbers], names=["n"])
        ops = pa.array(["u"] * len(raw.values), pa.utf8())
        group = DecodedRecords(
            raw.topic, raw.partition, SchemaId(1), batch, ops, raw.keys, raw.offsets, raw.timestamps
        )
        return Readable((group,) if raw.values else (), {})
