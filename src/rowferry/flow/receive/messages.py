"""The client's messages → records of partitions; each by a few calls in C for all of them."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from confluent_kafka import Message

from rowferry.flow.receive.contract import Headers
from rowferry.model import Offset, Partition, RawRecords


def by_partition(messages: Sequence[Message]) -> dict[tuple[str, int], list[Message]]:
    """In order; each run of one partition costs no call of Python's a message."""
    found: dict[tuple[str, int], list[Message]] = {}
    for topic, of_topic in groupby(messages, Message.topic):
        for partition, run in groupby(of_topic, Message.partition):
            found.setdefault((topic or "", partition or 0), []).extend(run)
    return found


def raw_records(
    topic: str, partition: Partition, records: Sequence[Message], reached: int = 0
) -> RawRecords:
    """Messages of one partition, none of them an error; reached: how far the log is known."""
    count = len(records)
    offsets = _offsets(records)
    stamps = map(itemgetter(1), map(Message.timestamp, records))
    return RawRecords(
        topic,
        partition,
        list(map(Message.key, records)),
        list(map(Message.value, records)),
        pa.array(offsets),
        pa.array(np.fromiter(stamps, np.int64, count)),
        Offset(max(int(offsets[-1]) + 1 if count else 0, reached)),
    )


def headers_of(message: Message) -> Headers:
    """The headers, in order."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(key, value.encode() if isinstance(value, str) else value) for key, value in pairs]


def _offsets(records: Sequence[Message]) -> npt.NDArray[np.int64]:
    """They ascend: without a hole the first and the last tell those between."""
    if records:
        first, last = records[0].offset() or 0, records[-1].offset() or 0
        if last - first == len(records) - 1:
            return np.arange(first, last + 1)
    return np.fromiter(map(Message.offset, records), np.int64, len(records))
