"""A Snowflake internal stage: PUT without overwriting, then LIST to see that the file is there."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rowferry.config import Settings
from rowferry.errors import Code, DataAtRisk, NoSpace, Transient
from rowferry.flow.stage.deadline import StillUnderWay, within
from rowferry.flow.stage.files import is_full
from rowferry.flow.stage.same import same_contents
from rowferry.flow.stage.snowflake_errors import (
    EXPIRED,
    NO_SUCH_FILE,
    RENEWED_AT_LOGIN,
    code_of,
    ends_session,
    translate,
)
from rowferry.flow.stage.snowflake_location import local_url, parse_location
from rowferry.flow.stage.snowflake_login import connection_parameters, log_in
from rowferry.model import StagedFile

_CIPHER_BLOCK = 16  # client-side encryption pads a file to whole blocks, one more if it fits

Result = TypeVar("Result")


class TooSlow(Transient):
    """What was asked did not end by its deadline, and may still go on."""


class SnowflakeStage:
    """Files on an internal stage, by the real connector; a session that is opened when needed.

    What takes longer than PUT_SECONDS is left behind with its session; an upload that lands later
    carries the same lines.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._location = parse_location(settings.stage or "")
        connection_parameters(settings)  # wrong settings are told at once
        self._lock, self._login = threading.Lock(), threading.Lock()
        self._session: Any = None
        self._replaces = False

    def put(self, name: str, spooled: Path) -> None:
        """PUT, then see that the stage has the file, whatever was answered."""
        self._run(lambda session: self._put(session, name, spooled))

    def list(self, prefix: str) -> Iterator[StagedFile]:
        """LIST by prefix, sorted by name."""
        yield from self._run(lambda session: self._listed(session, prefix))

    def read(self, name: str) -> bytes:
        """GET into a private folder."""
        return self._run(lambda session: self._read(session, name))

    def remove(self, name: str) -> None:
        """REMOVE."""
        self._run(lambda session: _execute(session, f"REMOVE {self._location.sql(name)}"))

    def close(self) -> None:
        """Log out."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            _close(session)

    # --- Statements

    def _put(self, session: Any, name: str, spooled: Path) -> None:
        folder, _, last = name.rpartition("/")
        if self._replaces and self._is_there(session, name, spooled):
            return
        with _as_file_named(last, spooled) as local:
            rows = _execute(
                session,
                f"PUT {local_url(str(local))} {self._location.sql(f'{folder}/')} "
                "AUTO_COMPRESS=FALSE OVERWRITE=FALSE PARALLEL=1",
            )
        status = str(rows[0][6]) if rows else "nothing"
        if not self._is_there(session, name, spooled):
            raise Transient(
                Code.STAGE_DOWN, f"PUT answered {status}, and the file is not there", where=name
            )

    def _is_there(self, session: Any, name: str, spooled: Path) -> bool:
        """Whether the stage has the file. Raises DataAtRisk where it has other lines."""
        found = [staged for staged in self._listed(session, name) if staged.name == name]
        if not found:
            return False
        size = spooled.stat().st_size
        if found[0].size in (size, size // _CIPHER_BLOCK * _CIPHER_BLOCK + _CIPHER_BLOCK):
            return True
        with (
            self._got(session, name) as got,
            got.open("rb") as there,
            spooled.open("rb") as ours,
        ):
            if same_contents(there, ours):
                return True
        raise DataAtRisk(
            Code.STAGE_CONFLICT,
            "a staged file with the same name has other contents",
            where=name,
            advice="nothing was overwritten; find out which other writer uses this stage",
        )

    def _listed(self, session: Any, prefix: str) -> Sequence[StagedFile]:
        rows = _execute(session, f"LIST {self._location.sql(prefix)}")
        named = ((self._location.relative(str(row[0])), int(row[1])) for row in rows)
        return sorted(
            (StagedFile(n, size) for n, size in named if n is not None and n.startswith(prefix)),
            key=lambda staged: staged.name,
        )

    def _read(self, session: Any, name: str) -> bytes:
        from snowflake.connector.errors import Error

        try:
            with self._got(session, name) as got:
                return got.read_bytes()
        except Error as error:
            if code_of(error) == NO_SUCH_FILE:
                raise FileNotFoundError(name) from None
            raise

    @contextmanager
    def _got(self, session: Any, name: str) -> Iterator[Path]:
        """The staged file in a private folder, which goes again."""
        folder = Path(tempfile.mkdtemp(prefix="rowferry-get-"))
        try:
            _execute(session, f"GET {self._location.sql(name)} {local_url(f'{folder}/')}")
            yield folder / name.rpartition("/")[2]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # --- Sessions and deadlines

    def _run(self, action: Callable[[Any], Result]) -> Result:
        """Act in the session, once more in a new one where it has expired."""
        from snowflake.connector.errors import Error

        for is_last in (False, True):
            session = None
            try:
                session = self._within_deadline(self._open, "the login")
                return self._within_deadline(partial(action, session), "the stage")
            except Error as error:
                if ends_session(error):
                    self._forget(session)
                if is_last or code_of(error) not in EXPIRED | RENEWED_AT_LOGIN:
                    raise translate(error, self._location) from None
            except TooSlow:  # its thread still uses the session, which nobody else shall wait for
                self._forget(session)
                raise
            except FileNotFoundError:
                raise
            except OSError as error:
                if is_full(error):  # of this machine: the session is sound
                    raise _no_space(error) from error
                self._forget(session)
                what = f"the stage is not reached: {type(error).__name__}"
                raise Transient(Code.STAGE_DOWN, what) from None
        raise AssertionError("unreachable")

    def _open(self) -> Any:
        """The session; one thread logs in, since refused logins lock a user out."""
        with self._login:
            if self._session is not None:
                return self._session
            session = log_in(self._settings)
            replaces = _may_replace(session)
            with self._lock:
                self._session, self._replaces = session, replaces
        return session

    def _forget(self, session: Any) -> None:
        """Let the next call log in again; the session is closed in the background, if it can be."""
        with self._lock:
            if session is None or self._session is not session:
                return
            self._session = None
        threading.Thread(target=_close, args=(session,), daemon=True).start()

    def _within_deadline(self, action: Callable[[], Result], what: str) -> Result:
        seconds = self._settings.put_seconds
        try:
            return within(seconds, action)
        except StillUnderWay:
            what = f"{what} did not answer within {seconds:g} s"
            raise TooSlow(Code.STAGE_DOWN, what) from None


def _execute(session: Any, statement: str) -> list[tuple[Any, ...]]:
    with session.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _may_replace(session: Any) -> bool:
    """Whether PUT replaces a file whatever OVERWRITE says, as on Google Cloud."""
    from snowflake.connector.errors import ProgrammingError

    try:
        region = _execute(session, "SELECT CURRENT_REGION()")
    except ProgrammingError:  # where this is unknown, nothing is taken for granted
        return True
    return not region or "GCP" in str(region[0][0]).upper()


def _close(session: Any) -> None:
    from snowflake.connector.errors import Error

    with suppress(Error, OSError):
        session.close(retry=False)


def _no_space(error: OSError) -> NoSpace:
    return NoSpace(
        Code.LOCAL_RESOURCE,
        f"this machine has no space for what goes to the stage or comes from it: {error.strerror}",
        where=str(error.filename or tempfile.gettempdir()),
        advice="free space there; see ROWFERRY_SPOOL_DIR and TMPDIR",
    )


@contextmanager
def _as_file_named(name: str, spooled: Path) -> Iterator[Path]:
    """The spooled file under another name, which PUT takes over; it stays while PUT needs it."""
    folder = Path(tempfile.mkdtemp(prefix="put-", dir=spooled.parent))
    try:
        try:
            os.link(spooled, folder / name)
        except OSError:  # a file system without hard links
            shutil.copyfile(spooled, folder / name)
        yield folder / name
    finally:
        shutil.rmtree(folder, ignore_errors=True)
