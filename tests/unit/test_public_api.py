"""The public names: there, typed, and free until they are used."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import assert_type

import pytest
from hatchling.builders.wheel import WheelBuilder

import rowferry
from rowferry import Settings, Stop, load_settings
from rowferry.sources import Loaded


def test_every_public_name_is_there() -> None:
    for name in rowferry.__all__:
        assert getattr(rowferry, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = rowferry.no_such_name


def test_public_names_are_typed() -> None:
    assert_type(Settings(tables=("public.a",)).tables, tuple[str, ...])
    assert_type(Stop().requested, bool)
    assert_type(load_settings(environ={}), Loaded)


def test_the_wheel_tells_type_checkers_that_it_is_typed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    [wheel] = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as content:
        assert "rowferry/py.typed" in content.namelist()


def test_importing_the_package_imports_no_client() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, rowferry.cli.app; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"confluent_kafka", "psycopg2", "pyarrow", "numpy", "snowflake", "fastavro"}
    assert not heavy & {name.split(".")[0] for name in told.stdout.splitlines()}
