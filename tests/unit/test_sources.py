"""Settings: who wins, what is refused, and that every problem is told at once."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from rowferry.config import Settings, environment_name, is_secret, sections
from rowferry.errors import ConfigError
from rowferry.sources import Loaded, load_settings

SEED_NAMES = """
POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD
KAFKA_SERVER KAFKA_USERNAME KAFKA_PASSWORD
SCHEMA_SERVER SCHEMA_USERNAME SCHEMA_PASSWORD
SNOWFLAKE_ACCOUNT SNOWFLAKE_USER SNOWFLAKE_PASSWORD
SNOWFLAKE_WAREHOUSE SNOWFLAKE_DATABASE SNOWFLAKE_SCHEMA SNOWFLAKE_ROLE
"""


def load(
    folder: Path,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    required: tuple[str, ...] = (),
) -> Loaded:
    return load_settings(flags, environ=environ or {}, folder=folder, required=required)


def problems(
    folder: Path,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    required: tuple[str, ...] = (),
) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, environ, flags, required)
    assert raised.value.exit_code == 2
    return [line.strip() for line in raised.value.what.splitlines()[1:]]


def write_private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def test_flag_beats_environment_beats_dotenv_beats_toml_beats_default(tmp_path: Path) -> None:
    # GIVEN each source says something about one setting less than the source below it
    (tmp_path / "rowferry.toml").write_text(
        'group = "toml"\ntopic = "toml"\nnamespace = "toml"\npipeline = "toml"\n'
    )
    write_private(
        tmp_path / ".env",
        "ROWFERRY_TOPIC=dotenv\nROWFERRY_NAMESPACE=dotenv\nROWFERRY_PIPELINE=dotenv\n",
    )
    environ = {"ROWFERRY_NAMESPACE": "environment", "ROWFERRY_PIPELINE": "environment"}
    # WHEN
    loaded = load(tmp_path, environ, {"pipeline": "flag", "group": None})
    # THEN
    settings = loaded.settings
    assert settings.pipeline == "flag"
    assert settings.namespace == "environment"
    assert settings.topic == "dotenv"
    assert settings.group == "toml"
    assert settings.poll_seconds == 0.1
    assert loaded.origin == {
        "pipeline": "flag",
        "namespace": "environment",
        "topic": ".env",
        "group": "rowferry.toml",
    }
    assert loaded.flags == {"pipeline": "flag"}


def test_the_first_users_names_work_unchanged(tmp_path: Path) -> None:
    # GIVEN
    environ = {name: f"value-of-{name.lower()}" for name in SEED_NAMES.split()}
    environ["SCHEMA_SERVER"] = "https://registry.example"
    # WHEN
    settings = load(tmp_path, environ).settings
    # THEN
    assert settings.postgres_user == "value-of-postgres_user"
    assert settings.snowflake_warehouse == "value-of-snowflake_warehouse"
    assert settings.kafka_password is not None
    assert settings.kafka_password.get_secret_value() == "value-of-kafka_password"


def test_all_problems_of_all_sources_are_in_one_report(tmp_path: Path) -> None:
    # GIVEN
    (tmp_path / "rowferry.toml").write_text('grup = "x"\n')
    write_private(tmp_path / ".env", "ROWFERRY_POLL_SECOND=1\nnot an assignment\n")
    environ = {"POSTGRES_PORT": "many", "ROWFERRY_MODE": "sometimes", "ROWFERRY_KAFKA": "x"}
    # WHEN
    told = problems(tmp_path, environ, required=("stage", "tables|topics"))
    # THEN each is named, with its source and, where one is near, the name that was meant
    assert "rowferry.toml: unknown key 'grup'; did you mean group?" in told
    assert (
        "ROWFERRY_POLL_SECOND: unknown setting in .env; did you mean ROWFERRY_POLL_SECONDS?" in told
    )
    assert ".env: line 2 is not NAME=value" in told
    assert "ROWFERRY_STAGE: required, and not set" in told
    assert "ROWFERRY_TABLES or ROWFERRY_TOPICS: required, and not set" in told
    assert "ROWFERRY_KAFKA: belongs in rowferry.toml, as a table" in told
    assert any(t.startswith("POSTGRES_PORT: input should be a valid integer") for t in told)
    assert any(t.startswith("ROWFERRY_MODE: input should be 'incremental', 'full'") for t in told)
    assert len(told) == 8


def test_foreign_variables_with_known_prefixes_are_not_ours_to_refuse(tmp_path: Path) -> None:
    environ = {"POSTGRES_INITDB_ARGS": "x", "KAFKA_HEAP_OPTS": "-Xmx1g", "SCHEMA_REGISTRY": "x"}
    assert load(tmp_path, environ).origin == {}


def test_a_variable_that_is_nearly_one_of_ours_is_told(tmp_path: Path) -> None:
    # GIVEN misspelt names, and others' that go on where ours end or are ours when that is set
    write_private(tmp_path / ".env", "KAFKA_PASWORD=x\nSNOWFLAKE_ACOUNT=x\nKAFKA_SERVER=b:9092\n")
    environ = {"POSTGRES_USRE": "x", "POSTGRES_PASSWORD_FILE": "x", "KAFKA_SERVERS": "b:9092"}
    # WHEN
    told = problems(tmp_path, environ)
    # THEN
    assert told == [
        "KAFKA_PASWORD: unknown setting in .env; did you mean KAFKA_PASSWORD?",
        "SNOWFLAKE_ACOUNT: unknown setting in .env; did you mean SNOWFLAKE_ACCOUNT?",
        "POSTGRES_USRE: unknown setting in the environment; did you mean POSTGRES_USER?",
    ]


def test_an_empty_variable_is_an_unset_one(tmp_path: Path) -> None:
    assert load(tmp_path, {"POSTGRES_PORT": "", "ROWFERRY_FILTER": ""}).origin == {}


def test_an_empty_flag_is_refused_since_no_child_could_see_it(tmp_path: Path) -> None:
    write_private(tmp_path / ".env", "ROWFERRY_FILTER=price > 1\n")
    told = problems(tmp_path, flags={"filter": "", "group": "mine", "topic": None})
    assert told == ["ROWFERRY_FILTER: its flag is empty; leave it out, or give it a value"]


@pytest.mark.parametrize(
    ("mode", "is_refused", "is_warned"),
    [(0o600, False, False), (0o644, False, True), (0o606, True, False)],
)
def test_a_dotenv_that_others_write_is_refused_and_one_they_read_is_warned_of(
    tmp_path: Path, mode: int, is_refused: bool, is_warned: bool
) -> None:
    # GIVEN
    path = tmp_path / ".env"
    path.write_text("POSTGRES_USER=me\n")
    path.chmod(mode)
    # WHEN / THEN
    if is_refused:
        assert problems(tmp_path) == [".env: others may write it; run: chmod 600 .env"]
    else:
        assert bool(load(tmp_path).warnings) is is_warned


def test_a_dotenv_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a file that the system says is another's
    write_private(tmp_path / ".env", "POSTGRES_USER=me\n")
    real = os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        told = list(real(descriptor))
        told[4] = os.getuid() + 12345
        return os.stat_result(told)

    monkeypatch.setattr(os, "fstat", of_another)
    # WHEN / THEN
    assert problems(tmp_path) == [".env: belongs to another user; take it over with chown"]


def test_unreadable_files_are_problems_and_no_tracebacks(tmp_path: Path) -> None:
    # GIVEN a folder where a file should be, and text that is neither TOML nor UTF-8
    (tmp_path / ".env").mkdir()
    (tmp_path / "rowferry.toml").write_bytes(b"\xff = [")
    # WHEN
    told = problems(tmp_path)
    # THEN
    assert told[0].startswith("rowferry.toml: not valid TOML")
    assert told[1] == ".env: cannot be read: Is a directory"


def test_a_secret_in_a_public_toml_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "rowferry.toml"
    path.write_text('postgres_password = "x"\n')
    path.chmod(0o644)
    assert load(tmp_path).warnings == (
        "rowferry.toml: others may read a secret in it; move it to .env",
    )


@pytest.mark.parametrize(
    ("mode", "name", "is_warned"),
    [
        (0o644, "sasl.oauthbearer.client.secret", True),
        (0o640, "ssl.key.password", True),
        (0o600, "ssl.key.password", False),
        (0o644, "ssl.key.location", False),
        (0o644, "linger.ms", False),
    ],
)
def test_a_secret_that_is_passed_to_kafka_from_a_public_toml_is_warned_of(
    tmp_path: Path, mode: int, name: str, is_warned: bool
) -> None:
    path = tmp_path / "rowferry.toml"
    path.write_text(f'[kafka]\n"{name}" = "5"\n')
    path.chmod(mode)
    told = "rowferry.toml: others may read a secret in [kafka]; run: chmod 600 rowferry.toml"
    assert load(tmp_path).warnings == ((told,) if is_warned else ())


def test_values_of_dotenv_are_taken_as_written(tmp_path: Path) -> None:
    # GIVEN a password with the characters that shells expand
    write_private(tmp_path / ".env", "POSTGRES_PASSWORD='a$b#c ${HOME}'\nexport POSTGRES_DB=shop\n")
    # WHEN
    settings = load(tmp_path).settings
    # THEN
    assert settings.postgres_password.get_secret_value() == "a$b#c ${HOME}"
    assert settings.postgres_db == "shop"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (
            {"ROWFERRY_TABLES": "public.a,shop.a"},
            "ROWFERRY_TOPIC: public.a and shop.a would share the topic a_updates",
        ),
        ({"ROWFERRY_TABLES": "a,public.a"}, "ROWFERRY_TABLES: public.a is named 2 times"),
        (
            {"ROWFERRY_TABLES": "a b"},
            "ROWFERRY_TOPIC: 'a b_updates' is no topic name; set the table its own",
        ),
        (
            {"ROWFERRY_TOPIC": "{tabel}"},
            "ROWFERRY_TOPIC: '{tabel}': only {schema} and {table} can be filled in",
        ),
        (
            {"ROWFERRY_SUBJECT": "{topic"},
            "ROWFERRY_SUBJECT: '{topic': only {topic} can be filled in",
        ),
        (
            {"KAFKA_USERNAME": "u"},
            "KAFKA_PASSWORD: required beside KAFKA_USERNAME, and not set",
        ),
        (
            {"SCHEMA_SERVER": "ftp://x"},
            "SCHEMA_SERVER: not a URL that begins with https:// or http://",
        ),
        (
            {"SCHEMA_SERVER": "https://u:p@x"},
            "SCHEMA_SERVER: credentials belong in SCHEMA_USERNAME and SCHEMA_PASSWORD",
        ),
        (
            {"SNOWFLAKE_PROTOCOL": "http", "SNOWFLAKE_HOST": "x.example"},
            "SNOWFLAKE_PROTOCOL: http is allowed for a SNOWFLAKE_HOST on loopback only",
        ),
        ({"ROWFERRY_STAGE": "s3://x"}, "ROWFERRY_STAGE: neither @stage/prefix nor file:/folder"),
        ({"ROWFERRY_STAGE": "file:"}, "ROWFERRY_STAGE: file: needs a folder, as in file:./staged"),
        (
            {"ROWFERRY_METADATA": "_op,_offset=_op"},
            "ROWFERRY_METADATA: '_op' is the name of 2 fields",
        ),
        (
            {"ROWFERRY_MODE": "log"},
            "ROWFERRY_MODE: log is not in this version; incremental and full are",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    tmp_path: Path, environ: dict[str, str], told: str
) -> None:
    assert problems(tmp_path, environ) == [told]


def test_a_snowflake_stage_needs_an_account_only_where_the_stage_is_used(tmp_path: Path) -> None:
    # GIVEN
    environ = {"ROWFERRY_STAGE": "@stage/prefix"}
    # WHEN the command does not use it
    assert load(tmp_path, environ).settings.stage == "@stage/prefix"
    # WHEN it does
    told = problems(tmp_path, environ, required=("stage",))
    # THEN
    assert [line.split(":")[0] for line in told] == [
        "SNOWFLAKE_ACCOUNT",
        "SNOWFLAKE_USER",
        "SNOWFLAKE_DATABASE",
        "SNOWFLAKE_SCHEMA",
        "SNOWFLAKE_PRIVATE_KEY_FILE or SNOWFLAKE_TOKEN_FILE or SNOWFLAKE_PASSWORD",
    ]


def test_a_table_may_set_its_own_and_typos_in_it_are_found(tmp_path: Path) -> None:
    # GIVEN
    path = tmp_path / "rowferry.toml"
    path.write_text('tables = ["shop.a"]\n[table."shop.a"]\ntopic = "a"\n')
    assert load(tmp_path).settings.topic_of("shop.a") == "a"
    # WHEN
    path.write_text('tables = ["shop.a"]\n[table."shop.a"]\ntopik = "a"\n[table."shop.b"]\n')
    # THEN
    told = problems(tmp_path)
    assert told == [
        "ROWFERRY_TABLE.shop.a.topik: extra inputs are not permitted (from rowferry.toml)"
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("products", "public.products"),
        ("shop.products", "shop.products"),
        ('"My Shop"."Products"', "My Shop.Products"),
        ('shop."Products"', "shop.Products"),
        ('"Products"', "public.Products"),
        ('"a""b".c', 'a"b.c'),
        ('"a.b".c', '"a.b".c'),
    ],
)
def test_a_table_is_named_as_in_sql_or_plainly(written: str, meant: str) -> None:
    assert Settings.model_validate({"tables": written}).tables == (meant,)


def test_secrets_mask_themselves_and_are_all_known(tmp_path: Path) -> None:
    # GIVEN a canary in every secret setting, and in one passed through
    secrets = {name: f"canary-{name}" for name in Settings.model_fields if is_secret(name)}
    users = {"kafka_username": "u", "schema_username": "u"}
    (tmp_path / "rowferry.toml").write_text('[kafka]\n"ssl.key.password" = "canary-kafka"\n')
    # WHEN
    settings = load(
        tmp_path, {environment_name(k): v for k, v in {**secrets, **users}.items()}
    ).settings
    # THEN
    assert "canary-p" not in repr(settings)
    assert "canary-s" not in f"{settings!s}{settings.model_dump()}"
    assert set(settings.secret_values()) == {*secrets.values(), "canary-kafka"}


@pytest.mark.parametrize(
    ("name", "is_hidden"),
    [
        ("sasl.oauthbearer.assertion.private.key.passphrase", True),
        ("sasl.oauthbearer.assertion.private.key.pem", True),
        ("sasl.oauthbearer.assertion.private.key.file", False),
        ("sasl.oauthbearer.client.secret", True),
        ("sasl.oauthbearer.token.endpoint.url", False),
        ("ssl.key.pem", True),
        ("ssl.key.location", False),
        ("ssl.keystore.password", True),
        ("ssl.certificate.pem", False),
    ],
)
def test_secrets_that_are_passed_to_kafka_are_known_by_their_names(
    name: str, is_hidden: bool
) -> None:
    found = list(Settings(kafka={name: 918273645}).secret_values())
    assert ("918273645" in found) is is_hidden


def test_a_wrong_secret_is_not_repeated_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "rowferry.toml").write_text("postgres_password = 918273645\n")
    assert "918273645" not in "".join(problems(tmp_path))


def test_every_setting_has_a_section_a_description_and_a_name_of_its_own() -> None:
    names = [name for group in sections().values() for name in group]
    assert names == list(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())
    assert len({environment_name(name) for name in names}) == len(names)
