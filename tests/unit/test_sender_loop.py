"""The order of the sender's steps, and what becomes of them when one fails."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rowferry.config import Settings
from rowferry.errors import (
    AccessDenied,
    Code,
    DataAtRisk,
    Fenced,
    RowferryError,
    Transient,
    UnknownOutcome,
    Unreadable,
)
from rowferry.flow.encode.contract import NOTE
from rowferry.model import Messages, ProgressRecord, Rows, Slice, Table
from rowferry.run.sender import Sender
from rowferry.run.sender_parts import Parts, Unobserved
from rowferry.stop import Stop
from sending.numbered import NumberedCapture

ITEMS, OTHERS = "public.items", "public.others"


Failures = dict[str, list[RowferryError | None]]  # step → at which passing, which error


class Impatient(Stop):
    """Waiting takes no time."""

    def wait(self, _seconds: float) -> bool:
        return self.requested


class Memory:
    """Capture, encoder and publisher in memory, which note the order of calls and fail at will."""

    def __init__(self, *tables: str, fails: Failures | None = None) -> None:
        self.settings = Settings.model_validate(
            {"tables": tables or (ITEMS,), "connect_seconds": 5, "topic": "{table}"}
        )
        self.fails = fails or {}
        self.calls: list[str] = []
        self.noted: list[bytes | None] = []
        self.durable: dict[str, dict[str, bytes]] = {}
        self.rows: dict[str, list[int]] = {}
        self.stop = Impatient()
        self.captures: list[NumberedCapture] = []

    # Encoder
    def prepare(self, table: Table, noted: bytes | None) -> None:
        self.noted.append(noted)
        self.step("prepare", table.qualified)

    def note(self, table: str) -> ProgressRecord | None:
        is_new = NOTE not in self.durable.get(table, {})
        return ProgressRecord(NOTE, b"note") if is_new else None

    def encode(self, rows: Rows) -> Messages:
        self.step("encode", rows.table.qualified)
        numbers = rows.batch.column("n").to_pylist()
        return Messages("t", [None] * len(numbers), [str(n).encode() for n in numbers])

    # Publisher
    def open(self, topics: Mapping[str, str]) -> dict[str, dict[str, bytes]]:
        self.step("open", *topics)
        return {table: dict(self.durable.get(table, {})) for table in topics}

    def publish(self, table: str, messages: Messages, progress: Sequence[ProgressRecord]) -> None:
        self.step("publish", table)
        self.rows.setdefault(table, []).extend(int(value or b"") for value in messages.values)
        for record in progress:
            self.durable.setdefault(table, {})[record.part] = record.value or b""
        self.step("answer", table)

    def close(self) -> None:
        self.calls.append("close")

    def step(self, name: str, *tables: str) -> None:
        self.calls.append(f"{name} {' '.join(tables)}")
        failures = self.fails.get(name, [])
        failure = failures.pop(0) if failures else None
        if failure is not None:
            raise failure

    def run(self, *, once: bool = True) -> None:
        memory = self

        class Noting(NumberedCapture):
            def confirm(self, committed: Slice) -> None:
                memory.step("confirm", committed.rows.table.qualified)
                super().confirm(committed)

        def make(settings: Settings) -> NumberedCapture:
            self.captures.append(Noting(settings, 4, slice_rows=2))
            return self.captures[-1]

        parts = Parts(make, self, self, self.close)
        Sender(self.settings, self.stop, parts, Unobserved()).run(once=once)


def test_a_slice_is_durable_before_it_is_confirmed() -> None:
    memory = Memory()
    memory.run()
    assert memory.calls == [
        f"open {ITEMS}",
        f"prepare {ITEMS}",
        *[f"{step} {ITEMS}" for step in ("encode", "publish", "answer", "confirm")],
        *[f"{step} {ITEMS}" for step in ("encode", "publish", "answer", "confirm")],
    ]
    assert memory.rows == {ITEMS: [0, 1, 2, 3]}


DOWN = Transient(Code.SR_DOWN, "down")
LOST = UnknownOutcome(Code.KAFKA_TXN, "no answer")


@pytest.mark.parametrize("step", ["open", "prepare", "encode", "publish", "answer"])
def test_passing_trouble_anywhere_sends_each_row_once(step: str) -> None:
    # GIVEN trouble at the first and the third time; behind "answer" the rows are durable
    memory = Memory(fails={step: [LOST if step == "answer" else DOWN, None, DOWN]})
    memory.run()
    assert memory.rows == {ITEMS: [0, 1, 2, 3]}


def test_after_a_lost_answer_the_position_is_read_again() -> None:
    memory = Memory(fails={"answer": [LOST]})
    memory.run()
    looked, *opened = memory.captures[0].opened_with
    assert looked == {}  # at first only to see whether the tables will do
    assert [parts.get(ITEMS) for parts in opened] == [{}, {"count": b"2", NOTE: b"note"}]
    assert memory.noted == [None, b"note"]


@pytest.mark.parametrize(
    "error",
    [
        Fenced(Code.FENCED, "newer"),
        AccessDenied(Code.KAFKA_AUTH, "no"),
        DataAtRisk(Code.TOPIC_RECREATED, "other"),
    ],
)
def test_trouble_of_all_ends_the_sender_at_once(error: RowferryError) -> None:
    memory = Memory(ITEMS, OTHERS, fails={"publish": [None, error]})
    with pytest.raises(type(error)):
        memory.run()
    assert memory.rows == {ITEMS: [0, 1]}


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("prepare", DataAtRisk(Code.SR_INCOMPATIBLE, "column n")),
        ("encode", Unreadable(Code.UNCARRIABLE, "a value")),
        ("publish", Unreadable(Code.TOO_LARGE, "a row")),
    ],
)
def test_trouble_of_one_table_does_not_keep_the_others(step: str, error: RowferryError) -> None:
    memory = Memory(ITEMS, OTHERS, fails={step: [error]})
    with pytest.raises(type(error)) as raised:
        memory.run()
    assert raised.value is error
    assert memory.rows == {OTHERS: [0, 1, 2, 3]}


def test_a_table_that_is_gone_is_named_by_the_capture() -> None:
    gone = DataAtRisk(Code.TABLE_GONE, "not there", where=ITEMS)
    memory = Memory(ITEMS, OTHERS, fails={"open": [gone]})
    with pytest.raises(DataAtRisk):
        memory.run()
    assert memory.rows == {OTHERS: [0, 1, 2, 3]}


def test_a_stop_ends_between_slices_with_what_was_sent_confirmed() -> None:
    memory = Memory(ITEMS, OTHERS)

    def publish(table: str, messages: Messages, progress: Sequence[ProgressRecord]) -> None:
        Memory.publish(memory, table, messages, progress)
        memory.stop.request()

    stopping: Any = memory
    stopping.publish = publish
    memory.run(once=False)
    assert memory.rows == {ITEMS: [0, 1]}
    assert memory.calls[-1] == f"confirm {ITEMS}"
