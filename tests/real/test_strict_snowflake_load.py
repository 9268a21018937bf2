"""The strict fake loads staged files and keeps transactions as Snowflake does."""

import gzip
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.errors import Error

from fix_snowflake import MakeSnowflake, connect
from strict_snowflake import Encryption, StrictSnowflake

pytestmark = pytest.mark.real

STAGE = "@product_ingestion_stage/ferry"
JSON = "FILE_FORMAT = (TYPE = JSON)"


@pytest.fixture
def fake(make_snowflake: MakeSnowflake) -> StrictSnowflake:
    return make_snowflake(encryption=Encryption.SSE)


@pytest.fixture
def cursor(fake: StrictSnowflake) -> Iterator[Any]:
    with connect(fake) as connection, connection.cursor() as cursor:
        yield cursor


def stage_rows(fake: StrictSnowflake, name: str, *rows: dict[str, Any] | str) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    fake.place(f"ferry/{name}", gzip.compress("\n".join(lines).encode(), mtime=0))


def rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in cursor.execute(sql).fetchall()]


def test_copy_loads_each_file_once_by_name_and_etag(fake: StrictSnowflake, cursor: Any) -> None:
    # GIVEN a staged file and a table with one VARIANT column
    stage_rows(fake, "a.json.gz", {"id": 1, "price": 1.10}, {"id": 2})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    copy = f"COPY INTO raw FROM {STAGE} {JSON}"
    # WHEN it is copied twice THEN it is loaded once
    first = rows(cursor, copy)
    assert first[0][:4] == ("product_ingestion_stage/ferry/a.json.gz", "LOADED", 2, 2)
    assert rows(cursor, copy) == [("Copy executed with 0 files processed.",)]
    # WHEN it is put again with other bytes THEN it is another file
    stage_rows(fake, "a.json.gz", {"id": 3})
    assert rows(cursor, copy)[0][1:4] == ("LOADED", 1, 1)
    # WHEN it is forced THEN it is loaded again; the table is forgotten when truncated
    assert rows(cursor, f"{copy} FORCE = TRUE")[0][3] == 1
    assert rows(cursor, "SELECT count(*) FROM raw") == [(4,)]
    cursor.execute("TRUNCATE TABLE raw")
    assert rows(cursor, copy)[0][3] == 1


def test_the_history_of_loads_ends_after_64_days(fake: StrictSnowflake, cursor: Any) -> None:
    stage_rows(fake, "a.json.gz", {"id": 1})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    copy = f"COPY INTO raw FROM {STAGE} {JSON}"
    cursor.execute(copy)
    # WHEN 63 days pass and the same bytes are put again THEN they are skipped
    fake.clock.advance(days=63)
    fake.sessions.expire()
    for session in fake.sessions.open_now():
        fake.sessions.heartbeat(session)
    stage_rows(fake, "a.json.gz", {"id": 1})
    assert rows(cursor, copy) == [("Copy executed with 0 files processed.",)]
    # WHEN two more days pass THEN the fresh file is new again
    fake.clock.advance(days=2)
    for session in fake.sessions.open_now():
        fake.sessions.heartbeat(session)
    assert rows(cursor, copy)[0][3] == 1


def test_copy_takes_the_files_that_are_named_and_misses_those_that_are_gone(
    fake: StrictSnowflake, cursor: Any
) -> None:
    for name in ("a", "b", "c"):
        stage_rows(fake, f"{name}.json.gz", {"id": name})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    some = "FILES = ('a.json.gz', 'c.json.gz')"
    loaded = rows(cursor, f"COPY INTO raw FROM {STAGE} {some} {JSON}")
    assert [row[0].rpartition("/")[2] for row in loaded] == ["a.json.gz", "c.json.gz"]
    with pytest.raises(Error) as missing:
        cursor.execute(f"COPY INTO raw FROM {STAGE} FILES = ('b.json.gz', 'd.json.gz') {JSON}")
    assert missing.value.errno == 91016
    names = ", ".join(f"'{n}.json.gz'" for n in range(1001))
    with pytest.raises(Error, match="1000 names"):
        cursor.execute(f"COPY INTO raw FROM {STAGE} FILES = ({names}) {JSON}")
    assert rows(cursor, "SELECT v:id::text FROM raw ORDER BY 1") == [("a",), ("c",)]


def test_copy_types_columns_by_a_select_or_by_their_names(
    fake: StrictSnowflake, cursor: Any
) -> None:
    stage_rows(
        fake, "a.json.gz", '{"id":1,"price":12345678901234.56,"at":"2026-11-24T16:00:00.123456"}'
    )
    columns = "(id INT, price NUMBER(38,2), at TIMESTAMP_NTZ, file TEXT, line INT)"
    cursor.execute(f"CREATE TABLE by_select {columns.replace('at ', 'ts ')}")
    cursor.execute(f"CREATE TABLE by_name {columns.replace('at ', 'ts ')}")
    cursor.execute(
        "COPY INTO by_select (id, price, ts, file, line) FROM (SELECT $1:id::INT, "
        "$1:price::NUMBER(38,2), t.$1:at::TIMESTAMP_NTZ, METADATA$FILENAME, "
        f"METADATA$FILE_ROW_NUMBER FROM {STAGE} t) {JSON} ON_ERROR = ABORT_STATEMENT"
    )
    cursor.execute(f"COPY INTO by_name FROM {STAGE} {JSON} MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")
    [(number, price, ts, file, line)] = rows(cursor, "SELECT * FROM by_select")
    assert (number, price, line) == (1, Decimal("12345678901234.56"), 1)
    assert (ts.isoformat(), file) == ("2026-11-24T16:00:00.123456", "ferry/a.json.gz")
    assert rows(cursor, "SELECT id, price FROM by_name") == [(1, Decimal("12345678901234.56"))]


def test_a_bad_row_aborts_the_copy_or_is_left_out_as_on_error_says(
    fake: StrictSnowflake, cursor: Any
) -> None:
    stage_rows(fake, "a.json.gz", {"id": 1})
    stage_rows(fake, "b.json.gz", {"id": 2}, '{"id": ', {"id": 3})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    copy = f"COPY INTO raw FROM {STAGE} {JSON}"
    with pytest.raises(Error) as bad:
        cursor.execute(copy)
    assert bad.value.errno == 100069
    assert rows(cursor, "SELECT count(*) FROM raw") == [(0,)]
    skipped = rows(cursor, f"{copy} ON_ERROR = SKIP_FILE")
    assert [row[1:4] for row in skipped] == [("LOADED", 1, 1), ("LOAD_FAILED", 3, 0)]
    partial = rows(cursor, f"{copy} ON_ERROR = CONTINUE")
    assert [row[1:4] for row in partial] == [("PARTIALLY_LOADED", 3, 2)]
    assert rows(cursor, "SELECT v:id::int FROM raw ORDER BY 1") == [(1,), (2,), (3,)]


def test_a_rollback_takes_back_rows_and_history_and_purge_waits_for_the_commit(
    fake: StrictSnowflake, cursor: Any
) -> None:
    stage_rows(fake, "a.json.gz", {"id": 1})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    copy = f"COPY INTO raw FROM {STAGE} {JSON} PURGE = TRUE"
    for end, left in (("ROLLBACK", 1), ("COMMIT", 0)):
        cursor.execute("BEGIN")
        assert rows(cursor, copy)[0][3] == 1
        cursor.execute(end)
        assert len(fake.files()) == left
    assert rows(cursor, "SELECT count(*) FROM raw") == [(1,)]


def test_a_truncate_belongs_to_its_transaction(fake: StrictSnowflake, cursor: Any) -> None:
    stage_rows(fake, "a.json.gz", {"id": 1})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    copy = f"COPY INTO raw FROM {STAGE} {JSON}"
    cursor.execute(copy)
    for end, count, loaded in (("ROLLBACK", 1, "processed"), ("COMMIT", 0, "LOADED")):
        cursor.execute("BEGIN")
        cursor.execute("TRUNCATE TABLE raw")
        cursor.execute(end)
        assert rows(cursor, "SELECT count(*) FROM raw") == [(count,)]
        assert loaded in str(rows(cursor, copy))


def test_a_failed_statement_undoes_itself_and_not_the_transaction(
    fake: StrictSnowflake, cursor: Any
) -> None:
    stage_rows(fake, "a.json.gz", {"id": 1})
    cursor.execute("CREATE TABLE ledger (file TEXT NOT NULL, next_offset INT)")
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO ledger VALUES ('a', 0)")
    cursor.execute(f"COPY INTO raw FROM {STAGE} {JSON}")
    for failing in ("INSERT INTO ledger VALUES (NULL, 0)", "SELECT 'x'::int", "SELECT * FROM no"):
        with pytest.raises(Error):
            cursor.execute(failing)
    cursor.execute("COMMIT")
    assert rows(cursor, "SELECT * FROM ledger") == [("a", 0)]
    assert rows(cursor, "SELECT count(*) FROM raw") == [(1,)]


def test_a_definition_commits_what_is_open(fake: StrictSnowflake, cursor: Any) -> None:
    cursor.execute("CREATE TABLE ledger (file TEXT)")
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO ledger VALUES ('a')")
    cursor.execute("CREATE TABLE other (x INT)")
    cursor.execute("ROLLBACK")
    assert rows(cursor, "SELECT * FROM ledger") == [("a",)]
    assert fake.sessions.open_now()[0].autocommit


def test_the_ledgers_update_is_a_lock_and_tells_how_many_rows_it_hit(
    fake: StrictSnowflake, cursor: Any
) -> None:
    # GIVEN a loader that has moved the ledger and not committed
    cursor.execute("CREATE TABLE ledger (topic TEXT, next_offset INT)")
    cursor.execute("INSERT INTO ledger VALUES ('t', 0)")
    move = "UPDATE ledger SET next_offset = 5 WHERE topic = 't' AND next_offset = 0"
    cursor.execute("BEGIN")
    assert cursor.execute(move).rowcount == 1
    with connect(fake) as connection, connection.cursor() as second:
        # WHEN a second one does not wait THEN it is told of the lock
        second.execute("ALTER SESSION SET LOCK_TIMEOUT = 0")
        second.execute("BEGIN")
        with pytest.raises(Error) as locked:
            second.execute(move)
        assert locked.value.errno == 625
        second.execute("ROLLBACK")
        # WHEN it waits THEN it goes on after the first's commit, and hits no row
        second.execute("ALTER SESSION SET LOCK_TIMEOUT = 10")
        second.execute("BEGIN")
        hit: list[int] = []
        waiter = threading.Thread(target=lambda: hit.append(second.execute(move).rowcount))
        waiter.start()
        waiter.join(0.3)
        assert waiter.is_alive()
        cursor.execute("COMMIT")
        waiter.join(10)
        second.execute("ROLLBACK")
    assert hit == [0]


def test_a_transaction_left_by_a_dead_client_blocks_for_five_minutes(
    fake: StrictSnowflake, cursor: Any
) -> None:
    cursor.execute("CREATE TABLE ledger (next_offset INT)")
    cursor.execute("INSERT INTO ledger VALUES (0)")
    abandoned = connect(fake)
    abandoned.cursor().execute("BEGIN")
    abandoned.cursor().execute("UPDATE ledger SET next_offset = 5")
    cursor.execute("ALTER SESSION SET LOCK_TIMEOUT = 0")
    with pytest.raises(Error):
        cursor.execute("UPDATE ledger SET next_offset = 6")
    fake.clock.advance(seconds=301)
    assert cursor.execute("UPDATE ledger SET next_offset = 6").rowcount == 1
    abandoned.close()
    assert rows(cursor, "SELECT * FROM ledger") == [(6,)]


def test_merge_upserts_the_latest_and_deletes_in_one_transaction(
    fake: StrictSnowflake, cursor: Any
) -> None:
    # GIVEN a target with rows 1 and 2, and staged changes of 1 (twice), 2 (delete) and 3 (new)
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    cursor.execute("CREATE TABLE products (id INT, name TEXT)")
    cursor.execute("INSERT INTO products VALUES (1, 'one'), (2, 'two')")
    changes = [(1, "uno", "u"), (1, "eins", "u"), (2, None, "d"), (3, "drei", "u")]
    stage_rows(
        fake,
        "a.json.gz",
        *({"id": i, "name": n, "_op": op, "_offset": o} for o, (i, n, op) in enumerate(changes)),
    )
    cursor.execute("BEGIN")
    cursor.execute(f"COPY INTO raw FROM {STAGE} {JSON} FORCE = TRUE")
    merged = cursor.execute(
        "MERGE INTO products USING (SELECT v:id::int AS id, v:name::text AS name, "
        "v:_op::text AS op FROM raw QUALIFY row_number() OVER "
        "(PARTITION BY v:id::int ORDER BY v:_offset::int DESC) = 1) s ON products.id = s.id "
        "WHEN MATCHED AND s.op = 'd' THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET products.name = s.name "
        "WHEN NOT MATCHED AND s.op <> 'd' THEN INSERT (id, name) VALUES (s.id, s.name)"
    )
    assert merged.rowcount == 3
    cursor.execute("COMMIT")
    assert rows(cursor, "SELECT * FROM products ORDER BY id") == [(1, "eins"), (3, "drei")]


def test_the_session_tells_who_and_where_it_is(fake: StrictSnowflake, cursor: Any) -> None:
    assert rows(cursor, "SELECT CURRENT_ROLE(), CURRENT_USER(), CURRENT_REGION()") == [
        ("LOADER", "FERRY", "AWS_US_EAST_1")
    ]
    described = dict(row[:2] for row in rows(cursor, "DESCRIBE USER ferry"))
    assert (described["TYPE"], described["RSA_PUBLIC_KEY_FP"]) == ("PERSON", "null")
    stage = dict(row[1:4:2] for row in rows(cursor, "DESCRIBE STAGE product_ingestion_stage"))
    assert stage["TYPE"] == "SNOWFLAKE_SSE"
    cursor.execute("GRANT READ, WRITE ON STAGE product_ingestion_stage TO ROLE reader")
    grants = rows(cursor, "SHOW GRANTS TO ROLE reader")
    assert [row[1] for row in grants] == ["READ", "WRITE"]
    with pytest.raises(Error, match="not assigned"):
        cursor.execute("USE ROLE accountadmin")
    assert rows(cursor, "SHOW STAGES LIKE 'PRODUCT%'")[0][1] == "PRODUCT_INGESTION_STAGE"
    assert fake.logins[-1].user == "FERRY"


def test_loading_needs_a_warehouse_and_staging_does_not(fake: StrictSnowflake) -> None:
    with connect(fake, warehouse=None) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE raw (v VARIANT)")
        stage_rows(fake, "a.json.gz", {"id": 1})
        assert len(rows(cursor, f"LIST {STAGE}")) == 1
        for statement in (f"COPY INTO raw FROM {STAGE} {JSON}", "SELECT * FROM raw"):
            with pytest.raises(Error) as idle:
                cursor.execute(statement)
            assert idle.value.errno == 606
        cursor.execute("USE WAREHOUSE loading")
        assert rows(cursor, f"COPY INTO raw FROM {STAGE} {JSON}")[0][3] == 1


def test_values_come_back_in_their_types(cursor: Any) -> None:
    cursor.execute(
        "CREATE TABLE kinds (i NUMBER(38,0), n NUMBER(20,4), f FLOAT, b BOOLEAN, d DATE, "
        "ts TIMESTAMP_NTZ, v VARIANT, t TEXT)"
    )
    cursor.execute(
        "INSERT INTO kinds SELECT 1234567890123456789, 1.2345, 0.5, TRUE, '2026-11-24'::DATE, "
        "'2026-11-24 16:00:00.000001'::TIMESTAMP_NTZ, PARSE_JSON('{\"a\": [1]}'), 'x'"
    )
    [row] = rows(cursor, "SELECT * FROM kinds")
    assert (row[0], row[1], row[2], row[3]) == (1234567890123456789, Decimal("1.2345"), 0.5, True)
    assert (str(row[4]), row[5].microsecond) == ("2026-11-24", 1)
    assert (json.loads(row[6]), row[7]) == ({"a": [1]}, "x")


def test_a_copy_must_say_that_its_files_are_json(fake: StrictSnowflake, cursor: Any) -> None:
    stage_rows(fake, "a.json.gz", {"id": 1})
    cursor.execute("CREATE TABLE raw (v VARIANT)")
    with pytest.raises(Error, match="CSV"):
        cursor.execute(f"COPY INTO raw FROM {STAGE}")
    named = f"COPY INTO raw FROM {STAGE} FILE_FORMAT = (FORMAT_NAME = 'lines')"
    with pytest.raises(Error, match="does not exist"):
        cursor.execute(named)
    cursor.execute("CREATE FILE FORMAT lines TYPE = JSON")
    assert rows(cursor, named)[0][3] == 1
