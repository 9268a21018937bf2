"""docs/metrics.md, from the declarations of the metrics."""

from collections.abc import Iterator

from rowferry.observe.metrics import (
    COUNTED,
    GROUP_LAG,
    GROUP_LAG_LABELS,
    PORTS,
    RECEIVE_LAG,
    RECEIVE_LAG_LABELS,
    SEND_LAG,
    TIMED,
)

_ABOUT = """\
With `ROWFERRY_METRICS_PORT` set, each process that runs long serves its metrics in Prometheus'
text format at `/metrics`, on a port of its own:

{ports}

Of several `ROWFERRY_WORKERS` the first has that port, the second the next, and so on.
`ROWFERRY_METRICS_HOST` is loopback unless it is set; no row, setting or secret is on the page.
Without a port nothing is counted. A port that is taken is told in the log, and keeps nothing from
being carried.

Counters count the events that the log tells, also those below `ROWFERRY_LOG_LEVEL`. They start at
0 with each process.
"""
_PROCESS = """\
`process_*` are the process's own CPU seconds, memory and open files (on Linux).

The sender's lag is that of its slowest table: where one was stopped it grows, however well the
others are sent, until the sender is started again.

The group's lag is asked of Kafka when the page is read, at most every 5 seconds, by each receiver
for all partitions: take the `max` over receivers. Without an answer there are no samples.
"""


def page(generated: str) -> str:
    """Give docs/metrics.md."""
    ports = "\n".join(f"- `{name}`: that port + {port}" for name, port in PORTS.items())
    lines = ["# Metrics\n", generated, _ABOUT.format(ports=ports), ""]
    lines += ["| name | labels | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {labels} | {meaning} |" for name, labels, meaning in _rows()]
    return "\n".join([*lines, "", _PROCESS])


def _rows() -> Iterator[tuple[str, str, str]]:
    for counted in COUNTED:
        yield f"{counted.name}_total", _named(counted.labels), counted.meaning
    for timed in TIMED:
        yield timed.name, "", f"{timed.meaning} (histogram)"
    yield SEND_LAG[0], "", SEND_LAG[1]
    yield GROUP_LAG[0], _named(GROUP_LAG_LABELS), GROUP_LAG[1]
    yield RECEIVE_LAG[0], _named(RECEIVE_LAG_LABELS), RECEIVE_LAG[1]


def _named(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)
