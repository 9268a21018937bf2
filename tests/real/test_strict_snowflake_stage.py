"""The strict fake keeps Snowflake's rules of stages, as the real connector sees them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector.errors import Error

from fix_snowflake import MakeSnowflake, connect
from strict_snowflake import Cloud, Encryption, StrictSnowflake

pytestmark = pytest.mark.real

PUT = "PUT 'file://{path}' '@product_ingestion_stage/{folder}' OVERWRITE={over} AUTO_COMPRESS=FALSE"


def put(cursor: Any, path: Path, folder: str = "ferry", *, overwrite: bool = False) -> str:
    """The status that PUT reports for one file."""
    rows = cursor.execute(PUT.format(path=path, folder=folder, over=overwrite)).fetchall()
    assert len(rows) == 1
    return str(rows[0][6])


@pytest.fixture
def spooled(tmp_path: Path) -> Path:
    path = tmp_path / "0000-0007-7.json.gz"
    path.write_bytes(b"seven rows")
    return path


@pytest.mark.parametrize("encryption", Encryption)
@pytest.mark.parametrize("cloud", [Cloud.S3, Cloud.AZURE, Cloud.GCS_TOKEN])
def test_a_name_that_is_there_is_skipped_and_its_bytes_stay(
    make_snowflake: MakeSnowflake, spooled: Path, cloud: Cloud, encryption: Encryption
) -> None:
    # GIVEN a file on the stage
    fake = make_snowflake(cloud=cloud, encryption=encryption)
    with connect(fake) as connection, connection.cursor() as cursor:
        assert put(cursor, spooled) == "UPLOADED"
        # WHEN other bytes are put under its name without OVERWRITE
        spooled.write_bytes(b"eight rows")
        assert put(cursor, spooled) == "SKIPPED"
    # THEN the first bytes are there, written once
    file = fake.files()["ferry/0000-0007-7.json.gz"]
    assert (file.contents, file.uploads) == (b"seven rows", 1)


def test_google_cloud_with_presigned_urls_overwrites_whatever_the_statement_says(
    make_snowflake: MakeSnowflake, spooled: Path
) -> None:
    fake = make_snowflake(cloud=Cloud.GCS)
    with connect(fake) as connection, connection.cursor() as cursor:
        assert put(cursor, spooled) == "UPLOADED"
        spooled.write_bytes(b"eight rows")
        assert put(cursor, spooled) == "UPLOADED"
    file = fake.files()["ferry/0000-0007-7.json.gz"]
    assert (file.contents, file.uploads) == (b"eight rows", 2)


@pytest.mark.parametrize(
    ("cloud", "encryption", "is_new"),
    [
        (Cloud.S3, Encryption.FULL, True),
        (Cloud.S3, Encryption.SSE, False),
        (Cloud.AZURE, Encryption.SSE, True),
    ],
)
def test_the_same_bytes_again_are_a_new_etag_unless_s3_sees_them_unencrypted(
    make_snowflake: MakeSnowflake,
    spooled: Path,
    cloud: Cloud,
    encryption: Encryption,
    is_new: bool,
) -> None:
    fake = make_snowflake(cloud=cloud, encryption=encryption)
    with connect(fake) as connection, connection.cursor() as cursor:
        put(cursor, spooled)
        first = fake.files()["ferry/0000-0007-7.json.gz"].etag
        put(cursor, spooled, overwrite=True)
    assert (fake.files()["ferry/0000-0007-7.json.gz"].etag != first) is is_new


@pytest.mark.parametrize("encryption", Encryption)
def test_list_names_the_stage_in_lower_case_and_tells_the_stored_size(
    make_snowflake: MakeSnowflake, spooled: Path, encryption: Encryption
) -> None:
    # GIVEN files in two folders
    fake = make_snowflake(encryption=encryption)
    with connect(fake) as connection, connection.cursor() as cursor:
        put(cursor, spooled, "Ferry/p1")
        put(cursor, spooled, "Ferry/p10")
        put(cursor, spooled, "other")
        # WHEN one is listed by the beginning of its path, or by a pattern
        by_path = cursor.execute("LIST @product_ingestion_stage/Ferry/p1").fetchall()
        by_pattern = cursor.execute(
            "LIST '@product_ingestion_stage' PATTERN = '.*/p1/.*'"
        ).fetchall()
        wrong_case = cursor.execute("LIST @product_ingestion_stage/ferry/").fetchall()
    # THEN the path is a mere prefix, in its case; a FULL stage's sizes are of encrypted bytes
    size = 16 if encryption is Encryption.FULL else 10
    assert [(row[0], row[1]) for row in by_path] == [
        ("product_ingestion_stage/Ferry/p1/0000-0007-7.json.gz", size),
        ("product_ingestion_stage/Ferry/p10/0000-0007-7.json.gz", size),
    ]
    assert [row[0] for row in by_pattern] == [by_path[0][0]]
    assert wrong_case == []
    assert by_path[0][3].endswith(" GMT")


@pytest.mark.parametrize("cloud", Cloud)
@pytest.mark.parametrize("encryption", Encryption)
def test_get_gives_the_bytes_back_and_remove_takes_them_away(
    make_snowflake: MakeSnowflake,
    spooled: Path,
    tmp_path: Path,
    cloud: Cloud,
    encryption: Encryption,
) -> None:
    fake = make_snowflake(cloud=cloud, encryption=encryption)
    folder = tmp_path / "back"
    folder.mkdir()
    name = "ferry/0000-0007-7.json.gz"
    with connect(fake) as connection, connection.cursor() as cursor:
        put(cursor, spooled)
        cursor.execute(f"GET @product_ingestion_stage/{name} file://{folder}/")
        assert (folder / spooled.name).read_bytes() == b"seven rows"
        removed = cursor.execute(f"REMOVE @product_ingestion_stage/{name}").fetchall()
        again = cursor.execute(f"REMOVE @product_ingestion_stage/{name}").fetchall()
    assert removed == [(f"product_ingestion_stage/{name}", "removed")]
    assert again == []
    assert fake.files() == {}


@pytest.mark.parametrize("cloud", [Cloud.S3, Cloud.AZURE])
@pytest.mark.parametrize("encryption", Encryption)
def test_a_large_file_goes_up_in_parts_and_is_one_file(
    make_snowflake: MakeSnowflake, tmp_path: Path, cloud: Cloud, encryption: Encryption
) -> None:
    fake = make_snowflake(cloud=cloud, encryption=encryption, multipart_threshold=9_000_000)
    large = tmp_path / "large.json.gz"
    large.write_bytes(bytes(range(256)) * 70_000)
    with connect(fake) as connection, connection.cursor() as cursor:
        assert put(cursor, large) == "UPLOADED"
        assert put(cursor, large) == "SKIPPED"
    file = fake.files()["ferry/large.json.gz"]
    assert file.contents == large.read_bytes()
    assert file.uploads == 1


def test_a_role_is_told_apart_what_it_may_not_do_and_what_it_may_not_see(
    strict_snowflake: StrictSnowflake, spooled: Path
) -> None:
    with connect(strict_snowflake) as connection, connection.cursor() as cursor:
        # GIVEN a role that has lost WRITE
        strict_snowflake.stage().grants["LOADER"] = {"READ"}
        # WHEN it puts or removes, THEN the privilege is missing; it still may list
        for statement in (PUT.format(path=spooled, folder="x", over=False), "REMOVE {stage}/x"):
            with pytest.raises(Error) as denied:
                cursor.execute(statement.replace("{stage}", "@product_ingestion_stage"))
            assert (denied.value.errno, denied.value.sqlstate) == (3001, "42501")
        assert cursor.execute("LIST @product_ingestion_stage").fetchall() == []
        # WHEN it has nothing, or the stage is gone, THEN both look the same
        strict_snowflake.stage().grants["LOADER"] = set()
        with pytest.raises(Error) as unseen:
            cursor.execute("LIST @product_ingestion_stage")
        strict_snowflake.drop_stage()
        with pytest.raises(Error) as gone:
            cursor.execute("LIST @product_ingestion_stage")
    assert unseen.value.errno == gone.value.errno == 2003
    assert unseen.value.sqlstate == gone.value.sqlstate == "02000"


def test_a_replaced_stage_is_empty_and_a_quoted_name_keeps_its_case(
    strict_snowflake: StrictSnowflake, spooled: Path
) -> None:
    with connect(strict_snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE STAGE \"Odd Name\" ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')")
        cursor.execute(f"PUT 'file://{spooled}' '@\"Odd Name\"/a b' AUTO_COMPRESS=FALSE")
        listed = cursor.execute("LIST '@\"Odd Name\"/a b'").fetchall()
        with pytest.raises(Error, match="already exists"):
            cursor.execute('CREATE STAGE "Odd Name"')
        cursor.execute('CREATE STAGE IF NOT EXISTS "Odd Name"')
        cursor.execute('CREATE OR REPLACE STAGE analytics.ingest."Odd Name"')
        assert cursor.execute('LIST @"Odd Name"').fetchall() == []
        cursor.execute('DROP STAGE "Odd Name"')
        with pytest.raises(Error, match="does not exist"):
            cursor.execute('LIST @"Odd Name"')
    assert [row[0] for row in listed] == ["odd name/a b/0000-0007-7.json.gz"]


def test_the_fake_runs_by_itself_for_other_processes(
    spooled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the fake in a process of its own, which prints its settings
    child = subprocess.Popen(
        [sys.executable, "-m", "strict_snowflake", "--encryption", "SNOWFLAKE_SSE"],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        settings = dict(child.stdout.readline().rstrip().split("=", 1) for _ in range(13))
        for name in ("REQUESTS_CA_BUNDLE", "SNOWFLAKE_DISABLE_PLATFORM_DETECTION"):
            monkeypatch.setenv(name, settings.pop(name))
        names = {n.removeprefix("SNOWFLAKE_").lower(): v for n, v in settings.items()}
        names.pop("ssl_cert_file")
        # WHEN the connector logs in with them THEN it can put
        with snowflake.connector.connect(**{**names, "port": int(names["port"])}) as connection:
            assert put(connection.cursor(), spooled) == "UPLOADED"
        # WHEN its input ends THEN so does it
        child.stdin.close()
        assert child.wait(20) == 0
