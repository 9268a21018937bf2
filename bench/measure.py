"""How a process is measured: by the operating system's account, between two moments of its work."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

LOOK_SECONDS = 0.02
FAST = 500_000  # rows a second
LEAST_LOOKS = 100  # of a long run: to look at thousands of files takes time, too
_TICK = os.sysconf("SC_CLK_TCK")
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Account:
    """CPU seconds of a process with its descendants so far, and its peak resident memory."""

    cpu_seconds: float
    rss_mb: float


def account(pid: int) -> Account:
    """Read the account of a process and its descendants; ended ones count as their parent's."""
    cpu, rss = 0.0, 0.0
    for one in _family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{one}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        cpu += sum(map(int, fields[11:15])) / _TICK
        peak = next((x for x in status.splitlines() if x.startswith("VmHWM")), "VmHWM: 0 kB")
        rss += int(peak.split()[1]) / 1024
    return Account(cpu, rss)


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return [pid]
    return [pid, *(x for child in children for x in _family(int(child)))]


def together(accounts: Iterable[Account]) -> Account:
    """What several processes used."""
    held = list(accounts)
    return Account(sum(one.cpu_seconds for one in held), sum(one.rss_mb for one in held))


def measure(
    process: subprocess.Popen[bytes],
    done: Callable[[], int],
    rows: int,
    *,
    seconds: float = 300,
    beside: Sequence[subprocess.Popen[bytes]] = (),
) -> Figures:
    """Watch a process from its first visible rows to the last of `rows`; these first do not count.

    done: how many rows are visible now; beside: processes whose work is counted, too. Raises
    RuntimeError when the process ends too early.
    """
    pids = [one.pid for one in (process, *beside)]
    deadline = time.monotonic() + seconds
    pause = max(LOOK_SECONDS, rows / FAST / LEAST_LOOKS)
    first: tuple[int, float, Account] | None = None
    peak = 0.0  # an ended process has none
    while True:
        count, now, used = done(), time.monotonic(), together(map(account, pids))
        peak = max(peak, used.rss_mb)
        first = first or ((count, now, used) if count else None)
        if first is not None and count >= rows:
            used = Account(used.cpu_seconds, peak)
            return _figures(now - first[1], count - first[0], first[2], used)
        if process.poll() not in (None, 0) or now > deadline:
            raise RuntimeError(f"{process.args!r}: {count} of {rows} rows, exit {process.poll()}")
        time.sleep(pause)


def _figures(seconds: float, rows: int, before: Account, after: Account) -> Figures:
    return {
        "rows_per_second": rows / max(seconds, 1e-9),
        "cpu_us_per_row": (after.cpu_seconds - before.cpu_seconds) / max(rows, 1) * 1e6,
        "rss_mb": after.rss_mb,
    }


def warmed(run: Callable[[int], Figures], warm_ups: int, runs: int) -> Figures:
    """The middle of runs, by their number; the first ones warm the broker up and do not count."""
    return middle([run(number) for number in range(warm_ups + runs)][warm_ups:])


def middle(runs: Sequence[Figures]) -> Figures:
    """The median of each figure, with its range as `<figure>_min` and `<figure>_max`."""
    found: Figures = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        found[name] = median(values)
        if len(values) > 1:
            found[f"{name}_min"], found[f"{name}_max"] = min(values), max(values)
    return found
