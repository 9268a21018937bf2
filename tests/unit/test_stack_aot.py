"""Training is done without where the cache cannot be filled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rowferry.stack.aot import train
from rowferry.stack.folder import StackFolder
from rowferry.stack.registry import Registry


def read_only(cache: Path) -> None:
    """Its lock cannot be opened, for root neither."""
    (cache / "lock").mkdir(parents=True)


def no_folder(cache: Path) -> None:
    cache.touch()


@pytest.mark.parametrize("make", [read_only, no_folder])
def test_a_cache_that_cannot_be_filled_is_told_and_the_part_starts_untrained(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    # GIVEN
    cache = tmp_path / "cache"
    make(cache)
    said: list[str] = []
    # WHEN
    train([Registry(StackFolder(tmp_path / "stack"), cache)], cache, said.append)
    # THEN
    assert len(said) == 1
    assert said[0].startswith("The Java parts are not prepared to start faster: ")
