"""The stack's folder keeps what a later start must know, and one process at a time has it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rowferry.errors import ConfigError
from rowferry.stack.folder import StackFolder
from rowferry.stack.ports import HOST, is_free
from rowferry.stack.processes import Identity, end, identify, is_alive


def test_ports_and_passwords_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = StackFolder(tmp_path / "stack")
    with first.held():
        known = (first.port("kafka"), first.password("kafka"), first.password("postgres"))
    second = StackFolder(tmp_path / "stack")
    with second.held():
        again = (second.port("kafka"), second.password("kafka"), second.password("postgres"))
    assert again == known
    assert known[1] != known[2]


def test_a_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    with folder.held(), socket.socket() as stranger:
        stranger.bind((HOST, folder.port("kafka")))
        stranger.listen()
        taken = stranger.getsockname()[1]
        assert folder.port("kafka") != taken
        assert is_free(folder.port("kafka"))


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (
        StackFolder(tmp_path).held(),
        pytest.raises(ConfigError, match="another rowferry process uses this folder"),
        StackFolder(tmp_path).held(),
    ):
        pass


def test_the_record_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "stack")
    with folder.held():
        folder.password("kafka")
    assert (tmp_path / "stack" / "stack.json").stat().st_mode & 0o777 == 0o600


def test_an_unreadable_record_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{half")
    with pytest.raises(ConfigError, match="unreadable"):
        StackFolder(tmp_path)


def test_a_process_of_the_same_number_is_never_taken_for_another(tmp_path: Path) -> None:
    # GIVEN a record whose number belongs to somebody else by now
    me = identify(os.getpid())
    assert me is not None
    stranger = Identity(me.pid, "another time")
    folder = StackFolder(tmp_path)
    with folder.held():
        folder.remember("kafka", stranger)
        # THEN it does not count as running, and ending it does nothing to us
        assert folder.processes() == {}
        end([stranger])
    assert is_alive(me)


def test_a_process_that_ignores_requests_is_ended_by_force() -> None:
    code = (
        "import signal, sys, time\n"
        "for n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        identity = identify(child.pid)
        assert identity is not None
        end([identity], seconds=0.1)
        assert child.wait(5) == -9
    assert not is_alive(identity)
