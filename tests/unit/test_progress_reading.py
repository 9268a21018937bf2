"""Reading the position from a progress topic that other senders write to all the time."""

from collections.abc import Iterator
from typing import Any

import pytest

from rowferry.config import Settings
from rowferry.flow.publish import progress
from rowferry.flow.publish.progress import ProgressReader, key_of

PIPELINE = "shop"


class Record:
    def __init__(self, offset: int, key: bytes, value: bytes) -> None:
        self._offset, self._key, self._value = offset, key, value

    def error(self) -> None:
        return None

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value


class BusyLog:
    """What another sender fills faster than it is read: its end never comes."""

    def __init__(self) -> None:
        self._records: Iterator[Record] = iter(self._endless())
        self.closed = False

    def _endless(self) -> Iterator[Record]:
        for offset in range(100_000):
            yield Record(offset, key_of(PIPELINE, "public.a", "chunk"), b"%d" % offset)

    def assign(self, _places: Any) -> None:
        pass

    def consume(self, _most: int, _seconds: float) -> list[Record]:
        return [next(self._records) for _ in range(7)]

    def close(self) -> None:
        self.closed = True


def test_the_position_is_read_although_the_log_grows_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a log that had 50 records when we asked, the last of them the marker of a transaction
    log = BusyLog()
    monkeypatch.setattr(progress, "Consumer", lambda _properties: log)
    settings = Settings(kafka_server="localhost:1", pipeline=PIPELINE, tables=("public.a",))
    reader = ProgressReader(settings, lambda: 50)
    # WHEN
    found = reader.read(["public.a"])
    # THEN all of it is read and nothing is waited for
    assert found == {"public.a": {"chunk": b"49"}}
    assert log.closed
