"""A call into the connector comes back by its deadline, whatever becomes of it."""

import os
import threading
import time

import pytest

from rowferry.flow.stage.deadline import StillUnderWay, within


def test_what_ends_in_time_gives_what_it_gives_and_raises_what_it_raises() -> None:
    assert within(5, lambda: None) is None
    assert within(5, lambda: "done") == "done"
    with pytest.raises(KeyError, match="GONE"):
        within(5, lambda: os.environ["GONE"])


def test_what_takes_longer_is_left_behind_and_its_end_harms_nobody() -> None:
    # GIVEN a call that hangs
    released = threading.Event()
    began = time.monotonic()
    # WHEN its time is over THEN the caller goes on
    with pytest.raises(StillUnderWay):
        within(0.05, lambda: released.wait(20) and os.environ["GONE"])
    assert time.monotonic() - began < 5
    # AND what it raises in the end is nobody's
    released.set()
    for thread in threading.enumerate():
        if thread.name == "snowflake":
            thread.join(5)
            assert not thread.is_alive()
