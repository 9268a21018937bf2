"""The strict fake lets in whom Snowflake would, as the real connector sees it."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from snowflake.connector.errors import DatabaseError, Error

from fix_snowflake import connect
from strict_snowflake import StrictSnowflake, UserType
from strict_snowflake.accounts import AccessToken, Refused, fingerprint
from strict_snowflake.credentials import give_access_token, give_key_pair, public_key_text

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def next_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def given(settings: dict[str, str]) -> dict[str, Any]:
    """The connector's parameters for a key pair's settings."""
    return {
        "authenticator": settings["SNOWFLAKE_AUTHENTICATOR"],
        "private_key_file": settings["SNOWFLAKE_PRIVATE_KEY_FILE"],
        "private_key_file_pwd": settings["SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"],
        "password": None,
    }


def who(fake: StrictSnowflake, **options: Any) -> str:
    """Log in, use the session, and give the kind of login that the fake has seen."""
    with connect(fake, **options) as connection, connection.cursor() as cursor:
        cursor.execute("LIST @product_ingestion_stage")
    assert fake.logins[-1].error_code is None
    return fake.logins[-1].authenticator


def refusal(fake: StrictSnowflake, **options: Any) -> int:
    """Try to log in, and give the code of the refusal."""
    with pytest.raises(Error) as refused:
        connect(fake, **options)
    assert fake.logins[-1].error_code == f"{refused.value.errno:06d}"
    return int(refused.value.errno or 0)


def test_a_password_lets_a_person_in_and_five_wrong_ones_lock_for_15_minutes(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    assert who(fake) == "SNOWFLAKE"
    assert [refusal(fake, password="wrong") for _ in range(5)] == [390100] * 5
    assert refusal(fake) == 390102
    fake.clock.advance(seconds=901)
    assert who(fake) == "SNOWFLAKE"


def test_a_service_user_may_not_use_a_password_but_a_token_in_its_place(
    strict_snowflake: StrictSnowflake, tmp_path: Path
) -> None:
    fake = strict_snowflake
    fake.user.type = UserType.SERVICE
    assert refusal(fake) == 390100
    settings = give_access_token(fake.user, tmp_path, fake.clock.now())
    secret = Path(settings["SNOWFLAKE_TOKEN_FILE"]).read_text()
    assert who(fake, password=secret) == "SNOWFLAKE"
    options = {"authenticator": settings["SNOWFLAKE_AUTHENTICATOR"], "password": None}
    assert who(fake, token=secret, **options) == "PROGRAMMATIC_ACCESS_TOKEN"
    fake.user.access_tokens[0].revoked = True
    assert refusal(fake, token=secret, **options) == 394400


def test_a_token_lets_in_only_the_role_it_is_restricted_to_and_until_it_expires(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    fake.user.roles.add("AUDITOR")
    soon = fake.clock.now() + 60
    fake.user.access_tokens.append(AccessToken("pat-secret", soon, role="AUDITOR"))
    options = {
        "authenticator": "PROGRAMMATIC_ACCESS_TOKEN",
        "password": None,
        "token": "pat-secret",
    }
    assert refusal(fake, **options) == 390189
    connect(fake, role="AUDITOR", **options).close()
    fake.clock.advance(seconds=61)
    assert refusal(fake, role="AUDITOR", **options) == 394400


def test_either_of_two_keys_lets_in_so_that_keys_rotate_without_a_gap(
    strict_snowflake: StrictSnowflake,
    key: rsa.RSAPrivateKey,
    next_key: ec.EllipticCurvePrivateKey,
    tmp_path: Path,
) -> None:
    fake = strict_snowflake
    # GIVEN the first key WHEN the second is set beside it THEN both are good
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    first = given(give_key_pair(fake.user, old, key=key))
    second = given(give_key_pair(fake.user, new, key=next_key))
    assert who(fake, **first) == "SNOWFLAKE_JWT"
    assert who(fake, **second) == "SNOWFLAKE_JWT"
    # WHEN the first is unset THEN it is refused, and the second still lets in
    fake.user.rsa_public_key = None
    assert refusal(fake, **first) == 394304
    assert who(fake, **second) == "SNOWFLAKE_JWT"


@pytest.mark.parametrize(("hours", "code"), [(1, 394301), (-1, 394302)])
def test_a_clock_that_is_off_makes_a_jwt_expired_or_not_yet_valid(
    strict_snowflake: StrictSnowflake,
    key: rsa.RSAPrivateKey,
    tmp_path: Path,
    hours: float,
    code: int,
) -> None:
    options = given(give_key_pair(strict_snowflake.user, tmp_path, key=key))
    strict_snowflake.clock.advance(hours=hours)
    assert refusal(strict_snowflake, **options) == code


def test_each_claim_of_a_jwt_is_checked(
    strict_snowflake: StrictSnowflake, key: rsa.RSAPrivateKey
) -> None:
    account, user = strict_snowflake.account, strict_snowflake.user
    user.rsa_public_key = public_key_text(key)
    now = time.time()
    good = {
        "iss": f"FAKEACCT.FERRY.{fingerprint(key.public_key())}",
        "sub": "FAKEACCT.FERRY",
        "iat": int(now),
        "exp": int(now) + 60,
    }

    def code(signer: rsa.RSAPrivateKey = key, algorithm: str = "RS256", **changes: Any) -> str:
        token = jwt.encode({**good, **changes}, signer, algorithm)
        data = {"LOGIN_NAME": "FERRY", "AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": token}
        try:
            account.authenticate(data, now)
        except Refused as refused:
            return refused.code
        return "in"

    assert code() == "in"
    assert code(iss="FAKEACCT.OTHER." + fingerprint(key.public_key())) == "394300"
    assert code(sub="FAKEACCT.OTHER") == "394300"
    assert code(exp=int(now) + 3700) == "394303"
    assert code(algorithm="RS512") == "394305"
    another = rsa.generate_private_key(65537, 2048)
    assert code(signer=another) == "390144"  # claims the known key, signed by another


def test_oauth_tokens_and_client_credentials_let_in_until_they_expire(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    # GIVEN client credentials WHEN the connector asks for a token and logs in THEN it is in
    fake.user.oauth_client = ("client-id", "client-secret")
    client = {
        "authenticator": "OAUTH_CLIENT_CREDENTIALS",
        "oauth_client_id": "client-id",
        "oauth_client_secret": "client-secret",
        "oauth_token_request_url": fake.oauth_token_url,
        "oauth_scope": "session:role:LOADER",
        "password": None,
    }
    assert who(fake, **client) == "OAUTH"
    # WHEN a token is used by itself THEN it is good for ten minutes
    token = fake.user.oauth_tokens[-1].secret
    alone = {"authenticator": "oauth", "token": token, "password": None}
    assert who(fake, **alone) == "OAUTH"
    fake.clock.advance(seconds=601)
    assert refusal(fake, **alone) == 390318
    assert refusal(fake, **{**alone, "token": "another"}) == 390303
    with pytest.raises(Error):
        connect(fake, **{**client, "oauth_client_secret": "wrong"})


def test_disabled_users_barred_networks_and_roles_not_granted_are_refused(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    assert refusal(fake, role="ACCOUNTADMIN") == 390189
    fake.user.network_allowed = False
    assert refusal(fake) == 390422
    fake.user.disabled = True
    assert refusal(fake) == 390101


def test_an_expired_session_is_renewed_and_after_four_idle_hours_must_log_in_again(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    connection = connect(fake)
    with connection.cursor() as cursor:
        # WHEN the session token is over THEN the connector renews it, unseen
        fake.clock.advance(hours=1.1)
        cursor.execute("LIST @product_ingestion_stage")
        assert len(fake.logins) == 1
        # WHEN heartbeats come in time THEN the session holds
        for _ in range(6):
            fake.clock.advance(seconds=3500)
            connection.rest._heartbeat()
        cursor.execute("LIST @product_ingestion_stage")
        # WHEN nothing is heard for four hours THEN only a new login helps
        fake.clock.advance(hours=4.1)
        with pytest.raises(DatabaseError) as over:
            cursor.execute("LIST @product_ingestion_stage")
    assert over.value.errno == 390114
    fake.clock.advance(hours=-4.1)
    connection.close()


@pytest.mark.parametrize(("kind", "code"), [("session_expired", None), ("master_expired", 390114)])
def test_the_script_ends_a_session_on_demand(
    strict_snowflake: StrictSnowflake, kind: str, code: int | None
) -> None:
    fake = strict_snowflake
    with connect(fake) as connection, connection.cursor() as cursor:
        fake.faults.next(kind)
        if code is None:
            cursor.execute("LIST @product_ingestion_stage")
        else:
            with pytest.raises(Error) as over:
                cursor.execute("LIST @product_ingestion_stage")
            assert over.value.errno == code
    assert fake.faults.played == [kind]


def test_the_script_refuses_logins_and_the_log_has_their_times(
    strict_snowflake: StrictSnowflake,
) -> None:
    fake = strict_snowflake
    fake.faults.next("login_refused", code="390144", message="JWT token is invalid.")
    assert refusal(fake) == 390144
    fake.faults.next("unavailable", status=503)
    with connect(fake):
        pass
    assert [login.error_code for login in fake.logins] == ["390144", "503", None]
    assert fake.logins[0].at <= fake.logins[1].at <= fake.logins[2].at


def test_tls_is_served_for_the_right_name_only(strict_snowflake: StrictSnowflake) -> None:
    fake = strict_snowflake
    port = int(fake.tls_settings["SNOWFLAKE_PORT"])
    connect(fake, protocol="https", port=port).close()
    fake.serve_tls_for("elsewhere.example")
    with pytest.raises(Error):
        connect(fake, protocol="https", port=port, login_timeout=2)


def test_an_unknown_database_shows_at_the_first_statement_and_not_at_the_login(
    strict_snowflake: StrictSnowflake,
) -> None:
    with connect(strict_snowflake, database="NOWHERE") as connection:
        with connection.cursor() as cursor, pytest.raises(Error) as nowhere:
            cursor.execute("LIST @product_ingestion_stage")
        assert nowhere.value.errno == 90105
