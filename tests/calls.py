"""Counts the Python and C calls of a piece of work: they must not grow with the rows."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def calls_in(work: Callable[[], object]) -> int:
    """The least of three runs after a first one, so that what is made once does not count."""
    work()
    gc.collect()
    gc.disable()
    try:
        return min(_calls(work) for _ in range(3))
    finally:
        gc.enable()


def _calls(work: Callable[[], object]) -> int:
    calls = 0

    def note(_frame: FrameType, event: str, _what: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls
