"""From the settings and a topic's schemas to its target, and the target's tables as they are."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rowferry.config import Settings, environment_name
from rowferry.errors import Code, ConfigError
from rowferry.flow.stage.load_columns import (
    as_described,
    key_of,
    metadata_columns,
    refuse_equal_names,
    row_column,
    row_columns,
)
from rowferry.flow.stage.load_ledger import Ledger
from rowferry.flow.stage.load_names import Place, parse_place
from rowferry.flow.stage.load_session import LoadSession, MissingPrivilege, MissingTable
from rowferry.flow.stage.load_statements import LoadTarget
from rowferry.flow.stage.snowflake_location import parse_location
from rowferry.types.connect import line_schema
from rowferry.types.snowflake import SnowflakeType, described_type

Schemas = Sequence[Mapping[str, Any]]


def subject_of(settings: Settings, topic: str) -> str:
    """The registry's subject of a topic's values."""
    own = [settings.of(t).subject for t in settings.tables if settings.topic_of(t) == topic]
    return ((own[0] if own else None) or settings.subject).format(topic=topic)


def place_of(settings: Settings, topic: str) -> Place:
    """The table that a topic is loaded into."""
    tables = {settings.topic_of(table): table for table in settings.tables}
    schema, _, table = tables.get(topic, f".{topic}").partition(".")
    name = environment_name("load_table")
    filled = parse_place(settings.load_table, name, schema=schema, table=table, topic=topic)
    return _whole(filled, settings)


def ledger_of(settings: Settings, place: Place) -> Ledger:
    """The ledger of a target."""
    own = parse_place(settings.load_ledger, environment_name("load_ledger"))
    return Ledger(_whole(own, settings), place)


def target_of(settings: Settings, topic: str, schemas: Schemas) -> LoadTarget:
    """The target as it should be. schemas: all versions of the topic's values, newest first.

    Raises ConfigError where the settings and the schemas do not make a table.
    """
    upserts = settings.load == "upsert"
    is_variant = settings.load_columns == "variant"
    if not schemas and (upserts or not is_variant):
        raise ConfigError(
            Code.CONFIG,
            "the registry has no schema for the topic's values",
            where=topic,
            advice="see ROWFERRY_SUBJECT, or set ROWFERRY_LOAD_COLUMNS=variant",
        )
    schemas = [line_schema(schema, settings.unwrap) for schema in schemas]
    key = key_of(schemas, settings.load_key, topic) if upserts else []
    columns = row_columns(schemas, key, nests_json=settings.json_values == "nested")
    added = metadata_columns(settings.metadata)
    names = {column.metadata: column.source or "" for column in added}
    if is_variant:
        columns = [*(column for column in columns if column.is_key), row_column()]
    if upserts:
        _require(names, topic)
        added = [column for column in added if column.metadata != "_op"]
    whole = columns if is_variant and not upserts else [*columns, *added]
    refuse_equal_names(whole, topic)
    return LoadTarget(
        place_of(settings, topic),
        tuple(whole),
        upserts,
        parse_location(settings.stage or ""),
        names.get("_op", ""),
        names.get("_partition", ""),
    )


def prepare(session: LoadSession, target: LoadTarget, ledger: Ledger) -> LoadTarget:
    """Make what is missing, and give the target with the types that its columns have.

    Definitions commit, so all of them come before any transaction. Raises ConfigError where a
    column cannot hold its values, MissingPrivilege where something is missing and may not be made.
    """
    with suppress(MissingPrivilege):  # its owner has made it, or COPY will say that it is missing
        session.run(target.create_format())
    for place, definition in (
        (ledger.place, ledger.create()),
        (target.place, target.create_table()),
        *([(target.place.staging, target.create_staging())] if target.upserts else []),
    ):
        if described(session, place) is None:
            session.run(definition)
    columns = described(session, target.place) or {}
    missing = [column for column in target.columns if column.name not in columns]
    for column in missing:
        session.run(target.add_column(column))
    if missing:
        columns = described(session, target.place) or {}
    return replace(target, columns=as_described(target.columns, columns, target.place.sql))


def described(session: LoadSession, place: Place) -> dict[str, SnowflakeType] | None:
    """A table's columns; None where there is no such table."""
    try:
        rows = session.run(f"DESCRIBE TABLE {place.sql}").rows
    except MissingTable:
        return None
    return {str(name): described_type(str(kind)) for name, kind, *_ in rows}


def _require(names: Mapping[str, str], topic: str) -> None:
    missing = [field for field in ("_op", "_partition") if field not in names]
    if missing:
        raise ConfigError(
            Code.CONFIG,
            f"{environment_name('metadata')}: upsert needs {' and '.join(missing)} in the lines",
            where=topic,
        )


def _whole(place: Place, settings: Settings) -> Place:
    """With the session's schema and database in front, so that one table has one name."""
    around = [settings.snowflake_database, settings.snowflake_schema]
    if None in around:
        return place
    names = ("snowflake_database", "snowflake_schema")
    session = [
        parse_place(text or "", environment_name(name)).parts[0]
        for text, name in zip(around, names, strict=True)
    ]
    return Place((*session[: 3 - len(place.parts)], *place.parts))
