"""Reach the database, see which server it is and that it will do, and read its tables."""

from rowferry.config import Mode, Settings
from rowferry.errors import Code, ConfigError
from rowferry.flow.capture.catalog import read_table, split_name
from rowferry.flow.capture.filter import checked_filter
from rowferry.flow.capture.poll import PostgresSource
from rowferry.flow.capture.postgres import Session, connected
from rowferry.flow.capture.source import Connected
from rowferry.flow.capture.state import Server
from rowferry.flow.capture.treatments import treated
from rowferry.model import Table

LEAST_VERSION = 130_000

_SERVER = """
SELECT pg_is_in_recovery(),
  (SELECT system_identifier::text FROM pg_control_system()),
  (SELECT coalesce(stats_reset::text, '') FROM pg_stat_archiver),
  current_setting('max_prepared_transactions')::int > 0
"""
_ESTIMATE = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0) FROM pg_class
 WHERE oid = %s AND relkind = 'r' OR oid IN (SELECT relid FROM pg_partition_tree(%s) WHERE isleaf)
"""
_TIMELINE = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"


def connect(settings: Settings) -> Connected:
    """Connect, see which server it is, and read the tables from its catalog."""
    session = connected(settings)
    try:
        server, prepares = _server(session)
        tables = [_table(session, settings, name) for name in settings.tables]
        source = PostgresSource(session, settings, tables, prepares=prepares)
    except BaseException:
        session.close()
        raise
    named = {table.qualified: table for table in tables}
    return Connected(source, server, named, {t.qualified: _estimate(session, t) for t in tables})


def _estimate(session: Session, table: Table) -> int:
    """About how many rows the table has, by its statistics."""
    (count,) = session.row(_ESTIMATE, (table.oid, table.oid))
    return int(count)


def _server(session: Session) -> tuple[Server, bool]:
    if session.version < LEAST_VERSION:
        major = session.version // 10_000
        raise ConfigError(
            Code.CONFIG,
            f"PostgreSQL {major} has no 64-bit snapshots; 13 or newer is needed",
            where=session.where,
            advice="upgrade the server",
        )
    is_standby, system, epoch, prepares = session.row(_SERVER)
    if is_standby:
        raise ConfigError(
            Code.PG_STANDBY,
            "this is a standby: it does not show the primary's open transactions, so rows that"
            " commit late would be missed",
            where=session.where,
            advice="point POSTGRES_HOST to the primary",
        )
    return Server(system, session.row(_TIMELINE)[0], epoch), prepares


def _table(session: Session, settings: Settings, text: str) -> Table:
    schema, name = split_name(text)
    own = settings.of(text)
    mode = own.mode or settings.mode
    if mode is Mode.LOG:
        raise ConfigError(
            Code.CONFIG,
            "mode log is read from a replication slot, not by polling",
            where=text,
            advice="set ROWFERRY_MODE to incremental or full",
        )
    timestamp = own.timestamp_column or settings.timestamp_column
    table = read_table(session, schema, name, None if mode is Mode.FULL else timestamp)
    table = treated(table, settings)
    condition = own.filter or settings.filter
    if condition:
        checked_filter(session, table, condition, mode)
    return table
