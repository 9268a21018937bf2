"""What send and receive would do, without doing any of it: queries, schemas, topics, files."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from rowferry.config import Mode, Settings
from rowferry.flow.capture.catalog import read_table, split_name
from rowferry.flow.capture.postgres import Session, connected
from rowferry.flow.capture.source import Query, Which
from rowferry.flow.capture.state import Identity
from rowferry.flow.capture.statements import Statements
from rowferry.flow.capture.treatments import treated
from rowferry.flow.encode.schema import key_schema, value_schema
from rowferry.flow.publish.topics import Topics
from rowferry.model import Table
from rowferry.proof.cost import DAY_SECONDS, Cost, Flow, costs_of
from rowferry.proof.traffic import Traffic, traffic_of
from rowferry.registry import Registry
from rowferry.types import wire_of

_SECOND = 1_000_000
_COPY, _TO = "COPY (", ") TO STDOUT (FORMAT binary)"


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What would happen to one table.

    rows: the server's estimate. query: the poll as it would run now. explained: its plan.
    schema: of the values. changes: what the registry would refuse, None where nothing. topic_now:
    partitions of the topic, None where it would be created. as_text: columns that travel as text.
    traffic: what the table did lately.
    """

    table: str
    mode: str
    rows: int
    query: str
    explained: list[str]
    topic: str
    topic_now: int | None
    schema: dict[str, Any]
    key: dict[str, Any] | str
    changes: list[str] | None
    as_text: list[str]
    traffic: Traffic


def plan_tables(settings: Settings) -> Iterator[TablePlan]:
    """Plan each table. Raises what the parts raise."""
    with ExitStack() as stack:
        session = stack.enter_context(closing(connected(settings)))
        registry = stack.enter_context(closing(Registry(settings)))
        topics = Topics(settings)
        for name in settings.tables:
            yield _plan(settings, name, session, registry, topics)


def _plan(
    settings: Settings, name: str, session: Session, registry: Registry, topics: Topics
) -> TablePlan:
    own, topic = settings.of(name), settings.topic_of(name)
    mode = own.mode or settings.mode
    column = own.timestamp_column or settings.timestamp_column
    timestamp = column if mode is Mode.INCREMENTAL else None
    table = treated(read_table(session, *split_name(name), timestamp), settings)
    query = _poll_query(session, table, settings, mode)
    schema = value_schema(table, settings)
    subject = (own.subject or settings.subject).format(topic=topic)
    facts = topics.describe([topic]).get(topic)
    return TablePlan(
        table=table.qualified,
        mode=mode.value,
        rows=_estimate(session, table),
        query=query,
        explained=[row[0] for row in session.rows(f"EXPLAIN {query}")],
        topic=topic,
        topic_now=facts.partitions if facts else None,
        schema=schema,
        key=key_schema(table, settings) or "text",
        changes=registry.differences(subject, schema),
        as_text=[c.name for c in table.carried if wire_of(c).as_text],
        traffic=traffic_of(session, table, settings),
    )


def _poll_query(session: Session, table: Table, settings: Settings, mode: Mode) -> str:
    """The SELECT of a poll, as it would run now and find the last seconds' rows."""
    own = settings.of(table.qualified)
    statements = Statements(table, own.filter or settings.filter, settings.timestamp_zone)
    identity = Identity(table.oid, {})
    xmax = int(session.row("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0])
    margin = settings.epsilon_seconds + settings.clock_skew_seconds + settings.poll_seconds
    query = Query(
        table,
        identity,
        Which.TIMED if mode is Mode.INCREMENTAL else Which.ALL,
        xmax,
        settings.slice_rows,
        least=max(1, xmax - 1) if mode is Mode.INCREMENTAL else 0,
        since=round((time.time() - margin) * _SECOND),
    )
    return statements.read(query, settings.slice_rows).removeprefix(_COPY).removesuffix(_TO)


def files_per_day(settings: Settings, partitions: int) -> int:
    """The most files that a day may bring, where records come all the time."""
    return round(partitions * DAY_SECONDS / settings.age_seconds)


def plan_costs(settings: Settings, plans: Iterable[TablePlan]) -> list[Cost]:
    """What freshness would cost, by what the tables did in the last day."""
    flows = (
        Flow(
            plan.traffic.rows_last_day or 0,
            plan.topic_now or settings.topic_partitions,
            plan.traffic.line_bytes,
            plan.traffic.compressed_bytes,
        )
        for plan in plans
    )
    return costs_of(flows, settings.max_bytes, settings.load_seconds)


def _estimate(session: Session, table: Table) -> int:
    rows = session.row("SELECT reltuples::bigint FROM pg_class WHERE oid = %s", (table.oid,))[0]
    return max(0, int(rows))
