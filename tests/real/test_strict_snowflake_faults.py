"""The strict fake plays its script of faults, as the real connector suffers them."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import Error

from fix_snowflake import MakeSnowflake, connect
from strict_snowflake import Cloud, Encryption, StrictSnowflake

pytestmark = pytest.mark.real

NAME = "ferry/a.json.gz"


@pytest.fixture
def spooled(tmp_path: Path) -> Path:
    path = tmp_path / "a.json.gz"
    path.write_bytes(b"x" * 5000)
    return path


def put(cursor: Any, path: Path) -> str:
    sql = f"PUT 'file://{path}' @product_ingestion_stage/ferry OVERWRITE=FALSE AUTO_COMPRESS=FALSE"
    return str(cursor.execute(sql).fetchone()[6])


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_the_storage_calls_passing_is_retried_by_the_connector(
    strict_snowflake: StrictSnowflake, spooled: Path, status: int
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("refuse", times=3, status=status)
        assert put(cursor, spooled) == "UPLOADED"
    assert fake.faults.played == ["refuse"] * 3
    assert fake.files()[NAME].uploads == 1


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(("status", "times"), [(403, 1), (413, 1), (507, 1), (503, 5)])
def test_what_it_does_not_is_an_error_with_nothing_stored_and_helps_itself_next_time(
    strict_snowflake: StrictSnowflake, spooled: Path, status: int, times: int
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("refuse", times=times, status=status)
        with pytest.raises(Error) as failed:
            put(cursor, spooled)
        assert failed.value.errno == 253003
        assert fake.files() == {}
        assert put(cursor, spooled) == "UPLOADED"


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("cloud", [Cloud.S3, Cloud.AZURE, Cloud.GCS])
def test_expired_storage_credentials_are_fetched_anew(
    make_snowflake: MakeSnowflake, spooled: Path, cloud: Cloud
) -> None:
    fake = make_snowflake(cloud=cloud)
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("expired_credentials")
        assert put(cursor, spooled) == "UPLOADED"
    assert fake.faults.pending == []
    assert fake.files()[NAME].uploads == 1


@pytest.mark.usefixtures("quick_retries")
def test_an_expired_access_token_of_google_cloud_needs_a_new_put(
    make_snowflake: MakeSnowflake, spooled: Path
) -> None:
    # 4.8.1 fetches new credentials and goes on with the old token until its attempts are spent
    fake = make_snowflake(cloud=Cloud.GCS_TOKEN)
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("expired_credentials")
        with pytest.raises(Error):
            put(cursor, spooled)
        assert fake.files() == {}
        assert put(cursor, spooled) == "UPLOADED"


def test_success_without_an_object_shows_only_in_list(
    strict_snowflake: StrictSnowflake, spooled: Path
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("lost_object")
        assert put(cursor, spooled) == "UPLOADED"
        assert cursor.execute("LIST @product_ingestion_stage").fetchall() == []
        assert put(cursor, spooled) == "UPLOADED"
    assert fake.files()[NAME].uploads == 1


@pytest.mark.usefixtures("quick_retries")
def test_a_reply_lost_after_success_has_stored_the_file(
    make_snowflake: MakeSnowflake, spooled: Path
) -> None:
    # GIVEN uploads whose answers are all lost
    fake = make_snowflake(encryption=Encryption.SSE)
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("lost_reply", times=10)
        with pytest.raises(Error):
            put(cursor, spooled)
        # THEN the file is there, written anew by each retry (two a storage attempt, five
        # attempts), whatever OVERWRITE says, and a new PUT is skipped
        assert fake.files()[NAME].uploads == 10
        assert put(cursor, spooled) == "SKIPPED"


@pytest.mark.usefixtures("quick_retries")
def test_an_upload_cut_off_leaves_nothing_and_the_connector_repeats_it(
    strict_snowflake: StrictSnowflake, spooled: Path
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("truncate", after_bytes=100)
        assert put(cursor, spooled) == "UPLOADED"
    assert fake.files()[NAME].contents == b"x" * 5000


def test_a_black_hole_answers_nobody_until_the_fake_ends(
    make_snowflake: MakeSnowflake, spooled: Path
) -> None:
    # GIVEN an upload in a black hole
    fake = make_snowflake()
    connection = connect(fake, login_timeout=2, network_timeout=2)
    cursor = connection.cursor()
    fake.faults.next("black_hole", after_bytes=1000)
    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(put(cursor, spooled)), daemon=True)
    thread.start()
    # THEN neither an answer nor a file comes, and other requests are served meanwhile
    thread.join(1.0)
    assert thread.is_alive()
    assert fake.files() == {}
    with connect(fake) as other, other.cursor() as other_cursor:
        assert put(other_cursor, spooled) == "UPLOADED"
    fake.release()  # the connector sees a broken connection and repeats the upload
    thread.join(20)
    assert not thread.is_alive()
    connection.close()
    assert outcome == ["UPLOADED"]


def test_slow_storage_takes_its_time(strict_snowflake: StrictSnowflake, spooled: Path) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("slow", bytes_per_second=10_000)
        started = time.monotonic()
        assert put(cursor, spooled) == "UPLOADED"
    assert time.monotonic() - started >= 0.45


def test_a_stage_dropped_under_an_upload_swallows_the_file(
    strict_snowflake: StrictSnowflake, spooled: Path
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("drop_stage")
        assert put(cursor, spooled) == "UPLOADED"
        with pytest.raises(Error) as gone:
            cursor.execute("LIST @product_ingestion_stage")
        assert gone.value.errno == 2003


def test_a_statement_whose_answer_is_lost_is_not_run_twice(
    strict_snowflake: StrictSnowflake, spooled: Path
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        put(cursor, spooled)
        fake.faults.next("query_lost_reply", matching="REMOVE")
        rows = cursor.execute("REMOVE @product_ingestion_stage").fetchall()
    assert rows == [(f"product_ingestion_stage/{NAME}", "removed")]


def test_statements_fail_or_meet_an_unavailable_service_as_scripted(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next("query_failed", code="000603", matching="LIST")
        with pytest.raises(Error) as failed:
            cursor.execute("LIST @product_ingestion_stage")
        assert failed.value.errno == 603
        fake.faults.next("query_unavailable", times=2)
        assert cursor.execute("LIST @product_ingestion_stage").fetchall() == []


def test_a_service_that_never_answers_is_left_to_the_clients_deadline(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    with connect(fake, socket_timeout=1, network_timeout=2) as connection:
        fake.faults.next("query_black_hole", times=5, matching="LIST")
        started = time.monotonic()
        with connection.cursor() as cursor, pytest.raises(Error):
            cursor.execute("LIST @product_ingestion_stage")
        assert 1 <= time.monotonic() - started < 10
    fake.faults.next("login_black_hole", times=5)
    with pytest.raises(Error):
        connect(fake, socket_timeout=1, login_timeout=1, network_timeout=1)
    assert fake.logins[-1].error_code == "no answer"


def test_a_fault_that_is_not_known_is_refused_when_scripted(
    strict_snowflake: StrictSnowflake,
) -> None:
    with pytest.raises(ValueError, match="no such option"):
        strict_snowflake.faults.next("refuse", statuss=503)
    with pytest.raises(ValueError, match="not a valid"):
        strict_snowflake.faults.next("earthquake")
