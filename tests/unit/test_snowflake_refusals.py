"""A refused login is not asked for again at once, by no process, and never tells its secret."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rowferry.config import Settings
from rowferry.errors import Code, LocalResource
from rowferry.flow.stage.snowflake_refusals import (
    LOCKING_PAUSE_SECONDS,
    PAUSE_SECONDS,
    WRONG_PASSWORD,
    Refusal,
    Refusals,
    refusals_of,
)

WRONG_KEY = 394304
PROOF = {"account": "acme", "user": "ferry", "password": "canary-password"}


@pytest.mark.parametrize(
    ("code", "count", "age", "left"),
    [
        (WRONG_KEY, 1, 0, PAUSE_SECONDS),
        (WRONG_KEY, 99, 59, 1),
        (WRONG_KEY, 1, 60, 0),
        (WRONG_KEY, 1, -1, 0),  # the clock was set back
        (WRONG_PASSWORD, 2, 60, 0),
        (WRONG_PASSWORD, 3, 60, LOCKING_PAUSE_SECONDS - 60),  # five of them lock the user
        (WRONG_PASSWORD, 3, 3600, 0),
    ],
)
def test_how_long_snowflake_is_not_asked(code: int, count: int, age: float, left: float) -> None:
    assert Refusal(1000.0, code, count).pause_left(1000.0 + age) == left


class Desk:
    """One machine's memory of refusals, at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(spool_dir=str(folder))
        self.folder = folder / f"rowferry-logins-{os.getuid()}"
        self.now = 1000.0

    def open(self, proof: Mapping[str, Any]) -> Any:
        return refusals_of(self.settings, proof, lambda: self.now)

    def note(self, proof: Mapping[str, Any], code: int = WRONG_KEY) -> None:
        with self.open(proof) as refusals:
            refusals.note(code)

    def pending(self, proof: Mapping[str, Any]) -> tuple[Refusal, float] | None:
        with self.open(proof) as refusals:
            assert isinstance(refusals, Refusals)
            return refusals.pending()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_refusal_is_remembered_for_a_minute_and_counted(desk: Desk) -> None:
    assert desk.pending(PROOF) is None
    desk.note(PROOF)
    desk.now += 20
    assert desk.pending(PROOF) == (Refusal(1000.0, WRONG_KEY, 1), 40.0)
    desk.now += 41
    assert desk.pending(PROOF) is None
    desk.note(PROOF)
    assert desk.pending(PROOF) == (Refusal(1061.0, WRONG_KEY, 2), 60.0)


@pytest.mark.parametrize(
    "changed", [{"password": "another"}, {"role": "OTHER"}, {"user": "other"}, {"port": 1}]
)
def test_whatever_is_changed_may_be_tried_at_once(desk: Desk, changed: dict[str, Any]) -> None:
    desk.note(PROOF)
    assert desk.pending({**PROOF, **changed}) is None
    assert desk.pending(PROOF) is not None


def test_an_accepted_login_forgets_everything_of_the_user(desk: Desk) -> None:
    desk.note(PROOF)
    with desk.open(PROOF) as refusals:
        refusals.forget()
    assert desk.pending(PROOF) is None
    assert [path.read_text() for path in desk.folder.iterdir()] == [""]


def test_nothing_that_is_kept_shows_a_secret_or_lets_others_in(desk: Desk) -> None:
    desk.note(PROOF)
    [path] = desk.folder.iterdir()
    assert desk.folder.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    assert "canary" not in path.name + path.read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"x": 1}', '{"x": {"at": 1}}', "\x00"])
def test_a_damaged_memory_is_none(desk: Desk, text: str) -> None:
    desk.note(PROOF)
    [path] = desk.folder.iterdir()
    path.write_text(text)
    assert desk.pending(PROOF) is None
    desk.note(PROOF)
    assert desk.pending(PROOF) is not None


def test_a_folder_that_others_may_enter_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.note(PROOF)
    desk.folder.chmod(0o755)
    with pytest.raises(LocalResource, match="of this user alone") as refused, desk.open(PROOF):
        pass
    assert refused.value.code is Code.LOCAL_RESOURCE
    desk.folder.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o700)
    desk.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalResource), desk.open(PROOF):
        pass


def test_logins_of_one_user_wait_for_each_other(desk: Desk) -> None:
    # GIVEN a login that is under way
    entered, seen = threading.Event(), []

    def ask() -> None:
        entered.set()
        seen.append(desk.pending(PROOF))

    with desk.open(PROOF) as refusals:
        other = threading.Thread(target=ask)
        other.start()
        assert entered.wait(5)
        # WHEN it is refused
        refusals.note(WRONG_KEY)
        assert seen == []
    other.join(5)
    # THEN the one that has waited knows
    assert seen == [(Refusal(1000.0, WRONG_KEY, 1), 60.0)]
