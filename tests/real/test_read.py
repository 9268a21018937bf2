"""rowferry.read(): the committed records of a topic as batches and as rows, and nothing written."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

import rowferry
from fix_receive import EPOCH, WIDER, Ferry, product
from rowferry import Stop
from rowferry.errors import AccessDenied, ConfigError, DataAtRisk, RetryBudgetSpent, Unreadable
from rowferry.flow.receive.reading import TopicReading

pytestmark = pytest.mark.real
META = ("_op", "_partition", "_offset", "_timestamp")


def bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: cell for name, cell in row.items() if name not in META}


def test_rows_are_what_was_written_exactly_and_aborted_ones_are_not_there(ferry: Ferry) -> None:
    ferry.create(2)
    ferry.produce(range(300), 2)
    ferry.produce(range(300, 400), 2, abort=True)
    ferry.produce(range(400, 450), 2)
    rows = list(rowferry.read(ferry.topic, ferry.settings(), rows=True))
    by_number = {row["product_id"]: row for row in rows}
    assert len(rows) == len(by_number) == 350
    for number in [*range(300), *range(400, 450)]:
        assert bare(by_number[f"P{number:06d}"]) == product(number)
    for partition in (0, 1):
        offsets = [row["_offset"] for row in rows if row["_partition"] == partition]
        assert offsets == sorted(offsets)
    assert {row["_op"] for row in rows} == {"u"}
    assert all(row["_timestamp"].tzinfo is UTC for row in rows)
    # THEN no group was made, and no position committed
    groups = ferry.kafka.admin().list_consumer_groups(request_timeout=10).result(10)
    assert not [g for g in groups.valid if g.group_id.startswith("rowferry-read")]


def test_batches_are_columns_of_one_schema_each_with_the_metadata_behind_the_row(
    ferry: Ferry,
) -> None:
    ferry.create()
    ferry.produce(range(20))
    wider_id = ferry.register(WIDER)
    wide = ferry.encode({**product(20), "more": 7}, WIDER, wider_id)
    ferry.produce_raw([(b"P000020", wide), (b"P000003", None), (None, None)])
    ferry.produce(range(21, 30))
    settings = ferry.settings(metadata="_op=op,_offset,_schema_id")
    batches = list(rowferry.read(ferry.topic, settings))
    names = [field["name"] for field in WIDER["fields"]]
    meta = ["op", "_offset", "_schema_id"]
    assert [(batch.schema.names, batch["op"][0].as_py()) for batch in batches] == [
        ([*names[:-1], *meta], "u"),
        ([*names, *meta], "u"),
        (["product_id", *meta], "d"),
        (meta, "t"),
        ([*names[:-1], *meta], "u"),
    ]
    assert sum(batch.num_rows for batch in batches) == 32
    offsets = [offset for batch in batches for offset in batch["_offset"].to_pylist()]
    assert offsets == sorted(offsets)
    whole = pa.Table.from_batches([batches[0]])
    assert whole.schema.field("price").type == pa.decimal128(10, 2)
    assert whole["price"].to_pylist() == [product(number)["price"] for number in range(20)]


def test_what_is_too_large_together_comes_in_more_batches(
    ferry: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ferry.create()
    ferry.produce(range(1000), per=1000)
    monkeypatch.setattr("rowferry.kernel.avro.codec.TOGETHER_BYTES", 10_000)
    batches = list(rowferry.read(ferry.topic, ferry.settings()))
    assert len(batches) > 4
    numbers = [number for batch in batches for number in batch["product_id"].to_pylist()]
    assert numbers == [f"P{number:06d}" for number in range(1000)]


def test_reading_begins_where_it_is_told_to(ferry: Ferry) -> None:
    ferry.create(2)
    ferry.produce(range(10), 2)
    time.sleep(0.01)
    later = datetime.now(UTC)
    ferry.produce(range(10, 20), 2)
    settings = ferry.settings()

    def ids(**options: Any) -> set[str]:
        rows = rowferry.read(ferry.topic, settings, rows=True, **options)
        return {row["product_id"] for row in rows}

    assert ids(start="end") == set()
    assert ids(start=later) == {f"P{number:06d}" for number in range(10, 20)}
    assert ids(start=later + timedelta(days=1)) == set()
    assert ids(start=EPOCH - timedelta(days=1)) == ids() == {f"P{n:06d}" for n in range(20)}
    # partition 0 has 5 rows, a marker, 5 rows; the other one is read from its beginning
    assert ids(start={0: 6}) == {f"P{n:06d}" for n in range(20) if n % 2 or n >= 10}


def test_a_start_that_cannot_be_is_refused_before_or_by_the_first_item(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce(range(3))
    settings = ferry.settings()
    for wrong in (datetime(2026, 1, 1), "now", {0: -1}):  # noqa: DTZ001 - that is the point
        with pytest.raises(ConfigError, match="start"):
            rowferry.read(ferry.topic, settings, start=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no partition 9"):
        next(rowferry.read(ferry.topic, settings, start={9: 0}))
    with pytest.raises(DataAtRisk) as expired:
        next(rowferry.read(ferry.topic, settings, start={0: 1000}))
    assert expired.value.where == f"{ferry.topic}/0"


def test_following_goes_on_until_the_stop(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce(range(3))
    stop = Stop()
    found: list[str] = []

    def follow() -> None:
        for row in rowferry.read(ferry.topic, ferry.settings(), rows=True, follow=stop):
            found.append(row["product_id"])
            if len(found) == 5:
                stop.request()

    thread = threading.Thread(target=follow)
    thread.start()
    ferry.produce(range(3, 5))
    thread.join(20)
    assert not thread.is_alive()
    assert found == [f"P{number:06d}" for number in range(5)]


def test_closing_the_iterator_closes_the_consumer(
    ferry: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []

    class Watched(TopicReading):
        def close(self) -> None:
            closed.append(self)
            super().close()

    monkeypatch.setattr("rowferry.run.read.TopicReading", Watched)
    ferry.create()
    ferry.produce(range(3))
    with closing(rowferry.read(ferry.topic, ferry.settings(), rows=True)) as rows:
        assert next(rows)["product_id"] == "P000000"
        assert closed == []
    assert len(closed) == 1
    rowferry.read(ferry.topic, ferry.settings()).close()
    assert len(closed) == 1


def test_a_record_that_cannot_be_read_stops_behind_the_ones_before_it(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce(range(3))  # and a marker at offset 3
    ferry.produce_raw([(b"x", b"poison")])
    ferry.produce(range(4, 6))
    rows = rowferry.read(ferry.topic, ferry.settings(), rows=True)
    assert [next(rows)["_offset"] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Unreadable) as stopped:
        next(rows)
    assert stopped.value.where == f"{ferry.topic}/0 offset 4"
    assert "poison" not in str(stopped.value)
    over = rowferry.read(ferry.topic, ferry.settings(on_unreadable="dead_letter"), rows=True)
    assert [row["_offset"] for row in over] == [0, 1, 2, 5, 6]
    behind = rowferry.read(ferry.topic, ferry.settings(), rows=True, start={0: 5})
    assert [row["_offset"] for row in behind] == [5, 6]


def test_what_cannot_be_reached_is_told_by_the_products_errors(ferry: Ferry) -> None:
    with pytest.raises(ConfigError, match="E_TOPIC_GONE"):
        next(rowferry.read("no_such_topic", ferry.settings(connect_seconds=0)))
    ferry.create()
    ferry.produce(range(3))
    wrong = {"kafka_password": "wrong", "schema_password": "wrong"}
    for name, value in wrong.items():
        with pytest.raises(AccessDenied):
            next(rowferry.read(ferry.topic, ferry.settings(**{name: value})))
    nowhere = {"kafka_server": "localhost:1", "schema_server": "http://localhost:1"}
    for name, value in nowhere.items():
        with pytest.raises(RetryBudgetSpent):
            next(rowferry.read(ferry.topic, ferry.settings(connect_seconds=0, **{name: value})))
