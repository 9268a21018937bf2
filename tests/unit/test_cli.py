"""The command line as a program calls it: streams, exit codes, one line an error."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rowferry.cli import app, render
from rowferry.cli.endings import Ending
from rowferry.errors import Code, DataAtRisk
from rowferry.observe import redact

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("ROWFERRY_", "POSTGRES_"))}
CANARY = "canary-5ecret-value"


def rowferry(
    folder: Path, *arguments: str, environ: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rowferry", *arguments],
        cwd=folder,
        env={**CLEAN, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_the_commands_and_exits_0(tmp_path: Path) -> None:
    ended = rowferry(tmp_path, "--help")
    assert ended.returncode == 0
    for command in ("send", "receive", "run", "verify", "config", "stack"):
        assert f" {command} " in ended.stdout


def test_all_wrong_settings_are_told_at_once_with_exit_code_2(tmp_path: Path) -> None:
    # GIVEN
    environ = {"ROWFERRY_POLL_SECOND": "1", "POSTGRES_PORT": "x"}
    started = time.monotonic()
    # WHEN
    ended = rowferry(tmp_path, "send", "--mode", "never", environ=environ)
    # THEN
    assert time.monotonic() - started < 10  # 2 s on a machine that does nothing else
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("E_CONFIG: ")
    for name in ("ROWFERRY_POLL_SECOND", "POSTGRES_PORT", "ROWFERRY_MODE", "KAFKA_SERVER"):
        assert f"  {name}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_dotenv_in_the_folder_is_read(tmp_path: Path) -> None:
    # GIVEN
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD={CANARY}\nROWFERRY_GROUP=mine\n")
    (tmp_path / ".env").chmod(0o644)
    # WHEN
    ended = rowferry(tmp_path, "config", "--json", "--poll-seconds", "2")
    # THEN
    shown = json.loads(ended.stdout)
    assert shown["ROWFERRY_GROUP"] == {"value": "mine", "from": ".env"}
    assert shown["ROWFERRY_POLL_SECONDS"] == {"value": 2.0, "from": "flag"}
    assert shown["POSTGRES_PASSWORD"] == {"value": "(set)", "from": ".env"}
    assert ended.stderr == "warning: .env: others may read it; run: chmod 600 .env\n"
    assert CANARY not in ended.stdout


def test_what_is_passed_to_kafka_is_shown_without_its_secrets(tmp_path: Path) -> None:
    # GIVEN secrets as text and as a number
    begin = "sasl.oauthbearer.assertion.private.key"
    path = tmp_path / "rowferry.toml"
    path.write_text(
        f'[kafka]\n"{begin}.passphrase" = "{CANARY}"\n"{begin}.pem" = "{CANARY}"\n'
        f'"{begin}.file" = "/keys/a.pem"\n"ssl.key.password" = 918273645\n"linger.ms" = 5\n'
    )
    path.chmod(0o600)
    # WHEN
    ended = rowferry(tmp_path, "config", "--json")
    # THEN
    assert json.loads(ended.stdout)["[kafka]"]["value"] == {
        f"{begin}.passphrase": "(set)",
        f"{begin}.pem": "(set)",
        f"{begin}.file": "/keys/a.pem",
        "ssl.key.password": "(set)",
        "linger.ms": 5,
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sent"], "No such command"),
        (["send", "--no-such-flag"], "No such option"),
        (["send", "--postgres-password", "x"], "No such option"),
        (["verify", "--grace-seconds", "soon"], "Invalid value"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("E_CONFIG: ")
    assert says in told.err
    assert told.err.count("\n") == 1


def test_an_error_is_json_on_stdout_where_json_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PORT", "x")
    assert app.run(["config", "--json"]) == 2
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    assert (error["code"], error["exit_code"]) == ("E_CONFIG", 2)
    assert "POSTGRES_PORT" in error["what"]
    assert "POSTGRES_PORT" in told.err


def test_an_error_shows_code_place_and_repair_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = DataAtRisk(Code.STAGE_CONFLICT, "a\x1b[31m name", where="t", advice="look")
    assert Ending(as_json=False, debug=False).failure(error) == 4
    assert capsys.readouterr().err == "E_STAGE_CONFLICT: a\\x1b[31m name [t] — look\n"


def test_a_bug_is_one_line_and_its_traceback_a_private_file_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a command that fails with a secret in its exception
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(redact, "_hidden", {CANARY})

    def fail(*_: object, **__: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(render, "table", fail)
    # WHEN
    code = app.run(["config"])
    # THEN
    told = capsys.readouterr()
    assert code == 1
    assert told.err.startswith("E_UNEXPECTED: KeyError at ")
    assert told.err.count("\n") == 1
    [path] = tmp_path.glob("rowferry-traceback-*.txt")
    assert str(path) in told.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in path.read_text()
    assert CANARY not in path.read_text() + told.err


def test_debug_prints_the_traceback_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PORT", "x")
    assert app.run(["--debug", "config"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_table_in_a_pipe_is_tab_separated_and_safe(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(["a", "b"], [["x\ty", "line\nbreak"], ["\x1b[2J", "ü"]])
    assert capsys.readouterr().out == "x\\ty\tline\\nbreak\n\\x1b[2J\tü\n"


@pytest.mark.parametrize("command", ["send", "receive", "run", "verify"])
def test_no_flag_takes_a_secret(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run([command, "--help"]) == 0
    assert "passw" not in capsys.readouterr().out.lower().replace("kafka_password", "")
