"""Which schema each message has."""

import pyarrow as pa
import pytest

from rowferry.kernel.avro import AvroCodec, OtherFrame, frame_ids, frames


def test_a_framed_message_tells_its_schema() -> None:
    messages = [b"\x00\x00\x00\x00\x07", b"\x00\xff\xff\xff\xff" + b"rest" * 9]
    assert frame_ids(messages).tolist() == [7, 0xFFFFFFFF]


@pytest.mark.parametrize(
    "message",
    [None, b"", b"\x00", b"\x00\x00\x00\x07", b"\x01\x00\x00\x00\x07", b"{} and more"],
    ids=repr,
)
def test_a_message_without_a_frame_is_told_apart(message: bytes | None) -> None:
    framed = b"\x00\x00\x00\x01\x00body"
    assert frame_ids([framed, message, framed]).tolist() == [256, -1, 256]
    assert frame_ids([message]).tolist() == [-1]


def test_no_messages_have_no_schemas() -> None:
    assert frame_ids([]).tolist() == []


def test_more_messages_than_are_looked_at_at_once_come_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "MESSAGES_AT_ONCE", 3)
    messages = [frames.header_of(number) for number in range(10)]
    assert frame_ids(messages).tolist() == list(range(10))


@pytest.mark.parametrize("count", [1, 5, 200, 20_000])
@pytest.mark.parametrize(
    "other",
    [
        None,
        b"",
        b"\x00\x00\x00\x00\x07"[:4],
        b"\x00\x00\x00\x00\x08\x02",
        b"\x01\x00\x00\x00\x07\x02",
    ],
)
def test_a_message_of_another_frame_is_told_wherever_it_is(count: int, other: bytes | None) -> None:
    codec = AvroCodec({"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]})
    messages: list[bytes | None] = [*codec.encode(pa.record_batch({"n": range(count)}), 7)]
    assert codec.decode(messages, 7).batch.column("n").to_pylist() == [*range(count)]
    with pytest.raises(OtherFrame):
        codec.decode(messages, 6)
    for place in {0, count // 2, count - 1}:
        with pytest.raises(OtherFrame):
            codec.decode([*messages[:place], other, *messages[place + 1 :]], 7)
