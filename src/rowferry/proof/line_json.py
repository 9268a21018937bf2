"""The JSON of a line, read so that nothing of it is lost: digits, order, names that come twice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_LONG = 4000  # digits; Python turns no more than 4300 into an integer


class Members(dict[str, Any]):
    """An object's members; pairs has all of them, in order, also where a name comes twice."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def __repr__(self) -> str:
        return f"Members({self.pairs!r})"


@dataclass(frozen=True, slots=True, eq=False)
class JsonValue:
    """What a line has for a text that is JSON; equal to the text whose value, or itself, it is.

    NULL and JSON's null are both null in a line.
    """

    value: Any

    def __eq__(self, text: object) -> bool:
        if self.value == text and isinstance(self.value, str | None):  # a string, or no JSON
            return True
        try:
            return isinstance(text, str) and repr(parsed(text)) == repr(self.value)
        except (ValueError, RecursionError):
            return False

    __hash__ = None  # type: ignore[assignment]


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, RecursionError."""
    return json.loads(
        text,
        parse_float=Decimal,
        parse_int=_whole,
        object_pairs_hook=Members,
        parse_constant=_refuse,
    )


def with_each_name_once(value: Any) -> Any:
    """The value. Raises KeyError for an object that has a name twice."""
    if isinstance(value, Members) and len(value) != len(value.pairs):
        raise KeyError("a key twice in an object")
    return value


def _whole(digits: str) -> int | Decimal:
    is_plain = digits != "-0" and len(digits) < _LONG  # a float's -0 is not 0
    return int(digits) if is_plain else Decimal(digits)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
