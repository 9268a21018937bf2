"""What is taken for JSON is what Python takes for it, whatever the text, alone or among others."""

import json
from typing import NoReturn

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from rowferry.kernel.lines_json import is_json, json_values

MARKS = ["{", "}", "[", "]", ",", ":", '"', "\\", " ", "\n", "\r\n", "\x00", "ü"]
WORDS = [
    '"a"',
    '"b":1',
    "0",
    "-1.5e3",
    "true",
    "null",
    "\\u00e9",
    "NaN",
    "[]",
    "{}",
    '"":[{"c":[0]}]',
]
PIECES = st.sampled_from([*MARKS, *WORDS])
TEXTS = st.one_of(
    st.lists(PIECES, max_size=9).map("".join),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value, indent=1, ensure_ascii=False)),
)


def python_takes(text: str) -> bool:
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


@given(text=TEXTS)
@example(text='{"a":1,"a":[{},"\\ud800"]}')
def test_one_text_is_json_where_python_says_so(text: str) -> None:
    assert is_json(text) is python_takes(text)


@given(texts=st.lists(st.none() | TEXTS, min_size=1, max_size=6))
def test_each_of_many_is_told_apart_and_keeps_its_value(texts: list[str | None]) -> None:
    surrogates = any("\ud800" <= c <= "\udfff" for text in texts if text for c in text)
    if surrogates:
        texts = [None]
    written = json_values(pa.array(texts, pa.utf8())).storage.to_pylist()
    for text, cell in zip(texts, written, strict=True):
        if text is None:
            assert cell is None
            continue
        assert "\n" not in cell
        expected = json.loads(text) if python_takes(text) else text
        assert repr(json.loads(cell)) == repr(expected)
