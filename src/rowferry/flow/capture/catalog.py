"""A table as pg_catalog has it: columns with their types resolved, key, fitness to be captured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rowferry.errors import AccessDenied, Code, ConfigError
from rowferry.flow.capture.postgres import Session
from rowferry.flow.capture.statements import TIMES
from rowferry.model import Column, Table

_RELATION = """
SELECT c.oid::bigint, c.relkind, c.relpersistence, coalesce(a.amname, ''),
       has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid),
       (SELECT array_agg(k.attname ORDER BY i.at)
          FROM pg_index x, unnest(x.indkey::int2[]) WITH ORDINALITY i(num, at)
          JOIN pg_attribute k ON k.attnum = i.num
         WHERE x.indrelid = c.oid AND x.indisprimary AND k.attrelid = c.oid)::text[]
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam
 WHERE n.nspname = %s AND c.relname = %s
"""
# Whether a column of pg_attribute may hold NULL. From PostgreSQL 18 on NOT NULL may be NOT VALID:
# then attnotnull holds for what is written, and rows from before may have NULL all the same.
NULLABLE = """(NOT attnotnull OR EXISTS (
  SELECT FROM pg_constraint WHERE conrelid = attrelid AND contype = 'n' AND NOT convalidated
     AND attnum = ANY(conkey)))"""
_COLUMNS = f"""
SELECT attrelid::bigint, attname::text, format_type(atttypid, atttypmod), atttypid::bigint,
       atttypmod, {NULLABLE}, attndims::int, col_description(attrelid, attnum),
       CASE WHEN attgenerated = '' THEN pg_get_expr(adbin, adrelid) END
  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped
 ORDER BY attrelid, attnum
"""  # noqa: S608 - a constant
_TYPES = """
WITH RECURSIVE t(oid) AS (
  SELECT atttypid FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
  UNION
  SELECT n.oid FROM t JOIN pg_type y ON y.oid = t.oid CROSS JOIN LATERAL (
    SELECT y.typbasetype WHERE y.typtype = 'd'
    UNION ALL SELECT y.typelem WHERE y.typcategory = 'A' AND y.typelem <> 0
    UNION ALL SELECT a.atttypid FROM pg_attribute a
     WHERE y.typtype = 'c' AND a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) n(oid)
)
SELECT y.oid::bigint, CASE WHEN typtype = 'd' THEN typbasetype::bigint ELSE 0 END, typtypmod,
       CASE WHEN typcategory = 'A' THEN typelem::bigint ELSE 0 END, typndims::int,
       CASE WHEN typtype = 'c' THEN typrelid::bigint ELSE 0 END,
       (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = y.oid
       )::text[]
  FROM pg_type y JOIN t ON t.oid = y.oid
"""
_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "c": "a composite type",
}


@dataclass(frozen=True, slots=True)
class _Type:
    base: int  # of a domain, else 0
    base_mod: int
    element: int  # of an array, else 0
    dimensions: int  # of a domain over an array
    relation: int  # of a composite, else 0
    labels: list[str] | None  # of an enum


def split_name(text: str) -> tuple[str, str]:
    """`schema.table`, as the catalog has them, cut at the first dot."""
    schema, _, name = text.partition(".")
    if not schema or not name:
        raise ConfigError(
            Code.CONFIG,
            f"ROWFERRY_TABLES: {text!r} is not schema.table",
            advice=f"write public.{text.strip('.')} if it is in the schema public",
        )
    return schema, name


def read_table(session: Session, schema: str, name: str, timestamp: str | None) -> Table:
    """The table; timestamp: the column that incremental mode needs, None in other modes.

    Raises ConfigError where it is missing or cannot be captured, AccessDenied.
    """
    where = f"{schema}.{name}"
    found = session.rows(_RELATION, (schema, name))
    if not found:
        raise ConfigError(
            Code.TABLE_GONE,
            "there is no such table in the database",
            where=where,
            advice="check ROWFERRY_TABLES (schema.table, case as in the catalog) and POSTGRES_DB",
        )
    oid, kind, persistence, method, may_use, may_select, is_secured, key = found[0]
    if kind not in ("r", "p"):
        raise _unfit(where, f"it is {_KINDS.get(kind, 'no table')}", "capture the tables below it")
    if persistence == "t" or method not in ("heap", ""):
        raise _unfit(where, "only heap tables can be captured", "copy it into a plain table")
    if not may_use or not may_select:
        user = session.row("SELECT quote_ident(current_user)")[0]
        raise AccessDenied(
            Code.PG_AUTH,
            f"the role {user} may not read the table",
            where=where,
            advice=f"GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {where} TO {user}",
        )
    if is_secured:
        raise _unfit(where, "row-level security hides rows", "use a role with BYPASSRLS")
    if not key:
        raise _unfit(where, "it has no primary key", f"ALTER TABLE {where} ADD PRIMARY KEY (…)")
    columns = _columns(session, oid)
    _check_timestamp(where, columns, timestamp)
    return Table(oid, schema, name, columns, tuple(key), timestamp)


def _check_timestamp(where: str, columns: tuple[Column, ...], timestamp: str | None) -> None:
    if timestamp is None:
        return
    column = next((c for c in columns if c.name == timestamp), None)
    if column is None:
        raise _unfit(
            where,
            f"it has no column {timestamp!r}",
            "set ROWFERRY_TIMESTAMP_COLUMN to the column that each write sets, or mode full",
        )
    if column.base_oid not in TIMES:
        raise _unfit(
            where,
            f"column {timestamp!r} is {column.pg_type}, not a timestamp",
            "set ROWFERRY_TIMESTAMP_COLUMN to one of type timestamptz, timestamp or date",
        )


def _columns(session: Session, oid: int) -> tuple[Column, ...]:
    types = {row[0]: _Type(*row[1:]) for row in session.rows(_TYPES, (oid,))}
    relations = [oid, *(t.relation for t in types.values() if t.relation)]
    rows: dict[int, list[Any]] = {relation: [] for relation in relations}
    for row in session.rows(_COLUMNS, (relations,)):
        rows[row[0]].append(row[1:])
    return tuple(_column(row, types, rows) for row in rows[oid])


def _column(row: Any, types: Mapping[int, _Type], rows: Mapping[int, list[Any]]) -> Column:
    name, pg_type, base, base_mod, nullable, dimensions, comment, default = row
    while types[base].base:
        domain = types[base]
        base, base_mod = domain.base, domain.base_mod
        dimensions = dimensions or domain.dimensions
    element = types[base].element
    while element and types[element].base:
        element = types[element].base
    composite = types[element or base].relation
    fields = tuple(_column(field, types, rows) for field in rows.get(composite, ()))
    return Column(
        name,
        pg_type,
        nullable,
        base,
        base_mod,
        element,
        dimensions if element else 0,
        fields,
        comment,
        default,
        tuple(types[base].labels or ()),
    )


def _unfit(where: str, what: str, advice: str) -> ConfigError:
    return ConfigError(
        Code.TABLE_UNFIT, f"the table cannot be captured: {what}", where=where, advice=advice
    )
