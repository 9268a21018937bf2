"""docs/api.md: its examples run, in their order, on the real stack."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fix_stack import Database
from rowferry.config import Settings
from rowferry.run.sender import run_sender
from rowferry.stop import Stop

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
TABLE = """
CREATE TABLE products (
    product_id text PRIMARY KEY,
    price numeric(10, 2) NOT NULL,
    updated_timestamp timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO products VALUES ('P1', 19.99), ('P2', 5.00);
"""


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_examples_of_the_page_run_and_print_what_they_say(
    database: Database,
    stack_environ: Callable[..., dict[str, str]],
    stack_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    # GIVEN a topic with two rows, and the settings in the environment
    topic = f"{database.name}_products_updates"
    own = {"tables": "public.products", "topic": topic}
    database.execute(TABLE)
    run_sender(stack_settings(**own), Stop(), once=True)
    for name, value in stack_environ(**own).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    # WHEN the examples run one after the other, on this topic
    told = []
    names: dict[str, Any] = {}
    for code in examples():
        exec(code.replace("products_updates", topic), names)
        told.append(capsys.readouterr().out)
    # THEN
    assert len(told) == 5
    assert sorted(told[0].splitlines()) == ["P1 19.99 u", "P2 5.00 u"]
    assert told[1] == "decimal128(10, 2)\n"
    assert sum(names["positions"].values()) > 0
    assert names["new"] == []
    assert told[3].splitlines()[-1].endswith(" 2")  # files, rows
    assert told[4].startswith(f"E_OFFSET_RESET {topic}/0 start elsewhere")
