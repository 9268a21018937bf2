"""Files that were removed because they are loaded are told apart from files that are missing."""

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from confluent_kafka import Producer

from fix_load import PRODUCT, Quay
from rowferry.config import Settings
from rowferry.flow.stage.contract import Stage
from rowferry.flow.stage.kinds import open_stage
from rowferry.model import StagedFile
from rowferry.proof.verify import Verification, verify

pytestmark = pytest.mark.real

UPLOADS_END_SECONDS = 120 + 61  # PUT_SECONDS, and what two clocks may differ


def names_of(settings: Settings) -> Verification:
    return verify(settings, deep=False)


def counts(found: Verification) -> dict[str, Any]:
    named = {name: getattr(found, name) for name in ("files", "gaps", "purged")}
    return {name: count for name, count in named.items() if count}


def test_what_the_ledger_has_is_purged_and_what_it_has_not_is_a_gap(quay: Quay) -> None:
    # GIVEN two files that are loaded and removed, and one that is staged after them
    quay.create(partitions=2)
    quay.stage({"id": 1}, {"id": 2})
    quay.stage({"id": 3}, partition=1)
    quay.commit()
    assert quay.load(purge=True).files == 2
    quay.fake.clock.advance(seconds=UPLOADS_END_SECONDS)
    assert quay.load(purge=True).removed == 2
    quay.stage({"id": 4})
    quay.commit()
    # THEN the ledger tells so
    found = names_of(quay.settings())
    assert (counts(found), found.findings) == ({"files": 1, "purged": 3}, ())
    # WHEN the group says of more that it is staged, THEN that is missing
    quay.commit(p0=4)
    found = names_of(quay.settings())
    assert counts(found) == {"files": 1, "purged": 3, "gaps": 1}
    assert "no file has offsets [3, 4)" in found.findings[0]
    # AND without the ledger each of them is, and it is said why
    for reason in ({"load": "off"}, {"load_ledger": "no_such_table"}):
        found = names_of(quay.settings(**reason))
        assert counts(found) == {"files": 1, "gaps": 3}
    assert "the ledger cannot be read (a table is missing" in found.findings[-1]


class Purging:
    """A stage from which a loader removes what is loaded before the first file is read."""

    def __init__(self, stage: Stage, quay: Quay) -> None:
        self._stage, self._quay = stage, quay
        self.removed = 0

    def list(self, prefix: str) -> Iterator[StagedFile]:
        yield from self._stage.list(prefix)

    def read(self, name: str) -> bytes:
        self.removed += self._quay.load(purge=True).removed
        return self._stage.read(name)

    def close(self) -> None:
        self._stage.close()


def staged_with_its_record(quay: Quay, number: int) -> None:
    """A file of one line, and the record that it is of."""
    row = {"id": number, "name": None, "price": None}
    millis = round(time.time() * 1000)
    value = io.BytesIO()
    fastavro.schemaless_writer(value, fastavro.parse_schema(dict(PRODUCT)), row)
    framed = b"\0" + quay.schema_id.to_bytes(4) + value.getvalue()
    producer = Producer(dict(quay.kafka.configuration))
    producer.produce(quay.topic_name, framed, str(number), partition=0, timestamp=millis)
    assert producer.flush(30) == 0
    at = datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    added = {"_op": "u", "_partition": 0, "_offset": quay.positions.get(0, 0), "_timestamp": at}
    quay.stage({**row, **added})


def test_a_file_that_is_removed_while_lines_are_read_is_purged_and_not_changed(
    quay: Quay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two files that are loaded, and one that is staged after them
    quay.create()
    for number in (1, 2):
        staged_with_its_record(quay, number)
    quay.commit()
    assert quay.load().files == 2
    quay.fake.clock.advance(seconds=UPLOADS_END_SECONDS)
    staged_with_its_record(quay, 3)
    quay.commit()
    stages: list[Purging] = []

    def purging(settings: Settings) -> Purging:
        stages.append(Purging(open_stage(settings), quay))
        return stages[-1]

    # WHEN they are removed between being listed and being read
    monkeypatch.setattr("rowferry.proof.verify.open_stage", purging)
    found = verify(quay.settings())
    # THEN they are loaded, and not lost
    assert stages[0].removed == 2
    assert (found.complete, found.findings) == (True, ())
    assert (found.purged, found.records, found.lines) == (2, 3, 1)
