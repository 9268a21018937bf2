"""A capture on a real database, and a list where Kafka would be."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pyarrow as pa

from fix_stack import Database
from rowferry.config import Settings, environment_name
from rowferry.flow.capture.incremental import IncrementalCapture
from rowferry.flow.capture.opening import connect
from rowferry.flow.capture.poll import PostgresSource
from rowferry.flow.capture.source import Connected
from rowferry.model import Slice
from rowferry.sources import load_settings


def settings_for(database: Database, **overrides: Any) -> Settings:
    """Settings of a sender that has SELECT on public.t and no more."""
    fields: dict[str, Any] = {
        "kafka_server": "unused:1",
        "schema_server": "http://unused",
        "tables": ("public.t",),
        "timestamp_column": "updated",
        **overrides,
    }
    known = {environment_name(name) for name in Settings.model_fields}
    environ = {k: v for k, v in database.environ.items() if k in known}
    return load_settings(fields, environ=environ).settings


class Desk:
    """Keeps what the capture commits; crash() is what kill -9 would be."""

    def __init__(self, settings: Settings, *, once: bool = False) -> None:
        self.settings = settings
        self.later = 0.0  # how far the capture's clock is ahead
        self.durable: dict[str, dict[str, bytes]] = {}
        self.rows: list[dict[str, Any]] = []
        self.slices: list[int] = []
        self.source: PostgresSource | None = None
        self.capture = IncrementalCapture(
            settings, lambda: time.monotonic() + self.later, connect=self._connect, once=once
        )

    def _connect(self, settings: Settings) -> Connected:
        connected = connect(settings)
        assert isinstance(connected.source, PostgresSource)
        self.source = connected.source
        return connected

    def open(self) -> "Desk":
        self.capture.open(self.durable)
        return self

    def crash(self) -> None:
        self.capture.close()
        self.capture.open(self.durable)

    def crash_and_tick(self) -> None:
        self.crash()
        self.tick()

    def commit(self, one: Slice) -> None:
        table = one.rows.table.qualified
        self.rows += [{"table": table, **row} for row in plain(one.rows.batch).to_pylist()]
        self.slices.append(one.rows.batch.num_rows)
        parts = self.durable.setdefault(table, {})
        for record in one.progress:
            if record.value is None:
                del parts[record.part]
            else:
                parts[record.part] = record.value

    def tick(self, *, give_up_at: int | None = None, confirm: bool = True) -> int:
        """One tick; gives up before the slice of that number is committed."""
        count = 0
        slices = self.capture.tick()
        for number, one in enumerate(slices):
            if number == give_up_at:
                slices.close()
                break
            self.commit(one)
            count += one.rows.batch.num_rows
            if not confirm:
                slices.close()
                break
            self.capture.confirm(one)
        return count

    def settle(self, most: int = 200) -> int:
        """Tick until all is given out; says how many rows came."""
        count = 0
        for _ in range(most):
            count += self.tick()
            if self.capture.is_settled:
                return count
            time.sleep(min(self.capture.pause_seconds, 0.02))
        raise AssertionError("the capture does not come to rest")

    def values(self, column: str = "v") -> list[Any]:
        return [row[column] for row in self.rows]

    def twice(self, column: str = "v") -> list[Any]:
        return [value for value, times in Counter(self.values(column)).items() if times > 1]


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times as numbers: Python's own hold neither infinity nor the years before Christ."""
    columns = {
        name: column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return pa.RecordBatch.from_pydict(columns)


@contextmanager
def session(database: Database, *, autocommit: bool = False) -> Iterator[Callable[..., None]]:
    """Another session, as superuser: call it with SQL."""
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = autocommit
    try:
        with connection.cursor() as cursor:

            def execute(statement: str, parameters: Any = None) -> None:
                cursor.execute(statement, parameters)

            yield execute
    finally:
        connection.close()
