"""The reference pages are those that the code would write now."""

from pathlib import Path

import pytest

from rowferry.cli.reference import PAGES
from rowferry.cli.reference_errors import EXIT_CODES, MEANINGS
from rowferry.errors import Code, RowferryError

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    wanted = PAGES[name]()
    assert (ROOT / name).read_text(encoding="utf-8") == wanted, (
        "run: .venv/bin/python -m rowferry.cli.reference"
    )


def test_every_error_code_says_what_happened_and_what_to_do() -> None:
    assert set(MEANINGS) == set(Code)
    assert all(what and advice for what, advice in MEANINGS.values())


def test_every_exit_code_is_in_the_reference() -> None:
    families = [RowferryError]
    for family in families:
        families += family.__subclasses__()
    assert {family.exit_code for family in families} <= set(EXIT_CODES)
