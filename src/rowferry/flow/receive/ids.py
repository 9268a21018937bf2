"""Topic ids as names carry them."""

import base64

_BITS = 64
_CHARACTERS = 8  # 48 bits: enough to tell the creations of one topic apart


def short_id(most_significant: int, least_significant: int) -> str:
    """The first characters of a topic id in URL-safe base64, from its two signed halves."""
    halves = (most_significant % (1 << _BITS), least_significant % (1 << _BITS))
    octets = b"".join(half.to_bytes(_BITS // 8) for half in halves)
    return base64.urlsafe_b64encode(octets).decode()[:_CHARACTERS]
