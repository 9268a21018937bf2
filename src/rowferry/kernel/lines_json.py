"""JSON texts as values inside a line: as they are, on one line; what is no JSON is a string.

Whether a text is JSON is asked of many at once: joined with separators that nobody can guess,
they are JSON together, the separators at every other place, only if each of them is.
"""

import json
import re
import secrets
from typing import Literal, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

JsonForm = Literal["string", "nested"]

_TOGETHER_BYTES = 1_000_000  # which take ten times the memory while they are looked at
_BREAKS = (b"\n", b"\r")  # between tokens only: a string of JSON has none
_TOKEN = re.compile(
    r"[ \t\n\r]*(?:(?P<mark>[][{},:])"
    r'|(?P<text>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")'
    r"|(?P<other>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null))"
)
_SPACE = re.compile(r"[ \t\n\r]*")
_CLOSING = {"{": "}", "[": "]"}
_SCALARS, _VALUES = ("text", "other"), ("value", "value or ]")
_FOLLOWING = {("key", "text"): "colon", ("key or }", "text"): "colon", ("colon", ":"): "value"}


def json_values(values: pa.Array) -> pa.Array:
    """A column of texts as one of values for a line; NULL stays NULL."""
    octets = values.cast(pa.binary())
    odd = _no_json(octets.fill_null(b"null"))
    on_one_line = octets
    used = np.frombuffer(octets.buffers()[2] or b"", np.uint8)
    for character in _BREAKS:
        if (used == ord(character)).any():
            on_one_line = pc.replace_substring(on_one_line, pattern=character, replacement=b" ")
    if odd:
        told = on_one_line.to_pylist()
        for place in odd:
            told[place] = json.dumps(octets[place].as_py().decode(), ensure_ascii=False).encode()
        on_one_line = pa.array(told, pa.binary())
    return pa.ExtensionArray.from_storage(pa.json_(pa.utf8()), on_one_line.view(pa.utf8()))


def is_json(text: str) -> bool:
    """Whether a text is one JSON value (RFC 8259), however deep; without recursion."""
    closing: list[str] = []
    at, expected = 0, "value"
    while expected != "end":
        found = _TOKEN.match(text, at)
        if found is None:
            return False
        at = found.end()
        mark = found["mark"] or ("text" if found["text"] else "other")
        following = _after(mark, expected, closing)
        if following is None:
            return False
        expected = following
    return _SPACE.fullmatch(text, at) is not None


def _after(mark: str, expected: str, closing: list[str]) -> str | None:
    """What may follow a token; None where it may not stand here. closing: of what is open."""
    if mark in _CLOSING and expected in _VALUES:
        closing.append(_CLOSING[mark])
        return "key or }" if mark == "{" else "value or ]"
    if (
        closing
        and mark == closing[-1]
        and expected in ("comma", f"value or {mark}", f"key or {mark}")
    ):
        closing.pop()
    elif mark == "," and expected == "comma":
        return "key" if closing[-1] == "}" else "value"
    elif mark not in _SCALARS or expected not in _VALUES:
        return _FOLLOWING.get((expected, mark))
    return "comma" if closing else "end"


def _no_json(octets: pa.Array) -> list[int]:
    """The places of texts that are no JSON."""
    bounds = np.frombuffer(octets.buffers()[1], np.int32, len(octets) + 1, 4 * octets.offset)
    odd: list[int] = []
    first = 0
    while first < len(octets):
        last = int(np.searchsorted(bounds, bounds[first] + _TOGETHER_BYTES, "right")) - 1
        some = octets.slice(first, max(1, last - first))
        if not _are_json(some):
            texts = enumerate(some.to_pylist(), first)
            odd += [place for place, text in texts if not is_json(text.decode())]
        first += len(some)
    return odd


def _are_json(octets: pa.Array) -> bool:
    separator = secrets.token_hex(16)
    together = pa.ListArray.from_arrays(pa.array([0, len(octets)], pa.int32()), octets)
    joined = pc.binary_join(together, f',"{separator}",'.encode())[0].as_py()
    try:
        found = json.loads(b"[%b]" % joined, parse_constant=_refuse)
    except (ValueError, RecursionError):  # or a number too long for Python: each is looked at
        return False
    between = found[1::2]
    return len(found) == 2 * len(octets) - 1 and between == [separator] * len(between)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
