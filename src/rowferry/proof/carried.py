"""What the settings make of a table's columns: which are carried, their names, forms and masks.

Apart from the product's treatments and masks on purpose: what is expected follows from the text
that PostgreSQL has for a cell, and from what the settings mean.
"""

import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rowferry.config import Settings
from rowferry.flow.encode.masks import mask_key
from rowferry.proof.cells import Form, Function

# A cast to text says it so; the output function, which every other cast to text uses, does not.
_BOOLEANS = {"t": "true", "f": "false"}


@dataclass(frozen=True, slots=True)
class Carried:
    """A column as it is carried.

    column, kind: its name and base type in the table; name: in messages. is_text: by the settings
    its own text, which mask may change.
    """

    column: str
    kind: str
    name: str
    is_text: bool = False
    is_double: bool = False
    mask: Function | None = None
    specials_are_null: bool = False

    def cell(self, text: str | None, form: Form) -> Any:
        """The value that a record must have for PostgreSQL's text of a cell.

        Raises what the form's functions raise; form.text must be there.
        """
        if text is None or form.text is None:
            return None
        if self.is_text and self.kind == "boolean":
            text = _BOOLEANS[text]
        if self.is_double and self.kind == "real":  # its shortest digits are not the double's
            text = repr(struct.unpack("f", struct.pack("f", float(text)))[0])
        value = form.text(self.mask(text) if self.mask else text)
        return _without_specials(value) if self.specials_are_null else value


def carried_columns(
    columns: Mapping[str, str], settings: Settings, table: str
) -> tuple[Carried, ...]:
    """The columns that messages have, of those that the table has: name → base type.

    Raises ConfigError where a column is to be hashed and there is no key.
    """
    own = settings.of(table).columns
    found = []
    for column, kind in columns.items():
        wanted = own.get(column)
        is_text = kind.endswith("[]") and settings.arrays == "text"
        specials = settings.numeric_special == "null"
        if wanted is None:
            found.append(Carried(column, kind, column, is_text, specials_are_null=specials))
        elif not wanted.drop:
            mask = _hashed(mask_key(settings)) if wanted.mask else _cut(wanted.truncate)
            is_text = is_text or wanted.form == "string" or mask is not None
            name, is_double = wanted.rename or column, wanted.form == "double"
            found.append(Carried(column, kind, name, is_text, is_double, mask, specials))
    return tuple(found)


def _hashed(key: bytes) -> Function:
    return lambda text: hmac.new(key, text.encode(), "sha256").hexdigest()


def _cut(length: int | None) -> Function | None:
    return None if length is None else lambda text: text[:length]


def _without_specials(value: Any) -> Any:
    """NaN and ±Infinity of decimals as the NULL that the settings make of them."""
    if isinstance(value, tuple):
        return tuple(_without_specials(inner) for inner in value)
    is_special = isinstance(value, Decimal) and not value.is_finite()
    return None if is_special else value
