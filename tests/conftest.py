"""Options and profiles of the test run; the real parts come from the fix_*.py files."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = [
    *("fix_stack", "fix_snowflake", "fix_receive", "fix_cli", "fix_sending", "fix_load"),
    "fix_crossing",
]

# The same examples each time: new ones are sought in the soak.
settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak", settings.get_profile("default"), max_examples=2000, derandomize=False
)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-mutants", action="store_true", help="break the product on purpose")
    parser.addoption("--run-soak", action="store_true", help="run what takes hours")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "types: the proof of every type, from a table to a line")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A test that sets up logging leaves none of it, nor its captured stderr, to the next."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the mutants and the soak to their own commands."""
    for item in list(items):
        is_mutant = "mutants" in item.path.parts
        is_soak = item.get_closest_marker("soak") is not None
        left_out = (is_mutant and not config.getoption("--run-mutants")) or (
            is_soak and not config.getoption("--run-soak")
        )
        if left_out:
            items.remove(item)
