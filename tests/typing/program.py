"""A small program of a user's, for the type checker: what it sees is what docs/api.md promises.

Each `type: ignore` is a promise, too: one that is not needed is an error.
"""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, assert_type

import rowferry
from rowferry import RowferryError, Settings, Stop
from rowferry.config import Delivery
from rowferry.run.receiver import Received
from rowferry.sources import Loaded

loaded = rowferry.load_settings(required=("kafka_server", "schema_server"))
assert_type(loaded, Loaded)
settings = loaded.settings
assert_type(settings, Settings)
assert_type(settings.delivery, Delivery)
assert_type(settings.tables, tuple[str, ...])

stop = Stop()
rowferry.run_sender(settings, stop, once=True)
assert_type(rowferry.run_receiver(settings, stop, once=True), Received)

rows = rowferry.read("product_updates", settings, rows=True)
assert_type(rows, Generator[dict[str, Any], None, None])
for row in rows:
    assert_type(row, dict[str, Any])
rows.close()

batches = rowferry.read("product_updates", settings)
assert_type(batches, Generator[Any, None, None])  # pyarrow has no types of its own

rowferry.read("product_updates", start="end", follow=stop)
rowferry.read("product_updates", start={0: 17}, rows=False)
rowferry.read("product_updates", start=datetime(2026, 11, 24, tzinfo=UTC), rows=True)
rowferry.read("product_updates", start="now")  # type: ignore[call-overload]
rowferry.read("product_updates", follow=True)  # type: ignore[call-overload]
rowferry.read()  # type: ignore[call-overload]
rowferry.run_sender(settings)  # type: ignore[call-arg]

try:
    next(rows)
except RowferryError as error:
    assert_type(error.exit_code, int)
    assert_type(error.advice, str)
