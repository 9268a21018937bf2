"""A stage is logged in to by each kind of login, renewed unseen, and refused with a repair."""

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, Transient
from rowferry.flow.stage.snowflake import SnowflakeStage
from strict_snowflake import StrictSnowflake
from strict_snowflake.credentials import (
    give_access_token,
    give_client_credentials,
    give_key_pair,
    give_oauth_token,
)

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_retries")]

FOLDER = "orders.v1/AbC-_123/p00000/"
Give = Callable[[StrictSnowflake, Path], dict[str, str]]
Opened = Callable[..., SnowflakeStage]

GIVES: dict[str, Give] = {
    "SNOWFLAKE": lambda fake, _: {"SNOWFLAKE_PASSWORD": fake.user.password or ""},
    "SNOWFLAKE_JWT": lambda fake, folder: give_key_pair(fake.user, folder),
    "PROGRAMMATIC_ACCESS_TOKEN": lambda fake, folder: give_access_token(
        fake.user, folder, fake.clock.now()
    ),
    "OAUTH": lambda fake, folder: give_oauth_token(fake.user, folder, fake.clock.now()),
    "OAUTH_CLIENT_CREDENTIALS": lambda fake, _: give_client_credentials(
        fake.user, fake.oauth_token_url
    ),
}


@pytest.fixture
def stage_on(tmp_path: Path) -> Iterator[Opened]:
    """A stage of the product on a fake, with what a login is given instead of its password."""
    opened: list[SnowflakeStage] = []

    def open_(fake: StrictSnowflake, proof: dict[str, str], **fields: object) -> SnowflakeStage:
        password = {"SNOWFLAKE_PASSWORD": None}
        named = {k.lower(): v for k, v in {**fake.settings, **password, **proof}.items()}
        own = {"stage": "@product_ingestion_stage/ferry", "put_seconds": 20}
        place = {"spool_dir": str(tmp_path / "spool")}
        opened.append(SnowflakeStage(Settings.model_validate({**named, **own, **place, **fields})))
        return opened[-1]

    yield open_
    for stage in opened:
        stage.close()


def put(stage: SnowflakeStage, folder: Path, first: int) -> str:
    name = f"{FOLDER}{first:020d}-{first + 1:020d}-1.json.gz"
    path = folder / f"{first}.gz"
    path.write_bytes(gzip.compress(b"{}\n", mtime=0))
    stage.put(name, path)
    return name


def refused(stage: SnowflakeStage) -> str:
    """What a person is told."""
    with pytest.raises(AccessDenied) as told:
        list(stage.list(FOLDER))
    assert told.value.code is Code.SF_AUTH
    return str(told.value)


def let_a_minute_pass(tmp_path: Path) -> None:
    """Set what is remembered of refusals back by a minute."""
    for path in tmp_path.glob(f"spool/rowferry-logins-{os.getuid()}/*.json"):
        known = json.loads(path.read_text())
        path.write_text(json.dumps({k: {**r, "at": r["at"] - 61} for k, r in known.items()}))


@pytest.mark.parametrize("login", GIVES)
def test_each_kind_of_login_lets_in_and_after_four_idle_hours_again_unseen(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened, login: str
) -> None:
    fake = strict_snowflake
    # GIVEN a stage that has been used
    stage = stage_on(fake, GIVES[login](fake, tmp_path))
    put(stage, tmp_path, 0)
    # WHEN nothing is asked of it for more than four hours
    fake.sessions.expire(master=True)
    put(stage, tmp_path, 1)
    # THEN the second file is there, too, after one more login
    seen = "OAUTH" if login.startswith("OAUTH") else login
    assert [(at.authenticator, at.error_code) for at in fake.logins] == [(seen, None)] * 2
    assert len(list(stage.list(FOLDER))) == 2


def test_a_password_may_be_an_access_token(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    give_access_token(strict_snowflake.user, tmp_path, strict_snowflake.clock.now())
    secret = strict_snowflake.user.access_tokens[0].secret
    stage = stage_on(strict_snowflake, {"SNOWFLAKE_PASSWORD": secret})
    assert list(stage.list(FOLDER)) == []


def test_four_idle_hours_by_the_clock_are_nobodys_business(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    fake = strict_snowflake
    stage = stage_on(fake, give_access_token(fake.user, tmp_path, fake.clock.now()))
    put(stage, tmp_path, 0)
    fake.clock.advance(hours=4.1)
    put(stage, tmp_path, 1)
    assert [login.error_code for login in fake.logins] == [None, None]
    assert {file.uploads for file in fake.files().values()} == {1}


def test_a_new_key_in_the_file_is_taken_up_by_the_next_login(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    fake = strict_snowflake
    # GIVEN a stage in use with the first key, and a second key set beside it at Snowflake
    proof = give_key_pair(fake.user, tmp_path)
    stage = stage_on(fake, proof)
    put(stage, tmp_path, 0)
    (tmp_path / "new").mkdir()
    new = give_key_pair(fake.user, tmp_path / "new")
    # WHEN the file is replaced, the first key is retired, and the session ends
    file, passphrase = "SNOWFLAKE_PRIVATE_KEY_FILE", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"
    reencrypted(Path(new[file]), new[passphrase], proof[passphrase]).replace(proof[file])
    fake.user.rsa_public_key = None
    fake.sessions.expire(master=True)
    # THEN the same process goes on
    put(stage, tmp_path, 1)
    assert [login.error_code for login in fake.logins] == [None, None]


def reencrypted(path: Path, before: str, after: str) -> Path:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(path.read_bytes(), before.encode())
    encryption = BestAvailableEncryption(after.encode())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return path


def test_a_retired_key_is_refused_until_the_new_one_is_in_the_file(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    fake = strict_snowflake
    proof = give_key_pair(fake.user, tmp_path)
    stage = stage_on(fake, proof)
    put(stage, tmp_path, 0)
    (tmp_path / "new").mkdir()
    new = give_key_pair(fake.user, tmp_path / "new")
    fake.user.rsa_public_key = None
    fake.sessions.expire(master=True)
    assert "RSA_PUBLIC_KEY" in refused(stage)
    assert "not asked" in refused(stage)
    # WHEN the file is replaced THEN it works at once, without a restart
    file, passphrase = "SNOWFLAKE_PRIVATE_KEY_FILE", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"
    reencrypted(Path(new[file]), new[passphrase], proof[passphrase]).replace(proof[file])
    put(stage, tmp_path, 1)
    assert [login.error_code for login in fake.logins] == [None, "394304", None]


@pytest.mark.parametrize("login", ["PROGRAMMATIC_ACCESS_TOKEN", "OAUTH"])
def test_a_revoked_token_is_refused_until_a_new_one_is_in_the_file(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened, login: str
) -> None:
    fake = strict_snowflake
    stage = stage_on(fake, GIVES[login](fake, tmp_path))
    put(stage, tmp_path, 0)
    for token in (*fake.user.access_tokens, *fake.user.oauth_tokens):
        token.revoked = True
    fake.sessions.expire(master=True)
    assert "SNOWFLAKE_TOKEN_FILE" in refused(stage)
    count = len(fake.logins)
    assert "not asked" in refused(stage)
    assert len(fake.logins) == count
    # WHEN the file is replaced
    GIVES[login](fake, tmp_path)
    # THEN
    put(stage, tmp_path, 1)
    assert fake.logins[-1].error_code is None


@pytest.mark.parametrize(("seconds", "code"), [(300, "394301"), (-300, "394302")])
def test_a_clock_that_is_five_minutes_off_is_said_to_be(
    strict_snowflake: StrictSnowflake,
    tmp_path: Path,
    stage_on: Opened,
    seconds: float,
    code: str,
) -> None:
    stage = stage_on(strict_snowflake, give_key_pair(strict_snowflake.user, tmp_path))
    strict_snowflake.clock.advance(seconds=seconds)
    assert "clock right?" in refused(stage)
    assert {login.error_code for login in strict_snowflake.logins} == {code}
    # WHEN it is set right THEN it works, when the minute is over
    strict_snowflake.clock.advance(seconds=-seconds)
    let_a_minute_pass(tmp_path)
    put(stage, tmp_path, 0)


def test_wrong_passwords_stop_before_they_lock_the_user(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    # WHEN a supervisor starts it again and again, for minutes
    for _ in range(6):
        assert "a user of TYPE = SERVICE" in refused(
            stage_on(strict_snowflake, {"SNOWFLAKE_PASSWORD": "canary"})
        )
        let_a_minute_pass(tmp_path)
    # THEN the user is not locked for those who know the password
    assert [login.error_code for login in strict_snowflake.logins] == ["390100"] * 3
    right = {"SNOWFLAKE_PASSWORD": strict_snowflake.user.password or ""}
    put(stage_on(strict_snowflake, right), tmp_path, 0)


@pytest.mark.parametrize(
    ("login", "code"),
    [
        ("SNOWFLAKE_JWT", "394301"),
        ("OAUTH", "390318"),
        ("OAUTH", "390303"),
        ("OAUTH_CLIENT_CREDENTIALS", "390318"),
    ],
)
def test_what_has_expired_on_its_way_is_shown_anew_once(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened, login: str, code: str
) -> None:
    fake = strict_snowflake
    stage = stage_on(fake, GIVES[login](fake, tmp_path))
    fake.faults.next("login_refused", code=code, message="expired")
    put(stage, tmp_path, 0)
    assert [at.error_code for at in fake.logins] == [code, None]


@pytest.mark.parametrize("code", ["390112", "390114", "390318", "390303", "394301"])
def test_what_ends_a_session_is_renewed_unseen(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened, code: str
) -> None:
    fake = strict_snowflake
    stage = stage_on(fake, give_access_token(fake.user, tmp_path, fake.clock.now()))
    put(stage, tmp_path, 0)
    fake.faults.next("query_failed", code=code, sqlstate="08001", message="expired")
    put(stage, tmp_path, 1)
    assert fake.faults.played == ["query_failed"]
    assert len(list(stage.list(FOLDER))) == 2


def test_a_jwt_that_is_too_long_is_a_refusal(
    strict_snowflake: StrictSnowflake,
    tmp_path: Path,
    stage_on: Opened,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JWT_LIFETIME_IN_SECONDS", "7200")
    stage = stage_on(strict_snowflake, give_key_pair(strict_snowflake.user, tmp_path))
    assert "JWT_LIFETIME_IN_SECONDS" in refused(stage)
    assert [login.error_code for login in strict_snowflake.logins] == ["394303"]


@pytest.mark.parametrize(
    ("attribute", "advice"), [("disabled", "DISABLED = FALSE"), ("barred", "NETWORK POLICY")]
)
def test_a_user_who_is_shut_out_needs_a_person_and_then_goes_on(
    strict_snowflake: StrictSnowflake,
    tmp_path: Path,
    stage_on: Opened,
    attribute: str,
    advice: str,
) -> None:
    fake = strict_snowflake
    stage = stage_on(fake, {"SNOWFLAKE_PASSWORD": fake.user.password or ""})
    put(stage, tmp_path, 0)
    fake.user.disabled, fake.user.network_allowed = attribute == "disabled", attribute != "barred"
    fake.sessions.expire(master=True)
    assert advice in refused(stage)
    fake.user.disabled, fake.user.network_allowed = False, True
    let_a_minute_pass(tmp_path)
    put(stage, tmp_path, 1)
    assert len(list(stage.list(FOLDER))) == 2


def test_wrong_client_credentials_are_refused_once_a_minute(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    fake = strict_snowflake
    proof = give_client_credentials(fake.user, fake.oauth_token_url)
    stage = stage_on(fake, {**proof, "SNOWFLAKE_OAUTH_CLIENT_SECRET": "canary-secret"})
    told = refused(stage)
    assert "SNOWFLAKE_OAUTH_CLIENT_ID" in told
    assert "canary" not in told
    assert "not asked" in refused(stage)
    put(stage_on(fake, proof), tmp_path, 0)


def test_a_service_that_is_away_at_login_is_waited_for(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    fake = strict_snowflake
    stage = stage_on(fake, {"SNOWFLAKE_PASSWORD": fake.user.password or ""})
    fake.faults.next("unavailable", times=1, status=503)
    put(stage, tmp_path, 0)
    assert [login.error_code for login in fake.logins] == ["503", None]


def test_a_service_that_stays_away_is_trouble_that_passes_and_no_refusal(
    strict_snowflake: StrictSnowflake,
    tmp_path: Path,
    stage_on: Opened,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = strict_snowflake
    monkeypatch.setattr("rowferry.flow.stage.snowflake_login.LOGIN_SECONDS", 2)
    stage = stage_on(fake, {"SNOWFLAKE_PASSWORD": fake.user.password or ""})
    fake.faults.next("unavailable", times=100, status=503)
    with pytest.raises(Transient):
        put(stage, tmp_path, 0)
    fake.faults.clear()
    put(stage, tmp_path, 0)
    assert fake.logins[-1].error_code is None


def test_a_server_with_another_name_is_sent_no_password(
    strict_snowflake: StrictSnowflake, tmp_path: Path, stage_on: Opened
) -> None:
    fake = strict_snowflake
    fake.serve_tls_for("elsewhere.example")
    port = fake.tls_settings["SNOWFLAKE_PORT"]
    proof = {"SNOWFLAKE_PASSWORD": "canary", "SNOWFLAKE_PROTOCOL": "https", "SNOWFLAKE_PORT": port}
    began = time.monotonic()
    assert "does not prove that it is Snowflake" in refused(stage_on(fake, proof))
    assert fake.logins == []
    assert time.monotonic() - began < 20
    # WHEN it shows its own name
    fake.serve_tls_for("127.0.0.1")
    put(stage_on(fake, {**proof, "SNOWFLAKE_PASSWORD": fake.user.password or ""}), tmp_path, 0)
