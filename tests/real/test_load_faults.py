"""Faults of Snowflake while the loader runs: the ledger tells what happened, and nobody guesses."""

import signal
from collections.abc import Iterator

import pytest

from fix_load import Quay
from fix_receive import wait_until
from harbour import ForeignLogging, end_of_background_threads
from rowferry.errors import Code, DataAtRisk, RetryBudgetSpent
from rowferry.observe.log import configure
from rowferry.run.loader import run_loader
from rowferry.run.topic_loader import Loaded
from rowferry.stop import Stop
from strict_snowflake import Encryption

pytestmark = pytest.mark.real

ROWS = [{"id": n, "name": f"canary-cell-{n}"} for n in range(5)]
MERGE = 'MERGE INTO "ANALYTICS"."INGEST"."PRODUCTS"'
COUNT = "SELECT count(*), count(DISTINCT id) FROM products"


@pytest.fixture
def staged(quay: Quay, monkeypatch: pytest.MonkeyPatch) -> Iterator[Quay]:
    """Two files that a group has committed; deadlines of a second."""
    monkeypatch.setattr("rowferry.flow.stage.load_session._GRACE_SECONDS", 0.5)
    logging = ForeignLogging()
    quay.create()
    quay.stage(*ROWS[:2])
    quay.stage(*ROWS[2:])
    quay.commit()
    yield quay
    quay.fake.release()
    end_of_background_threads()
    logging.restore()


def load(quay: Quay) -> Loaded:
    """`rowferry load --once` here, with its logging, a second for each statement."""
    settings = quay.settings(load="upsert", load_deadline_seconds=1, log_level="debug")
    configure(settings)
    return run_loader(settings, Stop(), once=True, clock=quay.fake.clock.now)


def refuse_secrets(quay: Quay, output: pytest.CaptureFixture[str]) -> None:
    said = "".join(output.readouterr())
    assert "load.loaded" in said
    assert not [secret for secret in (*quay.fake.lent_secrets, "canary-cell") if secret in said]


@pytest.mark.parametrize("statement", ["UPDATE", "COPY INTO", MERGE, "COMMIT"])
def test_an_answer_that_never_comes_is_neither_a_loss_nor_a_second_load(
    staged: Quay, statement: str, capfd: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a statement that is carried out, and then silence
    staged.fake.faults.next("query_silent", beginning=statement)
    # WHEN
    loaded = load(staged)
    # THEN the deadline ends it, and the ledger says whether it was done
    assert staged.fake.faults.pending == []
    assert loaded.rows == (0 if statement == "COMMIT" else 5)
    assert staged.query(COUNT) == [(5, 5)]
    assert staged.ledger() == {0: 5}
    assert load(staged).files == 0
    said = "".join(capfd.readouterr())
    assert "took more than 1 s" in said
    assert not [s for s in (*staged.fake.lent_secrets, "canary-cell") if s in said]


@pytest.mark.parametrize("fault", ["query_unavailable", "query_failed", "session_expired"])
def test_a_statement_that_fails_is_tried_again_in_a_transaction_of_its_own(
    staged: Quay, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for statement in ("COPY INTO", MERGE, "COMMIT"):
        staged.fake.faults.next(fault, beginning=statement)
    load(staged)
    assert len(staged.fake.faults.played) == 3
    assert (staged.query(COUNT), staged.ledger()) == ([(5, 5)], {0: 5})
    refuse_secrets(staged, capfd)


def test_a_commit_that_lands_after_its_loader_was_killed_is_seen_by_the_next_one(
    staged: Quay,
) -> None:
    # GIVEN a loader that is killed while its COMMIT is on the way
    staged.fake.faults.next("query_late", beginning="COMMIT")
    killed = staged.start("--once", load="upsert")
    wait_until(lambda: staged.fake.faults.played, 30)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    assert staged.query("SELECT count(*) FROM products") == [(0,)]
    # WHEN the next one waits for its lock, and the COMMIT lands
    following = staged.start("--once", "--json", load="upsert")
    wait_until(lambda: staged.fake.waiting_for_locks, 30)
    staged.fake.release()
    # THEN nothing is loaded again
    assert following.wait(30) == 0, staged.log()
    assert '"rows": 0' in staged.log()
    assert (staged.query(COUNT), staged.ledger()) == ([(5, 5)], {0: 5})


def test_a_stage_that_was_created_again_has_a_hole_below_the_groups_position(
    staged: Quay,
) -> None:
    # GIVEN a stage whose first file is loaded, and that is replaced by an empty one
    staged.load()
    staged.stage({"id": 5})
    staged.fake.create_stage("product_ingestion_stage", Encryption.SSE)
    staged.stage({"id": 6})
    staged.commit()
    # WHEN what came later is to be loaded THEN the lost range is told, and nothing loaded past it
    with pytest.raises(DataAtRisk) as told:
        staged.load()
    assert told.value.code is Code.INCOMPLETE
    assert "[5, 6)" in str(told.value)
    assert staged.query(COUNT) == [(5, 5)]


def test_a_lock_in_the_first_backlog_is_waited_for_since_snowflake_was_reached(
    staged: Quay,
) -> None:
    # GIVEN no patience with what is not reached, and another's lock on the ledger
    staged.fake.faults.next("query_failed", times=2, beginning="UPDATE", code="000625")
    # WHEN the first pass comes to it THEN it is tried again
    assert staged.load(connect_seconds=0).rows == 5
    assert len(staged.fake.faults.played) == 2


def test_without_an_answer_of_snowflake_patience_ends(staged: Quay) -> None:
    staged.fake.faults.next("query_failed", matching="NEXT_OFFSET", code="000603")
    with pytest.raises(RetryBudgetSpent):
        staged.load(connect_seconds=0)
