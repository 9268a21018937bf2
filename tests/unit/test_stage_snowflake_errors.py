"""How a Snowflake stage is addressed, and what its errors mean, without a Snowflake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, DataAtRisk, RowferryError, Transient
from rowferry.flow.stage.kinds import open_stage
from rowferry.flow.stage.snowflake_errors import refused_code, translate
from rowferry.flow.stage.snowflake_location import local_url, parse_location


@pytest.mark.parametrize(
    ("setting", "sql"),
    [
        ("@stage", "'@stage/a/b.gz'"),
        ("@stage/some/prefix/", "'@stage/some/prefix/a/b.gz'"),
        ("@db.sch.stage_1$/p", "'@db.sch.stage_1$/p/a/b.gz'"),
        ('@"My db"."s"."st-""age"/p=1', '\'@"My db"."s"."st-""age"/p=1/a/b.gz\''),
    ],
)
def test_a_stage_is_addressed_in_quotes(setting: str, sql: str) -> None:
    assert parse_location(setting).sql("a/b.gz") == sql


@pytest.mark.parametrize(
    "setting",
    [
        "stage", "@", "@~/x", "@%table/x", "@a.b.c.d", "@st age", "@stage/../x", "@stage/a//b",
        "@stage/x'; DROP STAGE y; --", "@stage/x\ny", '@"a\'b"', '@"a/b"', '@"a', "@stage/x*",
        "@stage/x?", "@stage/[x]", "@stage/x\\", "@1stage", "@stage/\N{GREEK SMALL LETTER ALPHA}",
    ],
)  # fmt: skip
def test_what_could_be_more_than_a_stage_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="ROWFERRY_STAGE"):
        parse_location(setting)


@given(st.text(max_size=30))
def test_no_text_leaves_the_quotes(text: str) -> None:
    try:
        sql = parse_location(f"@stage/{text}").sql()
    except ConfigError:
        return
    assert sql[1:-1].isprintable()
    assert not set("'\\\";\n") & set(sql[1:-1])


@given(st.text(max_size=30))
def test_no_local_path_leaves_the_quotes_or_names_more_than_one_file(text: str) -> None:
    try:
        url = local_url(f"/{text}")
    except ConfigError:
        return
    assert not set("'\\\"?*[]\n") & set(url[1:-1])


def test_names_are_taken_out_of_listings_only_within_the_prefix() -> None:
    location = parse_location("@Stage/some/prefix")
    assert location.relative("stage/some/prefix/a/b.gz") == "a/b.gz"
    assert location.relative("stage/some/prefixed/b.gz") is None
    assert parse_location("@stage").relative("stage/a/b.gz") == "a/b.gz"


def test_a_stage_of_no_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="ROWFERRY_STAGE"):
        open_stage(Settings(stage="s3://bucket"))


# --- Errors


class ConnectorError(Exception):
    def __init__(self, errno: int, msg: str) -> None:
        super().__init__(msg)
        self.errno, self.msg = errno, msg


@pytest.mark.parametrize(
    ("errno", "text", "kind", "code"),
    [
        (250001, "390100 (08001): Incorrect username or password", AccessDenied, Code.SF_AUTH),
        (390144, "JWT token is invalid", AccessDenied, Code.SF_AUTH),
        (250001, "Could not connect to Snowflake backend", Transient, Code.STAGE_DOWN),
        (390114, "Authentication token has expired", Transient, Code.STAGE_DOWN),
        (394303, "JWT token is invalid", AccessDenied, Code.SF_AUTH),
        (251018, "No workload identity credential was found", AccessDenied, Code.SF_AUTH),
        (251011, "certificate verify failed: Hostname mismatch", AccessDenied, Code.SF_AUTH),
        (250001, "invalid peer certificate: UnknownIssuer", AccessDenied, Code.SF_AUTH),
        (2003, "Stage 'X' does not exist or not authorized", DataAtRisk, Code.STAGE_GONE),
        (3001, "Insufficient privileges", AccessDenied, Code.SF_AUTH),
        (253003, "403 Client Error", Transient, Code.STAGE_DOWN),
        (-1, "something odd", Transient, Code.STAGE_DOWN),
    ],
)
def test_the_connectors_errors_mean_one_thing_each(
    errno: int, text: str, kind: type[RowferryError], code: Code
) -> None:
    meant = translate(ConnectorError(errno, text), parse_location("@stage/p"))
    assert type(meant) is kind
    assert meant.code is code


@pytest.mark.parametrize(
    ("errno", "text", "code"),
    [
        (390100, "Incorrect username or password", 390100),
        (250001, "Login error: JWT token is invalid, code: 394304", 394304),
        (250006, "Idp authentication could have failed", 250006),
        (250001, "Identity Provider responded with error: invalid_client", 250006),
        (250001, "Could not connect to Snowflake backend", None),
        (390114, "Authentication token has expired", None),
    ],
)
def test_a_refusal_is_told_from_trouble_on_the_way(errno: int, text: str, code: int | None) -> None:
    assert refused_code(ConnectorError(errno, text)) == code


def test_presigned_addresses_and_tokens_are_cut_out_of_errors() -> None:
    text = (
        "403 Forbidden for url: https://bucket.example/x?X-Amz-Signature=canary1 and "
        f"token eyJ{'canary2' * 20} while uploading"
    )
    shown = str(translate(ConnectorError(253003, text), parse_location("@stage/p")))
    assert "canary" not in shown
    assert "403 Forbidden" in shown
