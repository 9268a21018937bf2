"""Sessions: what a login gives, how long it holds, how it is renewed, and the record of logins."""

import secrets
import threading
from dataclasses import dataclass, field

from strict_snowflake.accounts import Refused
from strict_snowflake.clock import Clock

SESSION_SECONDS = 3600
MASTER_SECONDS = 4 * 3600


@dataclass(frozen=True)
class Login:
    """One attempt to log in, as LOGIN_HISTORY would have it; error_code is None for success."""

    at: float
    user: str
    authenticator: str
    error_code: str | None


@dataclass
class Session:
    """Who is logged in, where they are, and the tokens that prove it."""

    user: str
    role: str
    database: str | None
    schema: str | None
    warehouse: str | None
    autocommit: bool
    roles: frozenset[str] = frozenset()
    client_major: int = 4  # the connector's major version
    token: str = ""
    expires_at: float = 0.0
    master_token: str = ""
    master_expires_at: float = 0.0
    session_id: int = field(default_factory=lambda: secrets.randbelow(10**12))
    parameters: dict[str, str] = field(default_factory=dict)


class Sessions:
    """All open sessions, found by their tokens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: list[Session] = []
        self.logins: list[Login] = []

    def open(self, session: Session) -> Session:
        with self._lock:
            self._open.append(session)
        return self._renew(session)

    def record(self, user: str, authenticator: str, error_code: str | None) -> None:
        with self._lock:
            self.logins.append(Login(self._clock.now(), user, authenticator, error_code))

    def find(self, token: str) -> Session:
        """The session of a session token. Refused with 390104 or, when it is over, 390112."""
        session = self._by(token, "token")
        if session is None:
            raise Refused("390104", "Session token not found or invalid.")
        if session.expires_at <= self._clock.now():
            raise Refused("390112", "Your session has expired. Please login again.")
        return session

    def renew(self, master_token: str) -> Session:
        """New tokens for a master token. Refused with 390113 or, when it is over, 390114."""
        session = self._by(master_token, "master_token")
        if session is None:
            raise Refused("390113", "Master token not found or invalid.")
        if session.master_expires_at <= self._clock.now():
            raise Refused(
                "390114",
                "Authentication token has expired.  The user must authenticate again.",
            )
        return self._renew(session)

    def heartbeat(self, session: Session) -> None:
        """Both tokens hold on from now."""
        now = self._clock.now()
        session.expires_at, session.master_expires_at = now + SESSION_SECONDS, now + MASTER_SECONDS

    def close(self, session: Session) -> None:
        with self._lock:
            self._open.remove(session)

    def open_now(self) -> list[Session]:
        """The sessions that have not logged out, oldest first."""
        with self._lock:
            return list(self._open)

    def expire(self, *, master: bool = False) -> None:
        """End all session tokens now, and with `master` what would renew them."""
        with self._lock:
            for session in self._open:
                session.expires_at = 0.0
                if master:
                    session.master_expires_at = 0.0

    def _renew(self, session: Session) -> Session:
        session.token, session.master_token = secrets.token_hex(24), secrets.token_hex(24)
        self.heartbeat(session)
        return session

    def _by(self, token: str, attribute: str) -> Session | None:
        if not token:
            return None
        with self._lock:
            return next((s for s in self._open if getattr(s, attribute) == token), None)
