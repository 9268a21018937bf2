"""Whether the final version of each row of a table is the latest record of its key.

The table is read with a connection of its own, as text, and never by the product's capture.
Memory: two numbers a row.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, named like a module

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.flow.capture.catalog import split_name
from rowferry.flow.capture.postgres import translated
from rowferry.proof.carried import Carried, carried_columns
from rowferry.proof.cells import Form
from rowferry.proof.records import Shape

_CELL_ERRORS = (ValueError, TypeError, KeyError, ArithmeticError)
_FETCH_ROWS = 5000
# money's own text has the locale's signs
_CASTS = {
    "money": sql.SQL("::numeric"),
    "money[]": sql.SQL("::numeric[]"),
}
_KEY_QUERY = """
    SELECT a.attname FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.place
"""
_COLUMNS_QUERY = """
    WITH RECURSIVE base(attnum, oid) AS (
        SELECT attnum, atttypid FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT b.attnum, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid
        WHERE t.typtype = 'd'
    )
    SELECT a.attname, format_type(b.oid, NULL) FROM base b JOIN pg_type t ON t.oid = b.oid
    JOIN pg_attribute a ON a.attrelid = %s::regclass AND a.attnum = b.attnum
    WHERE t.typtype <> 'd' ORDER BY a.attnum
"""

Hash = int


class TableReader:
    """Reads one table as text; one thread. The connection becomes its own, and close() ends it.

    key: the primary key, and columns: what is carried, both under the table's names.
    Raises ConfigError where it is missing, AccessDenied, Transient.
    """

    def __init__(self, connection: Connection, qualified: str, settings: Settings) -> None:
        self._connection = connection
        self._where = settings.of(qualified).filter or settings.filter
        self._schema, self._name = split_name(qualified)
        with translated(qualified), connection.cursor() as cursor:
            cursor.execute("SET row_security = off")  # to prove less than all rows is an error
            quoted = sql.Identifier(self._schema, self._name).as_string(cursor)
            cursor.execute("SELECT to_regclass(%s)", (quoted,))
            if cursor.fetchone() == (None,):
                what = "there is no such table in the database"
                advice = "check ROWFERRY_TABLES and POSTGRES_DB"
                raise ConfigError(Code.TABLE_GONE, what, where=qualified, advice=advice)
            cursor.execute(_KEY_QUERY, (quoted,))
            self.key = tuple(str(name) for (name,) in cursor.fetchall())
            cursor.execute(_COLUMNS_QUERY, (quoted, quoted))
            kinds = {str(name): str(kind) for name, kind in cursor.fetchall()}
        self.columns = carried_columns(kinds, settings, qualified)
        connection.commit()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def rows(self) -> Iterator[tuple[str | None, ...]]:
        """Every row that the filter lets through, in one snapshot, in the columns' order."""
        nothing = sql.SQL("")
        selected = sql.SQL(", ").join(
            sql.Identifier(each.column)
            + (nothing if each.is_text else _CASTS.get(each.kind, nothing))
            for each in self.columns
        )
        query = sql.SQL("SELECT {} FROM {}").format(
            selected, sql.Identifier(self._schema, self._name)
        )
        if self._where:
            query += sql.SQL(" WHERE (") + sql.SQL(self._where) + sql.SQL(")")
        named = self._connection.cursor(name="rowferry_proof")  # fetched piece by piece
        with translated(f"{self._schema}.{self._name}"), self._connection, named as cursor:
            cursor.itersize = _FETCH_ROWS
            cursor.execute(query)
            yield from cursor


class Versions:
    """Hashes of keys and rows, comparable between the table and the records of a topic."""

    def __init__(self, key: Sequence[str], columns: Sequence[Carried]) -> None:
        names = {each.column: each.name for each in columns}
        self._key = tuple(names[column] for column in key)
        self._columns = {each.name: each for each in columns}
        self.shapes: list[Shape] = []
        self._places: dict[int, int] = {}
        self._common: dict[int, list[tuple[Carried, str, Form]]] = {}

    def place_of(self, shape: Shape) -> int:
        """The shape's place in the hashes of a row; a new one is added."""
        if shape.schema_id not in self._places:
            same = [n for n, known in enumerate(self.shapes) if known.schema == shape.schema]
            if not same:
                self.shapes.append(shape)
            self._places[shape.schema_id] = same[0] if same else len(self.shapes) - 1
        return self._places[shape.schema_id]

    def _compared(self, shape: Shape) -> list[tuple[Carried, str, Form]]:
        """Column, Avro field and form of what table and schema have in common, found once."""
        if shape.schema_id not in self._common:
            known = {**self._renamed_key(shape), **self._columns}
            zipped = zip(shape.columns, shape.fields, shape.forms, strict=True)
            self._common[shape.schema_id] = [
                (known[name], avro, form)
                for name, avro, form in zipped
                if name in known and form.text
            ]
        return self._common[shape.schema_id]

    def _renamed_key(self, shape: Shape) -> dict[str, Carried]:
        """The key's columns by the names that they had in this schema."""
        if len(shape.key) != len(self._key):
            return {}
        pairs = zip(shape.key, self._key, strict=True)
        return {old: self._columns[new] for old, new in pairs if new not in shape.columns}

    def of_row(self, row: Sequence[str | None]) -> tuple[Hash, tuple[Hash | None, ...]]:
        """The hash of a table row's key, and of the row in each shape, None where it fits none."""
        texts = dict(zip(self._columns, row, strict=True))
        cells = [self._cells(texts, shape) for shape in self.shapes]
        hashes = tuple(None if found is None else _hash(tuple(found.values())) for found in cells)
        # A row that does not fit the schema has no record: its own text will match none.
        named: Mapping[str, Any] = texts if cells[0] is None else cells[0]
        return _hash(tuple(named[name] for name in self._key)), hashes

    def of_record(self, shape: Shape, row: Mapping[str, Any]) -> tuple[Hash, Hash]:
        """The hash of a record's key and of its row."""
        compared = self._compared(shape)
        cells = {column.name: form.raw(row[avro]) for column, avro, form in compared}
        key = tuple(cells[name] for name in self._key)
        return _hash(key), _hash(tuple(cells.values()))

    def _cells(self, texts: Mapping[str, str | None], shape: Shape) -> dict[str, Any] | None:
        try:
            return {
                column.name: column.cell(texts[column.name], form)
                for column, _, form in self._compared(shape)
            }
        except _CELL_ERRORS:
            return None


def _hash(cells: tuple[Any, ...]) -> Hash:
    """64 bits of a digest: Python's own hash takes -1 for -2, which a proof must not."""
    return int.from_bytes(hashlib.blake2b(repr(cells).encode(), digest_size=8).digest(), "big")


@dataclass(slots=True)
class Latest:
    """What the topic says of the table's keys so far."""

    rows: dict[Hash, tuple[int, Hash]] = field(default_factory=dict)
    repeated: int = 0
    watched: dict[Hash, set[tuple[int, Hash]]] = field(default_factory=dict)

    def see(self, key: Hash, version: tuple[int, Hash]) -> None:
        """Take up the next record of a key; the same version again is a repetition."""
        if self.rows.get(key) == version:
            self.repeated += 1
        self.rows[key] = version
        if key in self.watched:
            self.watched[key].add(version)

    def forget(self, key: Hash) -> None:
        """Take up a tombstone."""
        self.rows.pop(key, None)

    def has(self, key: Hash, hashes: Sequence[Hash | None]) -> bool:
        """Whether the latest record, or one seen since the key is watched, is this row."""
        seen = {self.rows[key]} if key in self.rows else set()
        seen |= self.watched.get(key, set())
        return any(place < len(hashes) and hashes[place] == h for place, h in seen)
