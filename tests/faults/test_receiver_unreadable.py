"""Records that cannot be read: their neighbours arrive, and the coverage has no hole."""

from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from fix_receive import SCHEMA, Ferry, product, wait_until

pytestmark = pytest.mark.real


def poisoned(ferry: Ferry) -> list[tuple[bytes | None, bytes | None]]:
    """Good records at offsets 0, 2, 4, …; odd ones between."""
    good = [ferry.encode(product(n), SCHEMA, ferry.schema_id) for n in range(8)]
    odd = [
        b"",
        b"no magic byte",
        b"\0\0\0",
        b"\0\x7f\xff\xff\xff" + good[0][5:],
        good[1][:-1],
        good[2] + b"\0",
        b"\0" + ferry.schema_id.to_bytes(4) + b"\xff" * 12,
    ]
    records: list[tuple[bytes | None, bytes | None]] = []
    for number, value in enumerate(good):
        records.append((b"P%06d" % number, value))
        records += [(b"odd %d" % number, bad) for bad in odd[number : number + 1]]
    return records


def test_by_default_it_stops_there_with_what_came_before_staged(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce_raw(poisoned(ferry))
    for _ in range(2):
        process = ferry.start("--once")
        assert process.wait(60) == 7, ferry.log()
        assert f"{ferry.topic}/0 offset 1" in ferry.log()
        [file] = ferry.files()
        assert (file.start, file.end, file.rows) == (0, 1, 1)
        assert ferry.committed()[0][0] == 1


def test_put_aside_they_keep_bytes_key_and_reason_and_the_chain_has_no_hole(ferry: Ferry) -> None:
    # GIVEN
    ferry.create()
    ferry.kafka.create_topic(f"{ferry.topic}_dead_letter", 1)
    records = poisoned(ferry)
    ferry.produce_raw(records)

    # WHEN
    ferry.once(on_unreadable="dead_letter", max_records=2)

    # THEN the good ones are staged, in a chain to the end
    files = ferry.files()
    assert [line["_offset"] for file in files for line in file.lines] == list(range(0, 15, 2))
    assert [file.start for file in files] == [0, *(file.end for file in files[:-1])]
    assert ferry.committed()[0][0] == len(records)

    # THEN the others are in the dead-letter topic as they came
    letters = read_all(ferry, f"{ferry.topic}_dead_letter", 7)
    assert [letter[:2] for letter in letters] == [r for n, r in enumerate(records) if n % 2]
    for number, (_, _, headers) in enumerate(letters):
        assert headers["rowferry.topic"] == ferry.topic.encode()
        assert headers["rowferry.offset"] == b"%d" % (2 * number + 1)
        assert headers["rowferry.reason"]


def test_only_unreadable_records_move_the_position_too(ferry: Ferry) -> None:
    ferry.create()
    ferry.kafka.create_topic(f"{ferry.topic}_dead_letter", 1)
    ferry.produce_raw([(None, b"no magic byte")] * 3)
    ferry.once(on_unreadable="dead_letter")
    [file] = ferry.files()
    assert (file.start, file.end, file.rows) == (0, 3, 0)
    assert ferry.committed()[0][0] == 3


def test_a_missing_dead_letter_topic_is_told_and_nothing_moves(ferry: Ferry) -> None:
    ferry.create()
    ferry.produce_raw([(None, b"no magic byte")])
    process = ferry.start("--once", on_unreadable="dead_letter")
    assert process.wait(60) == 2, ferry.log()
    assert f"{ferry.topic}_dead_letter" in ferry.log()
    assert ferry.files() == []


def test_a_record_as_large_as_a_topic_takes_is_put_aside_as_it_came(ferry: Ferry) -> None:
    # GIVEN one that is larger than the client sends by itself, and its neighbours
    ferry.create()
    ferry.kafka.create_topic(f"{ferry.topic}_dead_letter", 1)
    good = [(b"P%06d" % n, ferry.encode(product(n), SCHEMA, ferry.schema_id)) for n in range(2)]
    large = (b"large", b"x" * 1_040_000)
    ferry.produce_raw([good[0], large, good[1]])

    # WHEN
    ferry.once(on_unreadable="dead_letter")

    # THEN
    [letter] = read_all(ferry, f"{ferry.topic}_dead_letter", 1)
    assert letter[:2] == large
    assert [line["_offset"] for file in ferry.files() for line in file.lines] == [0, 2]


def test_a_record_larger_than_the_dead_letter_topic_takes_is_told_with_its_place(
    ferry: Ferry,
) -> None:
    # GIVEN a dead-letter topic of small records, and one among them that is not
    ferry.create()
    ferry.kafka.create_topic(f"{ferry.topic}_dead_letter", 1, max_message_bytes="2000")
    ferry.produce_raw([(None, b"no magic byte"), (None, b"x" * 5000), (None, b"nor here")])

    # WHEN, THEN it stops there at every start, until the topic takes it
    process = ferry.start("--once", on_unreadable="dead_letter")
    assert process.wait(60) == 7, ferry.log()
    [line] = [line for line in ferry.log().splitlines() if "E_TOO_LARGE" in line]
    assert f"{ferry.topic}/0 offset 1" in line
    assert f"raise max.message.bytes of {ferry.topic}_dead_letter" in line
    assert ferry.committed()[0][0] <= 0


def test_tombstones_and_truncate_markers_are_lines(ferry: Ferry) -> None:
    ferry.create()
    value = ferry.encode(product(1), SCHEMA, ferry.schema_id)
    ferry.produce_raw([(b"P000001", value), (b"P000001", None), (None, None)])
    ferry.once()
    [file] = ferry.files()
    bare = [{k: v for k, v in line.items() if k != "_timestamp"} for line in file.lines[1:]]
    place = {"_partition": 0}
    assert bare == [
        {"product_id": "P000001", "_op": "d", **place, "_offset": 1},
        {"_op": "t", **place, "_offset": 2},
    ]


def test_while_the_registry_is_down_records_wait_and_the_group_stays(ferry: Ferry) -> None:
    # GIVEN a receiver that has never seen the schema, and a registry that does not answer
    ferry.create()
    ferry.produce(range(50))
    receiver = ferry.start(schema_server="http://127.0.0.1:9/apis")
    wait_until(lambda: "partition.taken" in ferry.log(), what="the partition")
    wait_until(lambda: "E_SR_DOWN" in ferry.log(), what="the registry's refusal")
    assert receiver.poll() is None
    assert ferry.files() == []
    receiver.terminate()
    assert receiver.wait(30) == 0

    # WHEN it is back
    ferry.once()
    ferry.check()


Letter = tuple[bytes | None, bytes | None, dict[str, Any]]


def read_all(ferry: Ferry, topic: str, count: int) -> list[Letter]:
    consumer = Consumer({**ferry.kafka.configuration, "group.id": "letters"})
    found: list[Letter] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while len(found) < count:
            for message in consumer.consume(count, 1.0):
                assert message.error() is None
                headers: dict[str, Any] = dict(message.headers() or ())
                found.append((message.key(), message.value(), headers))
    finally:
        consumer.close()
    return found
