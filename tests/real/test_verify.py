"""`verify` finds every way in which stage, topic and table can disagree, and no other."""

import gc
import gzip
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from fix_stack import Database, KafkaBroker, RegistryServer
from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, Transient
from rowferry.flow.receive.topics import Topics
from rowferry.flow.stage.directory import DirectoryStage
from rowferry.flow.stage.names import file_name
from rowferry.model import Offset, Partition, Range, StagedFile, TopicId
from rowferry.proof.verify import Verification, verify

pytestmark = pytest.mark.real

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "products",
    "rowferry.key": ["id"],
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "name", "type": ["null", "string"], "default": None},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        },
    ],
}
Row = tuple[int, str | None, str]
ROWS: list[Row] = [(n, None if n % 7 == 0 else f"näme {n}", f"{n}.50") for n in range(40)]


class Bench:
    """A table, a topic of one partition and a folder, filled by hand and not by the product."""

    def __init__(
        self, settings: Settings, database: Database, broker: KafkaBroker, registry: RegistryServer
    ) -> None:
        self.settings, self.database = settings, database
        self.topic = settings.topic_of("public.products")
        self.folder = Path((settings.stage or "").removeprefix("file:"))
        self._producer = Producer(dict(broker.configuration))
        self._avro = fastavro.parse_schema(json.loads(json.dumps(SCHEMA)))
        with closing(SchemaRegistryClient(dict(registry.configuration))) as client:
            schema = Schema(json.dumps(SCHEMA), "AVRO")
            self._schema_id = client.register_schema(f"{self.topic}-value", schema)
        # The records' times are long ago: the broker would delete them at its next look.
        broker.create_topic(self.topic, 1, retention_ms="-1")
        self._asking = broker.admin()
        database.execute(
            "CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2))"
        )
        self.records: list[tuple[Row, int]] = []

    def insert(self, rows: Sequence[Row]) -> None:
        places = ", ".join(["(%s, %s, %s)"] * len(rows))
        values = tuple(value for row in rows for value in row)
        self.database.execute(f"INSERT INTO products VALUES {places}", values)

    def produce(self, rows: Sequence[Row], value: bytes | None = None) -> None:
        for row in rows:
            names = [field["name"] for field in SCHEMA["fields"]]
            payload = BytesIO()
            record = dict(zip(names, (row[0], row[1], Decimal(row[2])), strict=True))
            fastavro.schemaless_writer(payload, self._avro, record)
            framed = struct.pack(">bI", 0, self._schema_id) + payload.getvalue()
            timestamp = 1_700_000_000_000 + len(self.records)
            self._producer.produce(
                self.topic, value or framed, str(row[0]), partition=0, timestamp=timestamp
            )
            self.records.append((row, timestamp))
        assert self._producer.flush(30) == 0

    def line(self, offset: int) -> dict[str, Any]:
        (number, name, price), timestamp = self.records[offset]
        seconds, millis = divmod(timestamp - 1_700_000_000_000, 1000)
        at = f"2023-11-14T22:13:{20 + seconds:02d}.{millis:03d}000Z"
        row = {"id": number, "name": name, "price": Decimal(price)}
        return {**row, "_op": "u", "_partition": 0, "_offset": offset, "_timestamp": at}

    def text(self, line: dict[str, Any]) -> str:
        parts = (
            f"{json.dumps(k)}:{v if isinstance(v, Decimal) else json.dumps(v, ensure_ascii=False)}"
            for k, v in line.items()
        )
        return "{" + ",".join(parts) + "}\n"

    def path(self, start: int, end: int, rows: int | None = None) -> Path:
        topic_id = Topics(self.settings).ids([self.topic])[self.topic]
        count = end - start if rows is None else rows
        return self.folder / file_name(
            Range(topic_id, Partition(0), Offset(start), Offset(end), count)
        )

    def stage(
        self,
        start: int,
        end: int,
        change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda lines: lines,
    ) -> Path:
        path = self.path(start, end)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = change([self.line(offset) for offset in range(start, end)])
        path.write_bytes(gzip.compress("".join(self.text(line) for line in lines).encode()))
        return path

    def commit(self, position: int) -> None:
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

        place = TopicPartition(self.topic, 0, position)
        group = ConsumerGroupTopicPartitions(self.settings.group, [place])
        self._asking.alter_consumer_group_offsets([group])[self.settings.group].result(30)

    def verify(self, **options: Any) -> Verification:
        return verify(self.settings, **{"grace_seconds": 0.0, **options})


@pytest.fixture
def bench(
    stack_settings: Callable[..., Settings],
    database: Database,
    kafka: KafkaBroker,
    registry: RegistryServer,
) -> Bench:
    """Forty rows in table and topic, staged in three files, position 40."""
    settings = stack_settings(tables="public.products")
    bench = Bench(settings, database, kafka, registry)
    bench.insert(ROWS)
    bench.produce(ROWS)
    for start, end in ((0, 10), (10, 25), (25, 40)):
        bench.stage(start, end)
    bench.commit(40)
    return bench


def counts(found: Verification) -> dict[str, int]:
    names = ("gaps", "overlaps", "duplicates", "missing", "changed", "pending", "unreadable")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def test_what_is_complete_is_found_complete(bench: Bench) -> None:
    found = bench.verify()
    assert found.findings == ()
    assert found.complete
    assert (found.files, found.lines, found.records, found.rows) == (3, 40, 40, 40)
    assert counts(found) == {}


def test_a_removed_file_is_a_gap_and_its_records_are_missing(bench: Bench) -> None:
    for start, end in ((0, 10), (10, 25), (25, 40)):
        # GIVEN
        path = bench.path(start, end)
        kept = path.read_bytes()
        path.unlink()
        # WHEN
        found = bench.verify()
        # THEN
        assert not found.complete
        assert counts(found) == {"gaps": 1, "missing": end - start}
        assert f"[{start}, {end})" in found.findings[0]
        path.write_bytes(kept)


def test_names_alone_show_gaps_and_overlaps(bench: Bench) -> None:
    bench.path(10, 25).rename(bench.path(12, 30))
    found = bench.verify(deep=False)
    assert counts(found) == {"gaps": 1, "overlaps": 1}
    assert (found.files, found.lines) == (3, 0)


def test_a_file_staged_twice_is_found(bench: Bench) -> None:
    bench.stage(12, 20)
    found = bench.verify()
    assert counts(found) == {"overlaps": 1, "duplicates": 9}  # a file and its eight lines


@pytest.mark.parametrize(
    "change",
    [
        lambda line: {**line, "price": Decimal("12.51")},
        lambda line: {**line, "name": None},
        lambda line: {**line, "name": line["name"] + " "},
        lambda line: {**line, "id": True},
        lambda line: {**line, "_timestamp": "2023-11-14T22:13:20.999000Z"},
        lambda line: {**line, "_partition": 1},
        lambda line: {**line, "_op": "d"},
        lambda line: {**line, "extra": 1},
        lambda line: {k: v for k, v in line.items() if k != "name"},
        lambda line: dict(reversed(line.items())),
    ],
)
def test_a_line_that_differs_in_anything_is_found(
    bench: Bench, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    bench.stage(10, 25, lambda lines: [*lines[:2], change(lines[2]), *lines[3:]])
    found = bench.verify()
    assert counts(found) == {"changed": 1}
    assert "line 3" in found.findings[0]
    assert "offset 12" in found.findings[0]


def test_a_line_that_lacks_or_repeats_is_found(bench: Bench) -> None:
    # GIVEN the line of offset 12 twice, that of offset 13 not at all
    bench.stage(10, 25, lambda lines: [*lines[:3], lines[2], *lines[4:]])
    assert counts(bench.verify()) == {"duplicates": 1, "missing": 1}
    # GIVEN one line less than the name says
    bench.stage(10, 25, lambda lines: lines[:-1])
    assert counts(bench.verify()) == {"missing": 1, "changed": 1}


def test_a_broken_file_is_found(bench: Bench) -> None:
    path = bench.path(10, 25)
    path.write_bytes(path.read_bytes()[:-20])
    assert counts(bench.verify())["changed"] >= 1


def test_records_behind_the_position_are_pending_and_not_missing(bench: Bench) -> None:
    bench.insert([(100, "new", "1.00")])
    bench.produce([(100, "new", "1.00")])
    found = bench.verify()
    assert found.complete
    assert counts(found) == {"pending": 1}


def test_a_record_that_nobody_can_read_is_set_aside_and_not_missing(bench: Bench) -> None:
    bench.produce([(101, "x", "1.00")], value=b"\x00garbage")
    bench.produce([(39, "näme 39", "39.50")])
    bench.stage(40, 42, lambda lines: lines[1:]).rename(bench.path(40, 42, rows=1))
    bench.commit(42)
    found = bench.verify()
    assert counts(found) == {"unreadable": 1}
    assert found.repeated == 1


def test_a_row_that_was_never_sent_is_missing(bench: Bench) -> None:
    bench.insert([(200, "lost", "1.00"), (201, "lost", "1.00")])
    found = bench.verify()
    assert counts(found) == {"missing": 2}
    assert "2 rows have no record" in found.findings[0]


def test_a_row_whose_latest_record_is_another_version_is_changed(bench: Bench) -> None:
    # GIVEN an update that was not sent, and an old version sent after the new one
    bench.database.execute("UPDATE products SET price = 0.01 WHERE id = 3")
    bench.produce([(5, "old", "1.00")])
    # THEN
    found = bench.verify()
    assert counts(found) == {"changed": 2, "pending": 1}


def test_deleted_rows_are_no_loss_and_a_filter_leaves_rows_out(bench: Bench) -> None:
    bench.database.execute("DELETE FROM products WHERE id < 5")
    bench.insert([(300, "left out", "1.00")])
    bench.settings = replace_setting(bench.settings, filter="id < 300")
    found = bench.verify()
    assert found.complete
    assert found.rows == 35


def test_rows_that_row_level_security_hides_are_not_taken_for_proven(bench: Bench) -> None:
    bench.database.execute("ALTER TABLE products ENABLE ROW LEVEL SECURITY")
    with pytest.raises(AccessDenied, match="row-level security"):
        bench.verify()


def test_files_of_an_earlier_creation_of_the_topic_are_told(bench: Bench) -> None:
    other = Range(TopicId(bench.topic, "AAAAAAAA"), Partition(0), Offset(0), Offset(5), 5)
    path = bench.folder / file_name(other)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    found = bench.verify()
    assert found.complete
    assert found.unproven == 5
    assert "earlier creation" in found.findings[0]


def replace_setting(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def test_verifications_add_up() -> None:
    one = Verification(rows=1, missing=2, findings=("a",))
    assert one + replace(one, findings=("b",)) == Verification(2, missing=4, findings=("a", "b"))


def test_what_is_staged_while_the_files_are_listed_has_its_records(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a pipeline that goes on while it is proved
    class Growing(DirectoryStage):
        def list(self, prefix: str) -> Iterator[StagedFile]:
            bench.produce([(100, "later", "1.00"), (101, "later", "1.00")])
            bench.stage(40, 42)
            return super().list(prefix)

    monkeypatch.setattr("rowferry.proof.verify.open_stage", lambda _: Growing(bench.folder))
    # THEN each of its lines is that of a record
    found = bench.verify()
    assert (found.findings, counts(found), found.lines) == ((), {}, 42)


def test_a_group_that_starts_at_the_end_owes_nothing_from_before_it(bench: Bench) -> None:
    # GIVEN one that has committed its start, and has staged nothing
    bench.settings = replace_setting(bench.settings, start_from="end")
    for start, end in ((0, 10), (10, 25), (25, 40)):
        bench.path(start, end).unlink()
    bench.produce([(100, "later", "1.00")])
    # THEN the older records are owed by nobody, and the later one is to come
    assert counts(bench.verify()) == {"pending": 1}
    # AND from its first file on all of them are
    bench.stage(40, 41)
    bench.produce([(101, "later", "1.00")])
    bench.commit(42)
    assert counts(bench.verify()) == {"gaps": 1, "missing": 1}


def test_a_stage_that_does_not_answer_ends_the_proof_with_that_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down(DirectoryStage):
        def read(self, name: str) -> bytes:
            raise Transient(Code.STAGE_DOWN, f"no {name}")

    monkeypatch.setattr("rowferry.proof.verify.open_stage", lambda _: Down(bench.folder))
    with pytest.raises(Transient, match="no "):
        bench.verify()
    gc.collect()  # what is told of objects that could not be closed is an error here
