"""What a table did lately, by its timestamp column, and how large its rows are, by a sample."""
# ruff: noqa: S608 - each name and text in a statement goes through quoted() or literal()

import zlib
from dataclasses import dataclass

from rowferry.config import Settings
from rowferry.errors import Transient
from rowferry.flow.capture.postgres import Session
from rowferry.flow.capture.statements import TIMES, literal, quoted
from rowferry.model import Table

_LONGEST_COUNT = "15s"
_SAMPLE_ROWS = 500
_SAMPLE_TEXT = 4000  # of a row, for what gzip makes of it
_METADATA_BYTES = 22  # of a metadata field of a line, on average
_EASTMOST, _WESTMOST = "14 hours", "12 hours"  # local clocks before and behind UTC


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows by the time of their last change, so that one that changed twice counts once.

    None: there is no timestamp column, or counting took too long. line_bytes: of a row in a file;
    compressed_bytes: what gzip leaves of them; both 0 for an empty table.
    """

    rows_last_hour: int | None
    rows_last_day: int | None
    line_bytes: int
    compressed_bytes: int


def traffic_of(session: Session, table: Table, settings: Settings) -> Traffic:
    """Measure a table: an index range of a day, and a few rows."""
    hour, day = _recent(session, table, settings)
    line, compressed = _sizes(session, table, len(settings.metadata))
    return Traffic(hour, day, line, compressed)


def _recent(session: Session, table: Table, settings: Settings) -> tuple[int | None, int | None]:
    column = next((c for c in table.columns if c.name == table.timestamp_column), None)
    if column is None:
        return None, None
    ts, source = quoted(column.name), f"{quoted(table.schema)}.{quoted(table.name)}"
    is_zoned = TIMES.get(column.base_oid) == "timestamptz"
    now = "now()" if is_zoned else _local_now(ts, source, settings.timestamp_zone)
    condition = settings.of(table.qualified).filter or settings.filter
    try:
        session.run(f"SET statement_timeout = '{_LONGEST_COUNT}'")
        at = f"{literal(session.row(f'SELECT ({now})::text')[0])}::timestamp{'tz' * is_zoned}"
        hour, day = session.row(
            f"SELECT count(*) FILTER (WHERE {ts} > {at} - interval '1 hour'), count(*) "
            f"FROM {source} WHERE {ts} > {at} - interval '1 day' "
            f"AND {ts} <= {at} + interval '1 hour'{f' AND ({condition})' if condition else ''}"
        )
    except Transient:  # it took too long
        return None, None
    finally:
        session.run("SET statement_timeout = '0'")
    return int(hour), int(day)


def _local_now(ts: str, source: str, zone: str | None) -> str:
    """Now, as a column without time zone has it; where the zone is unknown, its newest time."""
    if zone is not None:
        return f"(now() AT TIME ZONE {literal(zone)})"
    utc = "(now() AT TIME ZONE 'UTC')"
    newest = f"(SELECT max({ts}) FROM {source} WHERE isfinite({ts}))"
    return (
        f"greatest(least({newest}, {utc} + interval '{_EASTMOST}'), {utc} - interval '{_WESTMOST}')"
    )


def _sizes(session: Session, table: Table, metadata: int) -> tuple[int, int]:
    names = ", ".join(quoted(column.name) for column in table.carried)
    source = f"{quoted(table.schema)}.{quoted(table.name)}"
    rows = session.rows(
        f"SELECT octet_length(s.line), left(s.line, {_SAMPLE_TEXT}) FROM (SELECT "
        f"row_to_json(r)::text AS line FROM (SELECT {names} FROM {source} "
        f"LIMIT {_SAMPLE_ROWS}) r) s"
    )
    if not rows:
        return 0, 0
    sample = "\n".join(text for _, text in rows).encode()
    share = len(zlib.compress(sample, 1)) / len(sample)
    line = sum(size for size, _ in rows) / len(rows) + metadata * _METADATA_BYTES
    return round(line), max(1, round(line * share))
