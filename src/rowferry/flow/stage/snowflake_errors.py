"""What the connector's errors mean to us. Their texts hold presigned URLs and tokens: we cut them.

Codes: Snowflake's own at the server (six digits from 390100 for logins), the connector's from
250001.
"""

import re

from rowferry.errors import AccessDenied, Code, ConfigError, RowferryError, Transient
from rowferry.flow.stage.snowflake_location import Location, gone

# A session, or the token it was opened with, has ended: log in again, with the file read anew.
EXPIRED = frozenset({390104, 390110, 390111, 390112, 390113, 390114, 390115, 390195})
EXPIRED_TOKEN = frozenset({390303, 390318, 394301, 394303})
_JWT_REFUSED = 390144
_MISSING = frozenset({2003, 2043, 253001, 253004})  # does not exist or not authorized
_PRIVILEGE = frozenset({3001, 3041})
_CONNECTION = range(250001, 253000)  # the connector's own: network, login, session
_SYNTAX = frozenset({1003, 2001})
_LOGIN_CODE = re.compile(r"\b(39[0-9]{4})\b")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_LONG_WORD = re.compile(r"\S{60,}")
_LONGEST = 240
_LEAST_LOGIN_CODE, _MOST_LOGIN_CODE = 390100, 399999


def code_of(error: Exception) -> int:
    """The decisive code: a login's is in the text of the connector's own."""
    errno = getattr(error, "errno", None) or -1
    if errno in range(_LEAST_LOGIN_CODE, _MOST_LOGIN_CODE + 1):
        return int(errno)
    found = _LOGIN_CODE.search(str(getattr(error, "msg", None) or ""))
    return int(found[1]) if found else int(errno)


def ends_session(error: Exception) -> bool:
    """Whether the session is over, or its connection in doubt; not where a statement failed."""
    code = code_of(error)
    return code < 0 or code in EXPIRED | EXPIRED_TOKEN or code in _CONNECTION


def translate(error: Exception, location: Location) -> RowferryError:
    """What the error means; to be raised `from` None, as the original's text is no one's to see."""
    code = code_of(error)
    what = f"Snowflake answers {code}: {_safe_text(error)}"
    where = f"@{location.place}"
    if code in EXPIRED:
        return Transient(Code.STAGE_DOWN, what, where=where)
    if _LEAST_LOGIN_CODE <= code <= _MOST_LOGIN_CODE:
        hint = "is this machine's clock right? " if code == _JWT_REFUSED else ""
        return AccessDenied(
            Code.SF_AUTH,
            what,
            where=where,
            advice=f"{hint}see SNOWFLAKE_USER and its key, token or password; passwords of "
            "service users are blocked since October 2026",
        )
    if code in _PRIVILEGE:
        return AccessDenied(Code.SF_AUTH, what, where=where, advice="GRANT READ, then WRITE on it")
    if code in _MISSING:
        return gone(location, what)
    if code in _SYNTAX:
        return ConfigError(Code.CONFIG, what, where=where, advice="see ROWFERRY_STAGE")
    return Transient(Code.STAGE_DOWN, what, where=where)


def _safe_text(error: Exception) -> str:
    text = str(getattr(error, "msg", None) or type(error).__name__)
    first = next((line for line in text.splitlines() if line.strip()), "")
    cut = _LONG_WORD.sub("…", _URL.sub("<address>", first))
    return cut if len(cut) <= _LONGEST else f"{cut[:_LONGEST]}…"
