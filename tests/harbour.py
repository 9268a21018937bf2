"""A receiver in this process on the strict Snowflake fake; what it says is searched for secrets."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from fix_receive import Ferry, Staged, wait_until
from rowferry.config import Settings
from rowferry.errors import RowferryError
from rowferry.observe.log import configure
from rowferry.run.receiver import Received, run_receiver
from rowferry.stop import Stop
from strict_snowflake import StrictSnowflake

PREFIX = "ferry/"


class Harbour:
    """A topic, its group, a stage on the fake, and all that receivers here have said."""

    def __init__(
        self, ferry: Ferry, fake: StrictSnowflake, output: pytest.CaptureFixture[str]
    ) -> None:
        self.ferry, self.fake, self._output = ferry, fake, output
        self._said = ""

    def settings(self, **overrides: Any) -> Settings:
        place = {name.lower(): value for name, value in self.fake.settings.items()}
        own = {
            "stage": f"@product_ingestion_stage/{PREFIX.rstrip('/')}",
            "connect_seconds": 3,
            "put_seconds": 20,
            "session_seconds": 6,
            "log_level": "debug",
        }
        return self.ferry.settings(**{**place, **own, **overrides})

    def once(self, **overrides: Any) -> Received:
        """`rowferry receive --once`; the logging is the product's own, without masked values."""
        settings = self.settings(**overrides)
        configure(settings)
        return run_receiver(settings, Stop(), once=True)

    @property
    def said(self) -> str:
        """All of stdout and stderr so far."""
        captured = self._output.readouterr()
        self._said += captured.out + captured.err
        return self._said

    def wait_for(self, event: str, seconds: float = 20) -> None:
        wait_until(lambda: event in self.said, seconds, event)

    def check(self, *, complete: bool = True) -> list[Staged]:
        """Each record in one file, once; nothing that was said has a secret or a cell."""
        self.refuse_secrets()
        for name, file in self.fake.files().items():
            path = self.ferry.stage / name.removeprefix(PREFIX)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.contents)
        return self.ferry.check(complete=complete)

    def refuse_secrets(self, *more: str) -> None:
        said = self.said + "".join(more)
        found = [secret for secret in self.fake.lent_secrets if secret in said]
        assert not found, "a secret was shown"
        assert not [word for word in ("X-Goog-Signature", "sig=", "TEACUP", "Näme") if word in said]

    def was_left(self) -> bool:
        """Whether the membership of the group has ended in between."""
        return "membership.over" in self.said


class Receiving:
    """A receiver in a thread, until the block ends; error: what ended it before."""

    def __init__(self, harbour: Harbour, **overrides: Any) -> None:
        self._settings = harbour.settings(**overrides)
        self.stop, self.error = Stop(), None
        self.thread = threading.Thread(target=self._run)

    error: RowferryError | None

    def _run(self) -> None:
        try:
            run_receiver(self._settings, self.stop)
        except RowferryError as error:
            self.error = error

    def wait(self, seconds: float = 20) -> RowferryError:
        """The error that ends it."""
        self.thread.join(seconds)
        assert self.error is not None, "the receiver goes on, or ended well"
        return self.error

    def __enter__(self) -> Self:
        configure(self._settings)
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop.request()
        self.thread.join(40)
        assert not self.thread.is_alive(), "the receiver does not stop"


class Watched:
    """Takes samples until the block ends."""

    def __init__(self, sample: Callable[[], int]) -> None:
        self._sample, self._over = sample, threading.Event()
        self.most = 0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, self._sample())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def links_in(folder: Path) -> Iterator[os.stat_result]:
    """Of all files in a folder, also of one that they go away from meanwhile."""
    for above, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                yield (Path(above) / name).stat()


def bytes_in(folder: Path) -> int:
    """The size of all files in a folder; PUT takes a link to a file, which counts once."""
    return sum(found.st_size // found.st_nlink for found in links_in(folder))


def end_of_background_threads() -> None:
    """Wait for sessions that are closed in the background."""
    deadline = time.monotonic() + 5
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith(("Thread-", "snowflake")):
            thread.join(max(0.0, deadline - time.monotonic()))


class ForeignLogging:
    """The standard library's logging, as it was before."""

    def __init__(self) -> None:
        self._before = [*logging.root.handlers], logging.root.level

    def restore(self) -> None:
        logging.root.handlers[:], level = self._before
        logging.root.setLevel(level)
