"""Names and texts stay names and texts in SQL, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.errors import ConfigError
from rowferry.flow.stage.load_columns import path
from rowferry.flow.stage.load_names import folded, literal, parse_place, quoted


@pytest.mark.parametrize(
    ("template", "sql"),
    [
        ("{table}", '"PRODUCTS"'),
        ("raw.stg_{table}", '"RAW"."STG_PRODUCTS"'),
        ('"Raw".{schema}.{topic}', '"Raw"."My Shop"."t.1"'),
        ('"stg_{table}"', '"stg_products"'),
        ('x."a.b""c"', '"X"."a.b""c"'),
    ],
)
def test_a_template_becomes_a_place(template: str, sql: str) -> None:
    place = parse_place(template, "S", schema="My Shop", table="products", topic="t.1")
    assert place.sql == sql


@pytest.mark.parametrize("template", ["", "a.b.c.d", "a..b", '"', "{schema}", "a\nb", "x" * 256])
def test_what_is_no_place_is_refused_by_the_settings_name(template: str) -> None:
    with pytest.raises(ConfigError, match="ROWFERRY_LOAD_TABLE"):
        parse_place(template, "ROWFERRY_LOAD_TABLE", schema="", table="t", topic="t")


def test_only_plain_lower_case_is_folded() -> None:
    names = ["price", "_op", "Price", "unit price", "preis_ä", "a1"]
    assert [folded(name) for name in names] == ["PRICE", "_OP", *names[2:5], "A1"]


@given(st.text())
def test_no_text_ends_its_quotes(text: str) -> None:
    inside = literal(text)[1:-1].replace("\\\\", "").replace("''", "")
    assert "'" not in inside
    assert "\\" not in inside
    assert '"' not in quoted(text)[1:-1].replace('""', "")


@given(st.text(min_size=1))
def test_a_path_is_one_element_whatever_its_name(name: str) -> None:
    sql = path("$1", name)
    assert sql in (f'$1:"{name}"', f"$1[{literal(name)}]")
    if any(c in name for c in "\"'\\\n"):
        assert sql.startswith("$1['")
