"""Takes secrets out of text that is about to be shown: ours by value, others' by their shape."""

import re
from collections.abc import Iterable

MASK = "***"
_SHORTEST_SECRET = 4  # a shorter one would mask half of every text, and protects nothing

# Lengths are bounded: a hostile text must not make matching quadratic.
# A presigned URL is a credential: its query goes, whatever the vendor calls the parameters.
_URL_QUERY = re.compile(r"(https?://[^\s?\"'<>]{1,500})\?[^\s\"'<>]+")
_URL_USER = re.compile(r"([a-z0-9+.-]{1,20}://)[^/\s@\"']{1,500}@", re.IGNORECASE)
_ASSIGNED = re.compile(
    # password=…, "token": …, Authorization: …; but not the prose "PASSWORD: required"
    r"((?:password|passwd|pwd|passphrase|secret|token|api[_-]?key)(?:\s*=\s*|[\"']\s*[=:]\s*)"
    r"|authorization[\"']?\s*[=:]\s*)"
    r"((?:bearer\s+|basic\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s,;\"'}]+))",
    re.IGNORECASE,
)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL
)

_hidden: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Mask these values, from now on, wherever they appear."""
    _hidden.update(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)


def redact(text: str) -> str:
    """The text without hidden values, presigned queries, passwords, tokens and private keys."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _PRIVATE_KEY.sub(MASK, text)
    text = _URL_QUERY.sub(rf"\1?{MASK}", text)
    text = _URL_USER.sub(rf"\1{MASK}@", text)
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    return _JWT.sub(MASK, text)
