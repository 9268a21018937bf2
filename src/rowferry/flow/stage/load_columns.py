"""Avro schemas → the target's columns, and the SQL that takes each from a line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rowferry.errors import Code, ConfigError
from rowferry.flow.stage.load_names import folded, literal, quoted
from rowferry.types import KEY_PROPERTY, original_name
from rowferry.types.snowflake import (
    MOMENT,
    TEXT,
    VARIANT,
    WHOLE,
    SnowflakeType,
    snowflake_type,
)

ROW = "_ROW"  # of a target with the row as one VARIANT
_PLAIN_PATH = re.compile(r"""[^"'\\\x00-\x1f\x7f]+""")
_METADATA = {
    "_op": TEXT,
    "_partition": WHOLE,
    "_offset": WHOLE,
    "_timestamp": MOMENT,
    "_schema_id": WHOLE,
    "_key": TEXT,
    "_topic": TEXT,
}


@dataclass(frozen=True, slots=True)
class LoadedColumn:
    """A column of the target.

    source: its name in a line, None for the whole row. kind: what holds all its values; target:
    what the table has. metadata: the field of the line's metadata that it is, "" for a row's.
    """

    name: str
    source: str | None
    kind: SnowflakeType
    target: SnowflakeType
    is_key: bool = False
    nullable: bool = True
    metadata: str = ""

    def value(self, row: str) -> str:
        """The SQL that takes its value from a row, in the type that the target has."""
        if self.source is None:
            return row
        return _cast(path(row, self.source), self.kind, self.target)


def path(row: str, name: str) -> str:
    """An element of a VARIANT by its name, whatever is in it."""
    if _PLAIN_PATH.fullmatch(name):
        return f"{row}:{quoted(name)}"
    return f"{row}[{literal(name)}]"


def row_columns(
    schemas: Sequence[Mapping[str, Any]], key: Sequence[str], *, nests_json: bool = False
) -> list[LoadedColumn]:
    """The row's columns by all versions of its schema, the newest first; each wide enough."""
    found: dict[str, LoadedColumn] = {}
    for schema in schemas:
        for field in schema["fields"]:
            name = original_name(field)
            kind = snowflake_type(field["type"], nests_json=nests_json)
            nullable = isinstance(field["type"], list) and "null" in field["type"]
            if name in found:
                kind = found[name].kind.wider(kind)
                nullable = nullable or found[name].nullable
            found[name] = LoadedColumn(folded(name), name, kind, kind, name in key, nullable)
    return list(found.values())


def metadata_columns(metadata: Iterable[str]) -> list[LoadedColumn]:
    """The columns of what the METADATA setting puts behind a row: `field` or `field=name`."""
    pairs = (item.partition("=") for item in metadata)
    return [
        LoadedColumn(folded(name or field), name or field, kind, kind, metadata=field)
        for field, _, name in pairs
        for kind in (_METADATA[field],)
    ]


def row_column() -> LoadedColumn:
    """The whole row."""
    return LoadedColumn(ROW, None, VARIANT, VARIANT)


def key_of(schemas: Sequence[Mapping[str, Any]], wanted: Sequence[str], topic: str) -> list[str]:
    """The key's columns: those of the setting, else of the newest schema.

    Raises ConfigError where there are none, or they are not columns.
    """
    key = list(wanted) or next((list(s[KEY_PROPERTY]) for s in schemas if KEY_PROPERTY in s), [])
    names = {original_name(field) for schema in schemas for field in schema["fields"]}
    if not key or not set(key) <= names:
        raise ConfigError(
            Code.CONFIG,
            "the schema does not say which columns identify a row"
            if not key
            else f"ROWFERRY_LOAD_KEY: not a column: {', '.join(sorted(set(key) - names))}",
            where=topic,
            advice="name them in ROWFERRY_LOAD_KEY, or set ROWFERRY_LOAD=append",
        )
    return key


def refuse_equal_names(columns: Sequence[LoadedColumn], where: str) -> None:
    """Raises ConfigError for two columns that would be one in the target."""
    seen: dict[str, LoadedColumn] = {}
    for column in columns:
        if column.name in seen:
            raise ConfigError(
                Code.CONFIG,
                f"{seen[column.name].source!r} and {column.source!r} would both be the column "
                f"{column.name} of the target",
                where=where,
                advice="rename a metadata field in ROWFERRY_METADATA, or set "
                "ROWFERRY_LOAD_COLUMNS=variant",
            )
        seen[column.name] = column


def as_described(
    columns: Sequence[LoadedColumn], described: Mapping[str, SnowflakeType], table: str
) -> tuple[LoadedColumn, ...]:
    """The columns with the types that the table has. Raises ConfigError where one is too small."""
    for column in columns:
        has = described[column.name]
        if not has.holds(column.kind):
            raise ConfigError(
                Code.TARGET_UNFIT,
                f"the column {column.name} is {has.sql}, and its values need {column.kind.sql}",
                where=table,
                advice="change the column, add the data to another target (ROWFERRY_LOAD_TABLE), "
                "or make the column VARCHAR or VARIANT",
            )
    return tuple(replace(column, target=described[column.name]) for column in columns)


def _cast(element: str, kind: SnowflakeType, target: SnowflakeType) -> str:
    if target == VARIANT:
        return element
    if target.base == "BINARY":
        return f"TO_BINARY({element}::VARCHAR, 'BASE64')"
    if target.base == "FLOAT" and kind.base == "FLOAT":  # Snowflake's word is 'inf'
        return (
            f"CASE {element}::VARCHAR WHEN 'Infinity' THEN 'inf'::FLOAT "
            f"WHEN '-Infinity' THEN '-inf'::FLOAT ELSE {element}::FLOAT END"
        )
    return f"{element}::{target.sql}"
