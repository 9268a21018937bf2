"""The script of faults: what goes wrong next, how often, and what has gone wrong so far."""

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Place(StrEnum):
    """Where a fault strikes."""

    LOGIN = "login"
    QUERY = "query"
    STORAGE = "storage"


class Kind(StrEnum):
    """What goes wrong; the options of each are in docs/snowflake-fake.md."""

    REFUSE = "refuse"  # storage: status=503; once per request
    EXPIRED_CREDENTIALS = "expired_credentials"  # storage: the stage's temporary keys are stale
    BLACK_HOLE = "black_hole"  # storage: accepts after_bytes, then neither reads nor answers
    TRUNCATE = "truncate"  # storage: accepts after_bytes, then closes; nothing is stored
    LOST_OBJECT = "lost_object"  # storage: answers success, stores nothing
    LOST_REPLY = "lost_reply"  # storage: stores, then closes without an answer
    SLOW = "slow"  # storage: reads bytes_per_second
    DROP_STAGE = "drop_stage"  # storage: the stage goes before the upload arrives
    SESSION_EXPIRED = "session_expired"  # query: 390112; the connector renews it
    MASTER_EXPIRED = "master_expired"  # query: 390112, and the renewal 390114; log in again
    LOGIN_REFUSED = "login_refused"  # login: code="390144"
    UNAVAILABLE = "unavailable"  # login: status=503
    LOGIN_BLACK_HOLE = "login_black_hole"  # login: never answered
    QUERY_BLACK_HOLE = "query_black_hole"  # query: never answered; matching=
    QUERY_UNAVAILABLE = "query_unavailable"  # query: status=503
    QUERY_FAILED = "query_failed"  # query: code="000603", sqlstate, message; matching=substring
    QUERY_LOST_REPLY = "query_lost_reply"  # query: runs the statement, then closes; matching=
    QUERY_SILENT = "query_silent"  # query: runs the statement, and never answers
    QUERY_LATE = "query_late"  # query: never answered, and run when the black hole is opened


PLACE_OF = {
    Kind.SESSION_EXPIRED: Place.QUERY,
    Kind.MASTER_EXPIRED: Place.QUERY,
    Kind.QUERY_UNAVAILABLE: Place.QUERY,
    Kind.QUERY_FAILED: Place.QUERY,
    Kind.LOGIN_REFUSED: Place.LOGIN,
    Kind.UNAVAILABLE: Place.LOGIN,
    Kind.LOGIN_BLACK_HOLE: Place.LOGIN,
    Kind.QUERY_BLACK_HOLE: Place.QUERY,
    Kind.QUERY_LOST_REPLY: Place.QUERY,
    Kind.QUERY_SILENT: Place.QUERY,
    Kind.QUERY_LATE: Place.QUERY,
}
OPTIONS = {
    "status",
    "after_bytes",
    "bytes_per_second",
    "code",
    "sqlstate",
    "message",
    "matching",
    "beginning",
    "verbs",
}


@dataclass
class Fault:
    """One line of the script."""

    kind: Kind
    times: int
    options: dict[str, Any] = field(default_factory=dict)

    def strikes(self, place: Place, verb: str, text: str) -> bool:
        """Whether this fault is for a request.

        verbs: for storage, default PUT; matching: a part of the SQL text or of the path;
        beginning: how it begins.
        """
        right_place = PLACE_OF.get(self.kind, Place.STORAGE) is place
        right_verb = place is not Place.STORAGE or verb in self.options.get("verbs", ("PUT",))
        right_text = text.startswith(self.options.get("beginning", ""))
        return (
            right_place and right_verb and right_text and self.options.get("matching", "") in text
        )


class Faults:
    """`next()` writes the script; the server takes from it; `played` is the record."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: list[Fault] = []
        self.played: list[Kind] = []

    def next(self, kind: str, times: int = 1, **options: Any) -> None:
        """Add a fault for the next `times` requests it is meant for, after those already there."""
        unknown = set(options) - OPTIONS
        if unknown:
            raise ValueError(f"no such option of a fault: {sorted(unknown)}")
        with self._lock:
            self._script.append(Fault(Kind(kind), times, options))

    def clear(self) -> None:
        """Forget what has not been played."""
        with self._lock:
            self._script.clear()

    @property
    def pending(self) -> list[Kind]:
        """What the script still holds."""
        with self._lock:
            return [fault.kind for fault in self._script]

    def take(self, place: Place, verb: str = "", text: str = "") -> Fault | None:
        """The fault that strikes this request, if any; each call uses it up once."""
        with self._lock:
            for fault in self._script:
                if fault.strikes(place, verb, text):
                    fault.times -= 1
                    if fault.times == 0:
                        self._script.remove(fault)
                    self.played.append(fault.kind)
                    return fault
        return None
