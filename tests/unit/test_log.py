"""Logs: one safe line an event, whatever is in it, and no secrets of ours or of others."""

import json
import logging
import time
from collections.abc import Iterator

import pytest
import structlog

from rowferry.config import Settings
from rowferry.observe import redact
from rowferry.observe.log import configure

CANARY = "canary-5ecret-value"


@pytest.fixture(autouse=True)
def fresh_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redact, "_hidden", {CANARY})
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    told = capsys.readouterr()
    assert told.out == ""
    return [json.loads(line) for line in told.err.splitlines()]


def test_an_event_is_one_json_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    structlog.get_logger().info("batch.staged", table="public.a", rows=3, seconds=0.5)
    [line] = lines(capsys)
    assert line["event"] == "batch.staged"
    assert (line["table"], line["rows"], line["level"]) == ("public.a", 3, "info")
    assert str(line["timestamp"]).endswith("Z")


def test_a_hostile_name_cannot_forge_a_line_or_move_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(Settings(log_format="json"))
    structlog.get_logger().info("x", table='a\n{"event":"forged"}\x1b[2J\u202e', names=["\x00"])
    [line] = lines(capsys)
    assert line["table"] == 'a\\n{"event":"forged"}\\x1b[2J\\u202e'
    assert line["names"] == ["\\x00"]


def test_a_long_value_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    structlog.get_logger().info("x", text="a" * 100_000)
    assert len(str(lines(capsys)[0]["text"])) == 2001


@pytest.mark.parametrize(
    "text",
    [
        f"password={CANARY}",
        f"login with {CANARY} refused",
        f"postgresql://me:{CANARY}@host/db",
        f"https://bucket.example/x?X-Amz-Signature={CANARY}&y=1",
        f'{{"token": "{CANARY}"}}',
        f"Authorization: Bearer {CANARY}",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_secret_is_masked_by_value_or_by_shape(
    text: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:
        monkeypatch.setattr(redact, "_hidden", set())
    shown = redact.redact(text)
    assert (CANARY in shown) is (not known and "refused" in text)


def test_prose_about_passwords_stays_readable() -> None:
    text = "POSTGRES_PASSWORD: required, and not set; see the token and the secret"
    assert redact.redact(text) == text


def test_foreign_loggers_are_capped_even_in_debug(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json", log_level="debug"))
    logging.getLogger("snowflake.connector.network").info("a presigned URL")
    logging.getLogger("urllib3.connectionpool").debug("a header")
    logging.getLogger("snowflake.connector").warning("token=%s", CANARY)
    [line] = lines(capsys)
    assert line["event"] == "token=***"


def test_an_exception_is_logged_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    try:
        int(f"{CANARY} is no number")
    except ValueError:
        structlog.get_logger().exception("failed")
    [line] = lines(capsys)
    assert "ValueError" in str(line["exception"])
    assert CANARY not in json.dumps(line)


def test_the_level_is_respected(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json", log_level="warning"))
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


@pytest.mark.parametrize("piece", ["a", "http://", "eyJaaaaaaaaa", "password=", "://", "password "])
def test_a_long_hostile_text_is_redacted_in_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    redact.redact(text)
    assert time.process_time() - started < 5
