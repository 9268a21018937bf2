"""Remembers which login was refused, so that no restart asks again and locks the user out.

A file for each account and user, in a folder of our own beside the spool, holds the time and the
code of refusals by a fingerprint of what was refused: another password, key, token or role is
tried at once. The file is locked during a login, so that of many processes with a wrong password
one is refused.
"""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rowferry.config import Settings
from rowferry.errors import Code, LocalResource

PAUSE_SECONDS = 60.0
LOCKING_PAUSE_SECONDS = 3600.0
WRONG_PASSWORD = 390100
_FREE_REFUSALS = 3  # the fifth wrong password locks a user for everybody, for 15 minutes
_KEPT_SECONDS = 86_400.0
_LOCK_SECONDS, _LOCK_LOOK_SECONDS = 45.0, 0.05
_WHO = ("account", "host", "port", "user")
_PROOF = (
    *("role", "authenticator", "password", "private_key", "token"),
    *("oauth_client_id", "oauth_client_secret", "oauth_token_request_url", "oauth_scope"),
    *("workload_identity_provider", "workload_identity_impersonation_path"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The last refusal of one proof, and how many came one after the other."""

    at: float
    code: int
    count: int

    def pause_left(self, now: float) -> float:
        """How long Snowflake is not to be asked; a clock that was set back ends it."""
        is_locking = self.code == WRONG_PASSWORD and self.count >= _FREE_REFUSALS
        pause = LOCKING_PAUSE_SECONDS if is_locking else PAUSE_SECONDS
        return max(0.0, self.at + pause - now) if now >= self.at else 0.0


class Refusals:
    """The refusals of one account and user; to be used while open() holds the lock."""

    def __init__(self, path: Path, fingerprint: str, clock: Callable[[], float]) -> None:
        self._path, self._fingerprint, self._clock = path, fingerprint, clock

    def pending(self) -> tuple[Refusal, float] | None:
        """The refusal of this very proof, and how long Snowflake is not to be asked again."""
        last = self._read().get(self._fingerprint)
        left = last.pause_left(self._clock()) if last else 0.0
        return (last, left) if last and left > 0 else None

    def note(self, code: int) -> None:
        """Write down that the proof was refused just now."""
        known = self._read()
        before = known.get(self._fingerprint)
        now = self._clock()
        count = before.count + 1 if before and before.code == code else 1
        known[self._fingerprint] = Refusal(now, code, count)
        fresh = {key: asdict(r) for key, r in known.items() if now - r.at < _KEPT_SECONDS}
        with suppress(OSError):  # a full disk must not hide what Snowflake said
            self._path.write_text(json.dumps(fresh))

    def forget(self) -> None:
        """The proof was accepted: nothing of this user needs to be remembered."""
        with suppress(OSError):
            self._path.unlink()

    def _read(self) -> dict[str, Refusal]:
        try:
            document = json.loads(self._path.read_text() or "{}")
            return {key: Refusal(**found) for key, found in document.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # half written: as if there
            return {}  # were none


@contextmanager
def refusals_of(
    settings: Settings, parameters: Mapping[str, Any], clock: Callable[[], float] = time.time
) -> Iterator[Refusals]:
    """Lock and open what is remembered of these connection parameters.

    Waits while another process logs in, for 45 s at most. Raises LocalResource.
    """
    folder = _own_folder(Path(settings.spool_dir or tempfile.gettempdir()))
    who = "\0".join(str(parameters.get(name, "")) for name in _WHO)
    path = folder / f"{hashlib.sha256(who.encode()).hexdigest()[:24]}.json"
    descriptor = _locked(path)
    try:
        yield Refusals(path, _fingerprint(parameters, who), clock)
    finally:
        os.close(descriptor)


def _fingerprint(parameters: Mapping[str, Any], who: str) -> str:
    """Slow to compute, for a password may be short and the file be read by somebody."""
    proof = repr([parameters.get(name) for name in _PROOF]).encode()
    return hashlib.scrypt(proof, salt=who.encode(), n=2**13, r=8, p=1, dklen=24).hex()


def _own_folder(above: Path) -> Path:
    """A folder that nobody else can enter, whatever another user has put in its place."""
    folder = above / f"rowferry-logins-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise _unusable(folder, error.strerror or "") from error
    is_shared = status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or is_shared:
        raise _unusable(folder, "it is not a folder of this user alone")
    return folder


def _locked(path: Path) -> int:
    """A descriptor that holds the lock, or has waited long enough for one that another holds."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error.strerror or "") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == path.stat().st_ino:
                    return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:  # its holder is stopped, perhaps
                return descriptor
            time.sleep(_LOCK_LOOK_SECONDS)
        os.close(descriptor)


def _unusable(path: Path, reason: str) -> LocalResource:
    return LocalResource(
        Code.LOCAL_RESOURCE,
        f"refused logins cannot be remembered: {reason}",
        where=str(path),
        advice="set ROWFERRY_SPOOL_DIR to a folder that you may write to",
    )
