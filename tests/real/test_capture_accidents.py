"""What happens to the server under the capture: crash, standby, another history, damaged state."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from structlog.testing import capture_logs

from capture_desk import Desk, session, settings_for
from fix_stack import Database
from rowferry.errors import ConfigError, DataAtRisk, NeedsPerson, Transient
from rowferry.flow.capture import durable
from rowferry.flow.capture.postgres import connected
from rowferry.flow.capture.state import State
from rowferry.proof import database as proof
from rowferry.stack.local import LocalStack

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE t (id int PRIMARY KEY, v int, note text, updated timestamptz DEFAULT now());
CREATE INDEX ON t (updated)
"""
LIMITS = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
Change = Callable[[State], State]


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    database.execute(TABLE)
    database.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 20) i")
    desk = Desk(settings_for(database, epsilon_seconds=0.0)).open()
    desk.settle()
    yield desk
    desk.capture.close()


def crash(database: Database) -> None:
    """Kill a backend; the server ends all others, and recovers."""
    connection = psycopg2.connect(database.dsn)
    try:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    finally:
        connection.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg2.connect(database.dsn).close()
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def settle_through(desk: Desk) -> None:
    """Do what the sender does with Transient."""
    for _ in range(50):
        try:
            desk.settle()
        except Transient:
            time.sleep(0.05)
            try:
                desk.capture.open(desk.durable)
            except Transient:
                continue
        else:
            return
    raise AssertionError("the capture does not come back")


def test_a_crash_of_the_server_loses_nothing(desk: Desk, database: Database) -> None:
    # GIVEN rows that are committed and not polled, and a writer that dies with its xid
    with session(database) as victim:
        victim("INSERT INTO t VALUES (100, 100)")
        database.execute("INSERT INTO t VALUES (101, 101)")
        # WHEN the server crashes, and its ids are used again
        crash(database)
    database.execute("INSERT INTO t VALUES (102, 102)")
    settle_through(desk)
    database.execute("INSERT INTO t VALUES (103, 103)")
    desk.settle()
    # THEN all that is committed arrived
    assert set(desk.values()) == {*range(1, 21), 101, 102, 103}


def test_a_crash_in_the_middle_of_slices_loses_nothing(desk: Desk, database: Database) -> None:
    desk.settings = desk.settings.model_copy(update={"slice_rows": 300})
    sliced = Desk(desk.settings)
    sliced.durable = desk.durable
    sliced.open()
    database.execute("INSERT INTO t SELECT i, i FROM generate_series(1001, 2000) i")
    sliced.tick(give_up_at=2)
    crash(database)
    settle_through(sliced)
    assert set(range(1001, 2001)) == set(sliced.values())
    sliced.capture.close()


def test_a_lost_connection_is_transient_and_a_restart(desk: Desk, database: Database) -> None:
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE usename = '{database.reader}'"
    )
    with pytest.raises(Transient):
        desk.tick()
    database.execute("INSERT INTO t VALUES (30, 30)")
    settle_through(desk)
    assert sorted(desk.values()) == [*range(1, 21), 30]


def test_the_limits_that_a_role_has_end_no_session_of_ours(database: Database) -> None:
    # GIVEN a role whose sessions are ended when they take their time
    for name in LIMITS:
        database.execute(f"ALTER ROLE {database.reader} SET {name} = '10min'")
    # WHEN we connect, as the capture and as the proof
    session, proving = connected(settings_for(database)), proof.connect(settings_for(database))
    # THEN there are no limits
    with closing(session), closing(proving), proving.cursor() as cursor:
        for name in LIMITS:
            assert session.row(f"SHOW {name}") == ("0",)
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("0",)


def test_a_locked_table_waits_which_is_told_and_the_others_go_on(database: Database) -> None:
    database.execute(TABLE)
    database.execute("CREATE TABLE u (LIKE t INCLUDING ALL)")
    desk = Desk(settings_for(database, tables=("public.t", "public.u"))).open()
    desk.settle()
    with session(database) as blocker:
        blocker("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        database.execute("INSERT INTO u VALUES (1, 1)")
        with capture_logs() as events:
            for _ in range(3):
                desk.tick()
        assert desk.values() == [1]
    (told,) = events
    assert (told["event"], told["table"]) == ("table.waiting", "public.t")
    assert "lock" in told["reason"]
    desk.capture.close()


def changed(desk: Desk, change: Change) -> None:
    """Put another state in the place of what is durable."""
    parts = desk.durable["public.t"]
    stored = durable.decoded(durable.own_parts(parts))
    assert stored is not None
    desk.durable["public.t"] = durable.encoded(change(stored))


HISTORIES: dict[str, tuple[Change, str]] = {
    "another system": (
        lambda s: replace(s, server=replace(s.server, system="1")),
        "another database system",
    ),
    "a restored copy": (lambda s: replace(s, xmax=s.xmax + 1000), "went back"),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_progress_of_another_history_stops_and_resets_nothing(desk: Desk, name: str) -> None:
    change, words = HISTORIES[name]
    changed(desk, change)
    before = dict(desk.durable["public.t"])
    with pytest.raises(DataAtRisk, match=words):
        desk.crash_and_tick()
    assert desk.durable["public.t"] == before


def test_after_a_failover_the_last_hour_is_read_again(desk: Desk, database: Database) -> None:
    # GIVEN progress of another timeline, and a row whose xid that progress takes for sent
    database.execute("INSERT INTO t VALUES (40, 40)")
    changed(
        desk,
        lambda s: replace(
            s,
            server=replace(s.server, timeline="0000000F"),
            xmax=s.xmax + 10_000,
            timed=replace(s.timed, least=s.timed.least + 10_000),
        ),
    )
    # WHEN the capture is taken up, THEN nothing is missing, and the next poll is an ordinary one
    desk.crash()
    desk.settle()
    assert 40 in desk.values()
    database.execute("INSERT INTO t VALUES (41, 41)")
    assert desk.settle() == 1


@pytest.mark.parametrize("damage", ["flipped", "newer", "cut", "missing"])
def test_damaged_progress_is_never_taken_for_a_start(desk: Desk, damage: str) -> None:
    parts = desk.durable["public.t"]
    value = parts["state"]
    if damage == "flipped":
        parts["state"] = value[:-3] + bytes([value[-3] ^ 1]) + value[-2:]
    elif damage == "newer":
        parts["state"] = b"\x09" + value[1:]
    elif damage == "cut":
        parts["state"] = value[:20]
    else:
        changed(desk, lambda s: replace(s, timed=replace(s.timed, sent=s.timed.sent.of([9**9]))))
        del desk.durable["public.t"][f"timed:{9**9 >> 16}"]
    with pytest.raises(DataAtRisk, match="PROGRESS_UNREADABLE"):
        desk.crash()


def test_a_table_that_is_gone_is_told_after_a_while(desk: Desk, database: Database) -> None:
    database.execute("ALTER TABLE t RENAME TO away")
    desk.tick()
    database.execute("ALTER TABLE away RENAME TO t; INSERT INTO t VALUES (50, 50)")
    desk.settle()
    assert 50 in desk.values()
    database.execute("DROP TABLE t")
    desk.tick()  # which takes it for what it was
    desk.tick()
    desk.later = 60.0
    with pytest.raises(NeedsPerson, match="not there any more"):
        desk.tick()


def test_a_standby_is_refused(database: Database) -> None:
    # GIVEN a server in standby mode
    folder = Path(tempfile.mkdtemp(prefix="rowferry-test-standby-"))
    folder.chmod(0o711)
    stack = LocalStack(folder, ("postgres",))
    try:
        with stack:
            pass
        signal_file = (folder / "postgres").resolve() / "data" / "standby.signal"
        signal_file.touch()
        signal_file.chmod(0o666)
        with stack:
            environ = stack.settings()
            own = {k.lower(): v for k, v in environ.items() if k.startswith("POSTGRES_")}
            desk = Desk(settings_for(database, **own))
            # WHEN the capture starts, THEN it says why not
            with pytest.raises(ConfigError, match="standby"):
                desk.open()
    finally:
        stack.remove()
