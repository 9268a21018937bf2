"""The demo: a live shop on a stack of its own, carried by real `send` and `receive` processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rowferry.config import Settings
from rowferry.errors import Code, RowferryError
from rowferry.run.children import end_children
from rowferry.sources import FAMILIES, load_settings
from rowferry.stack import ledger
from rowferry.stack.demo_folder import STACK
from rowferry.stack.local import PARTS, LocalStack
from rowferry.stack.shop import Shop, Takings, Traffic
from rowferry.stop import Stop

TOPIC = "product_updates"
CHANGES_A_SECOND = 200.0
SETTLE_SECONDS = 60.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What to show: `rows` more than the first thirty, `seconds` of trading."""

    rows: int
    seconds: float
    stage: str


@dataclass(frozen=True, slots=True)
class Staged:
    """One file as the receiver's log tells it: [first, end) of a partition, opened and durable."""

    partition: int
    first: int
    end: int
    opened: float
    at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo found, for the summary and for `--json`."""

    found: ledger.Found
    takings: Takings
    files: int
    latency_seconds: Mapping[str, float | None]
    rows_per_second: Mapping[str, float | None]

    @property
    def is_exact(self) -> bool:
        """Whether nothing is missing, repeated or changed."""
        return not (self.found.missing or self.found.duplicated or self.found.changed)


class Demo:
    """One run in a folder; `say` is told each step, `show` the progress of the trading."""

    def __init__(
        self, plan: Plan, folder: Path, say: Callable[[str], None], show: Callable[[float], None]
    ) -> None:
        self._plan, self._folder = plan, folder
        self._say, self._show = say, show
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._environ: dict[str, str] = {}
        self._group: int | None = None

    def run(self) -> Outcome:
        """Start everything, trade, settle, and compare the three places.

        KeyboardInterrupt ends it at any point, and what it started with it.
        """
        parts = [p for p in PARTS if p != "snowflake" or self._plan.stage == "snowflake"]
        # 1. A stack of its own.
        self._say(f"1/5  Starting {', '.join(parts)} …")
        with LocalStack(self._folder / STACK, parts, say=self._say) as stack:
            self._group = stack.group
            self._environ = {**stack.settings(), **self._own_settings()}
            settings = load_settings(environ=self._environ, folder=self._folder).settings
            dsn = _dsn(settings)
            try:
                # 2. A table with rows in it.
                shop = Shop(dsn, Traffic(changes_per_second=CHANGES_A_SECOND, prepared=True))
                rows = shop.open(self._plan.rows)
                self._say(f"2/5  Created products with {rows:,} rows.")
                # 3. Both loops, and the shop.
                self._start("send")
                self._start("receive")
                takings = self._trade(shop)
                # 4. All that was committed, sent and staged.
                self._say("4/5  The shop is closed; sending and staging what is under way …")
                self._settle()
            finally:
                self._end()
            # 5. The proof, from the three places themselves.
            self._say("5/5  Comparing database, topic and stage, row by row …")
            return self._compare(settings, dsn, takings)

    def _own_settings(self) -> dict[str, str]:
        own = {
            "ROWFERRY_TABLES": "public.products",
            "ROWFERRY_TOPIC": TOPIC,
            "ROWFERRY_RECORD_NAME": "Product",
            "ROWFERRY_NAMESPACE": "com.buyonline.products",
            "ROWFERRY_LOG_FORMAT": "json",
        }
        if self._plan.stage == "directory":
            own["ROWFERRY_STAGE"] = f"file:{self._folder / 'stage'}"
        return own

    def _start(self, command: str, *flags: str) -> subprocess.Popen[bytes]:
        foreign = ("ROWFERRY_", *FAMILIES)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        with (self._folder / f"{command}.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "rowferry", command, *flags],
                cwd=self._folder,
                env={**inherited, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=self._group,  # Ctrl-C reaches us alone; the leash outlives a kill -9
            )
        self._children[command] = child
        return child

    def _trade(self, shop: Shop) -> Takings:
        self._say(
            f"3/5  Sending and receiving. The shop trades for {self._plan.seconds:g} s: inserts, "
            "updates, late commits, savepoints, rollbacks, two-phase commits …"
        )
        stop = Stop()
        with ThreadPoolExecutor(1, "shop") as pool:
            try:
                began = time.monotonic()
                trading = pool.submit(shop.trade, self._plan.seconds, stop)
                while not trading.done():
                    self._show(min(time.monotonic() - began, self._plan.seconds))
                    self._check_children()
                    wait([trading], LOOK_SECONDS)
                return trading.result()
            finally:  # after Ctrl-C, too: it ends its transactions
                stop.request()

    def _check_children(self) -> None:
        for command, child in self._children.items():
            if child.poll() is not None:
                raise self._failed(command, child.returncode)

    def _settle(self) -> None:
        """End each loop in order, then let it complete what is left: a restart is part of it."""
        for command in ("send", "receive"):
            [code] = end_children([self._children[command]], SETTLE_SECONDS)
            code = code or self._start(command, "--once").wait(SETTLE_SECONDS)
            if code != 0:
                raise self._failed(command, code)

    def _end(self) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)  # safe at any point
            child.wait()

    def _failed(self, command: str, code: int) -> RowferryError:
        log = self._folder / f"{command}.log"
        lines = log.read_text(errors="replace").splitlines() or ["it wrote no log"]
        what = f"`{command}` ended with exit code {code}: {lines[-1][:500]}"
        return RowferryError(
            Code.UNEXPECTED, what, where=str(log), advice="run with --keep to look"
        )

    def _compare(self, settings: Settings, dsn: str, takings: Takings) -> Outcome:
        committed = ledger.read_committed(dsn)
        topic, times = ledger.read_topic(settings, TOPIC)
        staged = _staged(self._folder / "receive.log")
        lines = ledger.read_lines(self._lines(settings))
        return Outcome(
            found=ledger.compare(committed, topic, lines),
            takings=takings,
            files=len(staged),
            latency_seconds=_latency(committed, topic, staged),
            rows_per_second=_rates(times, staged, self._plan.rows),
        )

    def _lines(self, settings: Settings) -> list[str]:
        if self._plan.stage == "directory":
            return list(ledger.lines_of_folder(self._folder / "stage"))
        import snowflake.connector

        from rowferry.flow.stage.snowflake_login import connection_parameters

        parameters = connection_parameters(settings)
        with closing(snowflake.connector.connect(**parameters)) as connection:
            return list(ledger.lines_of_snowflake(connection, str(settings.stage)))


def _dsn(settings: Settings) -> str:
    return (
        f"host={settings.postgres_host} port={settings.postgres_port} "
        f"user={settings.postgres_user} dbname={settings.postgres_db} "
        f"password={settings.postgres_password.get_secret_value()}"
    )


def _staged(log: Path) -> list[Staged]:
    """The files that the receiver staged, in the order of its log."""
    found: list[Staged] = []
    for text in log.read_text().splitlines():
        event: Any = json.loads(text) if text.startswith("{") else {}
        if event.get("event") == "batch.staged" and event["rows"]:
            at = datetime.fromisoformat(event["timestamp"]).timestamp()
            place = (event["partition"], event["first"], event["end"])
            found.append(Staged(*place, opened=at - event["seconds"], at=at))
    return found


def _latency(
    committed: ledger.Committed, topic: Mapping[ledger.Place, ledger.Version], staged: list[Staged]
) -> dict[str, float | None]:
    """From a version's commit to the moment its file was durable, of what the shop traded."""
    waits: list[float] = []
    began = min((file.at for file in staged), default=0.0)
    for file in staged:
        for offset in range(file.first, file.end):
            version = topic.get((file.partition, offset))
            at = committed.versions.get(version, 0.0) if version else 0.0
            if at > began:
                waits.append(file.at - at)
    waits.sort()
    quantiles = {"p50": 0.5, "p99": 0.99}
    return {
        k: round(waits[int(len(waits) * q)], 3) if waits else None for k, q in quantiles.items()
    }


def _rates(
    times: Mapping[ledger.Place, float], staged: list[Staged], rows: int
) -> dict[str, float | None]:
    """Rows a second of the initial load: the first `rows` records, the files that hold them."""
    load = sorted(times.values())[:rows]
    sent = _rate(len(load), load[0], load[-1]) if load else None
    counted, began = 0, min((file.opened for file in staged), default=0.0)
    for file in sorted(staged, key=lambda file: file.at):
        counted += file.end - file.first
        if counted >= rows:
            return {"send": sent, "receive": _rate(counted, began, file.at)}
    return {"send": sent, "receive": None}


def _rate(rows: int, began: float, ended: float) -> float | None:
    return round(rows / (ended - began)) if ended > began else None
