"""What the settings mean for a cell, from PostgreSQL's text and by no code of the product."""

from typing import Any

import pytest

from rowferry.config import Settings
from rowferry.errors import ConfigError
from rowferry.proof.carried import Carried, carried_columns
from rowferry.proof.cells import form_of

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
LONG_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}
# RFC 4231, test case 2
KEY, TEXT = "Jefe", "what do ya want for nothing?"
DIGEST = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def carried(kind: str, own: dict[str, Any], **settings: Any) -> tuple[Carried, ...]:
    table = {"public.t": {"columns": {"c": own}}}
    given = Settings.model_validate({"table": table, **settings})
    return carried_columns({"c": kind}, given, "public.t")


@pytest.mark.parametrize(
    ("kind", "own", "schema", "text", "raw"),
    [
        ("text", {"mask": "hmac"}, "string", TEXT, DIGEST),
        ("text", {"truncate": 3}, "string", "äöü😀", "äöü"),
        ("text", {"truncate": 0}, "string", "x", ""),
        ("boolean", {"as": "string"}, "string", "t", "true"),
        ("boolean", {"truncate": 2}, "string", "f", "fa"),
        ("boolean", {}, "boolean", "t", True),
        ("real", {"as": "double"}, "double", "0.1", 0.10000000149011612),
        ("real", {"as": "double"}, "double", "-Infinity", float("-inf")),
        ("numeric", {"as": "double"}, "double", "0.1", 0.1),
        ("bigint", {"as": "double"}, "double", "9007199254740993", 9007199254740992.0),
        ("numeric", {"as": "decimal(20,4)"}, LONG_DECIMAL, "1.5", (15_000).to_bytes(2, "big")),
        ("timestamp", {"as": "timestamp-millis"}, MILLIS, "1969-12-31 23:59:59.9999", -1),
        ("timestamp", {"as": "timestamp-millis"}, MILLIS, "infinity", (1 << 63) - 1),
        ("numeric", {}, ["null", LONG_DECIMAL], "NaN", None),
        ("numeric[]", {}, {"type": "array", "items": ["null", LONG_DECIMAL]}, "{NaN}", [None]),
        ("text", {"mask": "hmac"}, ["null", "string"], None, None),
    ],
)
def test_a_cell_is_expected_as_its_column_is_carried(
    kind: str, own: dict[str, Any], schema: Any, text: str | None, raw: Any
) -> None:
    [column] = carried(kind, own, mask_key=KEY, numeric_special="null")
    form = form_of(schema)
    assert repr(column.cell(text, form)) == repr(form.raw(raw))


def test_nan_is_no_null_where_the_settings_do_not_say_so() -> None:
    [column] = carried("numeric", {})
    assert column.cell("NaN", form_of(["null", LONG_DECIMAL])) is not None


def test_a_decimal_of_more_digits_than_its_column_is_not_rounded() -> None:
    [column] = carried("numeric", {"as": "decimal(20,4)"})
    with pytest.raises(ArithmeticError):
        column.cell("1.50001", form_of(LONG_DECIMAL))


def test_a_dropped_column_is_not_looked_at_and_a_renamed_one_has_its_new_name() -> None:
    assert carried("text", {"drop": True}) == ()
    assert [c.name for c in carried("text", {"rename": "d"})] == ["d"]
    with pytest.raises(ConfigError, match="there is no key"):
        carried("text", {"mask": "hmac"})
