"""Failpoints: die, stop, fail or sleep at a durable boundary, for tests. Nothing when unset.

`ROWFERRY_FAILPOINTS="name=kill|stop|raise|sleep:ms[@k]"`, several separated by commas; `@k` acts
at the k-th passing only.
"""

import os
import signal
import time
from collections import Counter

from rowferry.errors import Code, ConfigError

NAMES = (
    "send.read",
    "send.produce",
    "send.commit",
    "send.confirm",
    "load.chunk",
    "receive.poll",
    "receive.plan",
    "receive.put",
    "receive.done",
    "load.lock",
    "load.copy",
    "load.merge",
    "load.commit",
)


class FailpointHit(RuntimeError):
    """Raised by `name=raise`."""


def _parse(text: str) -> dict[str, tuple[str, int]]:
    actions: dict[str, tuple[str, int]] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, action = item.partition("=")
        action, _, count = action.partition("@")
        known = action in ("kill", "stop", "raise") or action.startswith("sleep:")
        if name not in NAMES or not known:
            raise ConfigError(
                Code.CONFIG,
                f"ROWFERRY_FAILPOINTS: {item!r} is not name=kill|stop|raise|sleep:ms[@k]",
            )
        actions[name] = (action, int(count) if count else 0)
    return actions


_passed: Counter[str] = Counter()
_actions: dict[str, tuple[str, int]] | None = None


def failpoint(name: str) -> None:
    """Act as the environment says for this boundary; free when it says nothing."""
    global _actions  # noqa: PLW0603 - read once, at the first boundary, never at import
    if _actions is None:
        _actions = _parse(os.environ.get("ROWFERRY_FAILPOINTS", ""))
    if name not in _actions:
        return
    action, at = _actions[name]
    _passed[name] += 1
    if at and _passed[name] != at:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "raise":
        raise FailpointHit(name)
    else:
        time.sleep(int(action.removeprefix("sleep:")) / 1000)
