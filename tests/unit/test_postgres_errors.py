"""What PostgreSQL's errors mean, and which of its limits a session lifts."""

import psycopg2
import pytest

from rowferry.errors import Code, ConfigError, Transient
from rowferry.flow.capture.postgres import meaning, unlimited


def error_of(state: str) -> psycopg2.Error:
    """An error of the driver's; the base class's own SQLSTATE cannot be set."""

    class Raised(psycopg2.Error):
        pgcode = state

    return Raised("what the server says")


@pytest.mark.parametrize("state", ["25P03", "25P04", "57P05"])
def test_a_session_that_was_ended_for_its_slowness_begins_again(state: str) -> None:
    meant = meaning(error_of(state), "db")
    assert isinstance(meant, Transient)
    assert meant.code is Code.PG_CONN
    assert state in meant.what


@pytest.mark.parametrize("state", ["MY001", "XX999"])
def test_a_code_that_nobody_knows_is_told_with_what_the_server_says(state: str) -> None:
    meant = meaning(error_of(state), "db")
    assert isinstance(meant, ConfigError)
    assert meant.what == f"PostgreSQL: error {state}: what the server says"


def test_only_limits_that_the_server_has_are_lifted() -> None:
    everywhere = {"statement_timeout", "idle_in_transaction_session_timeout"}
    assert unlimited(130_022).keys() == everywhere
    assert unlimited(140_000).keys() == everywhere | {"idle_session_timeout"}
    assert unlimited(180_006).keys() == unlimited(140_000).keys() | {"transaction_timeout"}
    assert set(unlimited(180_006).values()) == {"0"}
