"""A capture of rows 0, 1, 2 …: its position is a count, so that a lost or repeated row shows."""

from collections.abc import Generator, Mapping

import pyarrow as pa

from rowferry.config import Settings
from rowferry.model import Column, ProgressRecord, Rows, Slice, Table

TEXT, INT8 = 25, 20
LARGE = "public.items"  # the table in which large rows are


def table_of(qualified: str) -> Table:
    schema, _, name = qualified.partition(".")
    columns = (
        Column("id", "text", nullable=False, base_oid=TEXT, base_mod=-1),
        Column("n", "bigint", nullable=False, base_oid=INT8, base_mod=-1),
        Column("note", "text", nullable=True, base_oid=TEXT, base_mod=-1),
    )
    return Table(1, schema, name, columns, ("id",))


def rows_of(table: Table, first: int, last: int, large_at: int = -1) -> Rows:
    numbers = range(first, last)
    notes = ["x" * 2_000_000 if number == large_at else "n" for number in numbers]
    batch = pa.record_batch(
        {
            "id": pa.array([f"key-{number % 100}" for number in numbers], pa.utf8()),
            "n": pa.array(numbers, pa.int64()),
            "note": pa.array(notes, pa.utf8()),
        }
    )
    return Rows(table, batch)


class NumberedCapture:
    """Gives `total` rows a table, `slice_rows` a slice and a tick; then nothing."""

    def __init__(
        self, settings: Settings, total: int, *, slice_rows: int, large_at: int = -1
    ) -> None:
        self.pause_seconds = 0.01
        self._tables = {name: table_of(name) for name in settings.tables}
        self._total, self._slice_rows, self._large_at = total, slice_rows, large_at
        self._sent: dict[str, int] = {}
        self._offered: Slice | None = None
        self.opened_with: list[Mapping[str, Mapping[str, bytes]]] = []

    @property
    def is_settled(self) -> bool:
        return all(sent >= self._total for sent in self._sent.values())

    def open(self, progress: Mapping[str, Mapping[str, bytes]]) -> tuple[Table, ...]:
        self.opened_with.append(progress)
        self._offered = None
        self._sent = {name: int(progress.get(name, {}).get("count", b"0")) for name in self._tables}
        return tuple(self._tables.values())

    def tick(self) -> Generator[Slice, None, None]:
        for name, table in self._tables.items():
            first = self._sent[name]
            last = min(first + self._slice_rows, self._total)
            if first < last:
                position = ProgressRecord("count", str(last).encode())
                rows = rows_of(table, first, last, self._large_at if name == LARGE else -1)
                self._offered = Slice(rows, (position,))
                yield self._offered

    def confirm(self, committed: Slice) -> None:
        assert committed is self._offered
        self._sent[committed.rows.table.qualified] = int(committed.progress[0].value or b"0")

    def close(self) -> None:
        self._offered = None
