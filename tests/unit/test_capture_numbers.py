"""A COPY of very many numbers is handed over in parts, never held together."""

import struct

import numpy as np
import pytest

from memory import most_memory
from rowferry.flow.capture import copied
from rowferry.flow.capture.copied import Numbers
from rowferry.flow.capture.xids import Int64s

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


def row(number: int) -> bytes:
    return struct.pack(">hiq", 1, 8, number)


def test_numbers_come_in_parts_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied, "MOST_NUMBERS", 4)
    for count in (0, 1, 3, 4, 5, 8, 11):
        sent = [(-1) ** n * (2**40 + n) for n in range(count)]
        parts: list[Int64s] = []
        numbers = Numbers(parts.append)
        first, *others = [*map(row, sent), TRAILER]
        for chunk in (HEADER + first, *others):
            numbers.write(chunk)
        numbers.finish()
        assert np.concatenate(parts).tolist() == sent
        assert max(map(len, parts)) <= 4


def test_many_numbers_are_never_held_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied, "MOST_NUMBERS", 1 << 12)
    found = [0, 0]

    def take(numbers: Int64s) -> None:
        found[0] += len(numbers)
        found[1] += int(numbers.sum())

    numbers = Numbers(take)
    with most_memory() as most:
        numbers.write(HEADER + row(0))
        for number in range(1, 200_000):
            numbers.write(row(number))
        numbers.write(TRAILER)
        numbers.finish()
    assert found == [200_000, sum(range(200_000))]
    assert most() < 1_000_000
