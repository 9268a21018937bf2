"""Table → Avro schemas of its values and keys; pure: the same catalog gives the same text."""

from typing import Any

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.flow.encode.defaults import constant_of
from rowferry.model import Column, Table
from rowferry.types import JSON, KEY_PROPERTY, Kind, avro_name, avro_of, named, wire_of

# Kinds whose text is exact, and no other value's: a compacted topic keeps one row of a key.
_TEXT_KEYS = frozenset(
    (Kind.TEXT, Kind.UUID, Kind.INT16, Kind.INT32, Kind.INT64, Kind.OID, Kind.BOOL)
)


def value_schema(table: Table, settings: Settings) -> dict[str, Any]:
    """The record of the table's rows: a field a column, nullable ones a union with null first.

    Raises ConfigError where a column has the name of a line's metadata field.
    """
    _refuse_metadata_names(table, settings)
    record, namespace = record_name_of(table, settings)
    inside = f"{namespace}.{avro_name(record)}"
    is_bare = not settings.of(table.qualified).properties
    fields = [_field(column, inside, is_bare=is_bare) for column in table.carried]
    schema = named(record, type="record", namespace=namespace, fields=fields)
    if not is_bare:
        schema[KEY_PROPERTY] = [column.carried_name for column in _key(table)]
    return schema


def key_schema(table: Table, settings: Settings) -> dict[str, Any] | None:
    """The record of the table's keys; None where a key is the plain UTF-8 text of its column.

    Raises ConfigError where the settings want text and the key has none that is exact.
    """
    key = _key(table)
    if settings.key_format == "text":
        _refuse_inexact_text(table, key)
        return None
    is_text = len(key) == 1 and wire_of(key[0]).kind is Kind.TEXT
    if settings.key_format == "auto" and is_text:
        return None
    record, namespace = record_name_of(table, settings)
    inside = f"{namespace}.{avro_name(record)}Key"
    fields = [named(column.carried_name, type=avro_of(column, inside)) for column in key]
    return named(f"{record}Key", type="record", namespace=namespace, fields=fields)


def record_name_of(table: Table, settings: Settings) -> tuple[str, str]:
    """The record's name, as PostgreSQL or the settings have it, and its Avro namespace."""
    own = settings.of(table.qualified)
    record = own.record_name or settings.record_name or table.name
    template = own.namespace or settings.namespace
    namespace = template.format(schema=avro_name(table.schema), table=avro_name(table.name))
    return record, namespace


def _refuse_inexact_text(table: Table, key: list[Column]) -> None:
    if len(key) == 1 and wire_of(key[0]).kind in _TEXT_KEYS:
        return
    what = f"{len(key)} columns" if len(key) > 1 else f"type {key[0].pg_type}"
    raise ConfigError(
        Code.TABLE_UNFIT,
        f"a key of {what} has no text that is exact and no other key's",
        where=table.qualified,
        advice="leave ROWFERRY_KEY_FORMAT at auto, or set it to avro",
    )


def _key(table: Table) -> list[Column]:
    columns = {column.name: column for column in table.columns}
    return [columns[name] for name in table.key]


def _field(column: Column, namespace: str, *, is_bare: bool) -> dict[str, Any]:
    name, wire = column.carried_name, wire_of(column)
    avro = avro_of(column, namespace)
    if is_bare and avro == JSON:
        avro = "string"
    doc = {"doc": column.comment} if column.comment and not is_bare else {}
    if (column.nullable or wire.special_is_null) and not column.treatment.required:
        return named(name, type=["null", avro], default=None, **doc)
    # a default is a value as PostgreSQL has it: of what is masked, nobody is to read it
    is_other = is_bare or wire.as_text or column.treatment.mask is not None
    constant = None if is_other else constant_of(column.default, avro)
    return named(name, type=avro, **({} if constant is None else {"default": constant}), **doc)


def _refuse_metadata_names(table: Table, settings: Settings) -> None:
    metadata = {item.rpartition("=")[2].strip() for item in settings.metadata}
    taken = [c.carried_name for c in table.carried if c.carried_name in metadata]
    if taken:
        raise ConfigError(
            Code.TABLE_UNFIT,
            f"columns named like metadata fields of a line: {', '.join(taken)}",
            where=table.qualified,
            advice=f"rename the field in ROWFERRY_METADATA, as {taken[0]}=rowferry{taken[0]}",
        )
