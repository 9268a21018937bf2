"""What the connector's errors mean to us. Their texts hold presigned URLs and tokens: we cut them.

Codes: Snowflake's own at the server (six digits from 390100 for logins), the connector's from
250001.
"""

import re

from rowferry.errors import AccessDenied, Code, ConfigError, RowferryError, Transient
from rowferry.flow.stage.snowflake_location import Location, gone

# A session is over: log in again, with keys and tokens read anew.
EXPIRED = frozenset({390104, 390110, 390111, 390112, 390113, 390114, 390115, 390195})
# A token or a JWT is over or gone: in a session as above; at a login once, for a new one may help.
RENEWED_AT_LOGIN = frozenset({390303, 390318, 394301})
NO_SUCH_FILE = 253006  # the connector's: GET of a name that no file has
IDENTITY_PROVIDER = 250006  # the connector's: no token for these client credentials
_BY_PROVIDER = "identity provider responded with error"  # 5.x has no number for it
_NO_IDENTITY = frozenset({251017, 251018, 251021})  # the connector's: no workload identity here
_MISSING = frozenset({2003, 2043, 253001, 253004})  # does not exist or not authorized
_PRIVILEGE = frozenset({3001, 3041})
_CONNECTION = range(250001, 253000)  # the connector's own: network, login, session
_SYNTAX = frozenset({1003, 2001})
_LOGIN_CODE = re.compile(r"\b(39[0-9]{4})\b")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_UNTRUSTED = ("certificate verif", "invalid peer certificate")
_LONG_WORD = re.compile(r"\S{60,}")
_LONGEST = 240
_LOGIN_CODES = range(390_100, 400_000)

_CLOCK = "is this machine's clock right? Snowflake allows a minute; set it by NTP"
_KEY = "ALTER USER … SET RSA_PUBLIC_KEY (or RSA_PUBLIC_KEY_2) to what rowferry init prints"
_TOKEN = "put a new token into SNOWFLAKE_TOKEN_FILE; it is read at each login"  # noqa: S105
_REPAIRS = {
    390100: "see SNOWFLAKE_USER and SNOWFLAKE_PASSWORD; a user of TYPE = SERVICE has no password: "
    "use a key pair or a token (docs/snowflake.md)",
    390101: "ALTER USER … SET DISABLED = FALSE",
    390102: "wait 15 minutes, or ALTER USER … SET MINS_TO_UNLOCK = 0; then repair the password",
    390144: f"{_KEY}; {_CLOCK}",
    390189: "GRANT ROLE … TO USER …, or see SNOWFLAKE_ROLE",
    390303: _TOKEN,
    390318: _TOKEN,
    390422: "let this machine's address in by the user's or the account's NETWORK POLICY",
    394300: "see SNOWFLAKE_ACCOUNT and SNOWFLAKE_USER, which the key's signature names",
    394301: _CLOCK,
    394302: _CLOCK,
    394303: f"{_CLOCK}; unset JWT_LIFETIME_IN_SECONDS",
    394304: _KEY,
    394305: "use an RSA key, or an elliptic curve P-256, P-384 or P-521",
    394400: "the token is over, revoked, or the user has no network policy: ALTER USER … ROTATE "
    "PROGRAMMATIC ACCESS TOKEN, then write it to SNOWFLAKE_TOKEN_FILE",
    IDENTITY_PROVIDER: "see SNOWFLAKE_OAUTH_CLIENT_ID, SNOWFLAKE_OAUTH_CLIENT_SECRET, "
    "SNOWFLAKE_OAUTH_TOKEN_REQUEST_URL and SNOWFLAKE_OAUTH_SCOPE",
}


def code_of(error: Exception) -> int:
    """The decisive code: a login's is in the text of the connector's own."""
    errno = getattr(error, "errno", None) or -1
    if errno in _LOGIN_CODES:
        return int(errno)
    found = _LOGIN_CODE.search(str(getattr(error, "msg", None) or ""))
    return int(found[1]) if found else int(errno)


def refused_code(error: Exception) -> int | None:
    """The code where Snowflake, or who gives out tokens for it, refused a login; else None."""
    code = code_of(error)
    if _BY_PROVIDER in str(getattr(error, "msg", None) or "").lower():
        return IDENTITY_PROVIDER
    is_refused = code in _LOGIN_CODES or code == IDENTITY_PROVIDER
    return code if is_refused and code not in EXPIRED else None


def ends_session(error: Exception) -> bool:
    """Whether the session is over, or its connection in doubt; not where a statement failed."""
    code = code_of(error)
    return code < 0 or code in EXPIRED | RENEWED_AT_LOGIN or code in _CONNECTION


def translate(error: Exception, location: Location) -> RowferryError:
    """What the error means; to be raised `from` None, as the original's text is no one's to see."""
    code = code_of(error)
    what = f"Snowflake answers {code}: {safe_text(error)}"
    where = f"@{location.place}"
    if code in _MISSING:
        return gone(location, what)
    if code in _SYNTAX:
        return ConfigError(Code.CONFIG, what, where=where, advice="see ROWFERRY_STAGE")
    if code in _LOGIN_CODES and code not in EXPIRED:
        return denied(code, what, where)
    advice = _advice_without_login(error, code)
    if advice is not None:
        return AccessDenied(Code.SF_AUTH, what, where=where, advice=advice)
    return Transient(Code.STAGE_DOWN, what, where=where)


def _advice_without_login(error: Exception, code: int) -> str | None:
    """What to do about a refusal that is none of a login; None where it is no refusal."""
    if code in _PRIVILEGE:
        return "GRANT READ, then WRITE on it"
    if code in _NO_IDENTITY:
        return "run where SNOWFLAKE_WORKLOADIDENTITY_PROVIDER vouches for this process"
    if _is_of_tls(error):
        return (
            "the server does not prove that it is Snowflake, and was sent no password or token: "
            "see SNOWFLAKE_HOST; a proxy's CA belongs in REQUESTS_CA_BUNDLE"
        )
    return None


def denied(code: int, what: str, where: str) -> AccessDenied:
    """A login that is refused, with the repair for its code (docs/snowflake.md has them all)."""
    advice = _REPAIRS.get(code, "see SNOWFLAKE_USER and its key, token or password")
    return AccessDenied(Code.SF_AUTH, what, where=where, advice=advice)


def _is_of_tls(error: Exception) -> bool:
    """4.x has a class for it, 5.x a text; not where a storage is meant, which has its own retry."""
    text = str(getattr(error, "msg", None) or "").lower()
    is_login = code_of(error) in _CONNECTION
    return type(error).__name__ == "NonRetryableTlsError" or (
        is_login and any(words in text for words in _UNTRUSTED)
    )


def safe_text(error: Exception) -> str:
    """The first line of what was answered, without addresses, tokens and most of its length."""
    text = str(getattr(error, "msg", None) or type(error).__name__)
    first = next((line for line in text.splitlines() if line.strip()), "")
    cut = _LONG_WORD.sub("…", _URL.sub("<address>", first))
    return cut if len(cut) <= _LONGEST else f"{cut[:_LONGEST]}…"
