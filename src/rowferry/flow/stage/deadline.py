"""A call that may never come back, in a thread that is left behind when its time is over."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class StillUnderWay(Exception):
    """The deadline has passed, and the call goes on: what comes of it is unknown."""


def within(seconds: float, action: Callable[[], Result]) -> Result:
    """What the action gives. Raises what it raises; StillUnderWay where that takes longer."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def act() -> None:
        try:
            results.append(action())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            errors.append(error)

    worker = threading.Thread(target=act, name="snowflake", daemon=True)
    worker.start()
    worker.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise StillUnderWay
    return results[0]
