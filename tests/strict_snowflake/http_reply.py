"""What a request is and what is answered to it, free of sockets."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class BlackHole(Exception):
    """This request is never answered; what `at_the_end` does is done when the hole is opened."""

    def __init__(self, at_the_end: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.at_the_end = at_the_end


@dataclass(frozen=True)
class Request:
    """A request whose body has been read; header names in lower case, query values single."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer; a reason overrides the usual words behind the status."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    reason: str | None = None


def json_reply(document: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def failure(code: str, message: str, *, sqlstate: str = "08004", has_data: bool = True) -> Reply:
    """What Snowflake answers when it answers no; the status is 200."""
    return json_reply(
        {
            "data": {"errorCode": code, "sqlState": sqlstate} if has_data else None,
            "code": code,
            "message": message,
            "success": False,
            "headers": None,
        }
    )
