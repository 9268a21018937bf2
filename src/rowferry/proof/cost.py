"""What freshness costs: files, requests and credits a day, by what the tables did. Pure; about."""

from collections.abc import Iterable
from dataclasses import dataclass

FRESHNESS_SECONDS = (1.0, 60.0, 600.0)
DAY_SECONDS = 86_400
_GIGABYTE = 1 << 30

# Snowflake's price list: a warehouse of size X-Small, and Snowpipe by uncompressed size of text
CREDITS_AN_HOUR = 1.0
CREDITS_A_GIGABYTE = 0.0037
LEAST_SECONDS = 60  # that each resume is billed for; AUTO_SUSPEND = 60 is taken for granted


@dataclass(frozen=True, slots=True)
class Flow:
    """A topic's rows a day, over its partitions; a line's bytes, as they are and compressed."""

    rows_a_day: float
    partitions: int
    line_bytes: int
    compressed_bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """A day, where a row is on the stage after `fresh_seconds`.

    requests: PUT and LIST, which need no warehouse. load_credits: of a loader that looks as often.
    snowpipe_credits: of Snowpipe in its place, which does not depend on the number of files.
    """

    fresh_seconds: float
    files: int
    file_bytes: int
    requests: int
    load_credits: float
    snowpipe_credits: float


def costs_of(flows: Iterable[Flow], max_bytes: int, load_seconds: float) -> list[Cost]:
    """The cost of each freshness, for all topics together."""
    known = [flow for flow in flows if flow.rows_a_day > 0]
    return [_cost(known, fresh, max_bytes, load_seconds) for fresh in FRESHNESS_SECONDS]


def _cost(flows: list[Flow], fresh: float, max_bytes: int, load_seconds: float) -> Cost:
    files = sum(_files(flow, fresh, max_bytes) for flow in flows)
    compressed = sum(flow.rows_a_day * flow.compressed_bytes for flow in flows)
    whole = sum(flow.rows_a_day * flow.line_bytes for flow in flows)
    loads = _occasions(sum(flow.rows_a_day for flow in flows), max(fresh, load_seconds))
    running = min(float(DAY_SECONDS), loads * LEAST_SECONDS)
    return Cost(
        fresh_seconds=fresh,
        files=round(files),
        file_bytes=round(compressed / files) if files else 0,
        requests=round(2 * files),
        load_credits=round(running / 3600 * CREDITS_AN_HOUR, 2),
        snowpipe_credits=round(whole / _GIGABYTE * CREDITS_A_GIGABYTE, 4),
    )


def _files(flow: Flow, fresh: float, max_bytes: int) -> float:
    """By age, each file waits for its first row; by size, if that comes first."""
    by_age = flow.partitions * _occasions(flow.rows_a_day / flow.partitions, fresh)
    return max(by_age, flow.rows_a_day * flow.compressed_bytes / max_bytes)


def _occasions(rows_a_day: float, seconds: float) -> float:
    """How often a day something ends that lasts so long and begins with a row, rows by chance."""
    return DAY_SECONDS / (seconds + DAY_SECONDS / rows_a_day) if rows_a_day else 0.0
