"""The SQL of a read: which rows, their marks, their order; text only, no connection."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from rowferry.flow.capture.source import Query, Which
from rowferry.flow.capture.state import Cursor
from rowferry.flow.capture.window import BEGINNING, SECOND
from rowferry.model import Column, Table
from rowferry.types import Kind, Wire, select_expression, wire_of

TIMES = {1184: "timestamptz", 1114: "timestamp", 1082: "date"}
_ANY_ZONE = timedelta(hours=12)  # how far a local clock may be behind UTC
_DAYLIGHT_SAVING = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_OWN_TYPE = 16384  # FirstNormalObjectId: types below are PostgreSQL's own
_BUSINESS_END = 250_000_000_000 * SECOND  # about the year 9892; later bounds mean "never"


def quoted(name: str) -> str:
    """The name as SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as SQL string, whatever standard_conforming_strings says."""
    doubled = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{doubled}'" if "\\" in text else f"'{doubled}'"


class Statements:
    """Builds the reads of one table; everything that stays the same is built once."""

    def __init__(self, table: Table, condition: str | None, zone: str | None) -> None:
        self.table = table
        columns = {c.name: c for c in table.columns}
        self.wires = tuple(wire_of(column) for column in table.carried)
        self._columns = columns
        self._plain = {w.name: at for at, w in enumerate(self.wires) if _is_plain(w)}
        self._select = [select_expression(wire, quoted(wire.name)) for wire in self.wires]
        self._condition = f" AND ({condition})" if condition else ""
        self._from = f"{quoted(table.schema)}.{quoted(table.name)}"
        self._zone = ZoneInfo(zone) if zone else None
        timestamp = columns.get(table.timestamp_column or "")
        self._ts = quoted(timestamp.name) if timestamp else "NULL"
        self._kind = TIMES.get(timestamp.base_oid, "timestamptz") if timestamp else "timestamptz"

    def wires_of(self, query: Query) -> list[Wire]:
        """What read() selects: the columns, the mark, and as text what else the rows go by."""
        texts = [
            Wire(f"order {at}", Kind.TEXT, pa.utf8(), cast="text")
            for at, _ in enumerate(self._as_text(query))
        ]
        return [*self.wires, Wire("mark", Kind.INT64, pa.int64()), *texts]

    def last(self, batch: pa.RecordBatch, query: Query) -> Cursor:
        """The ordering columns of the last of the rows that were read, as text."""
        texts = {name: len(self.wires) + 1 + at for at, name in enumerate(self._as_text(query))}
        places = {**self._plain, **texts}
        return tuple(str(batch.column(places[name])[-1].as_py()) for name in query.order)

    def _as_text(self, query: Query) -> list[str]:
        """The ordering columns whose text is not what they are carried as."""
        return [name for name in query.order if name not in self._plain]

    def read(self, query: Query, limit: int, source: str | None = None) -> str:
        """The COPY of a query's rows; source: a leaf, where it may be read by itself."""
        selected = [*self._select, self.mark(query)]
        selected += [f"{quoted(name)}::text" for name in self._as_text(query)]
        text = f"SELECT {', '.join(selected)} FROM {self._rows(query, source)}"  # noqa: S608
        if query.order:
            text += f" ORDER BY {', '.join(self._own(name) for name in query.order)}"
        return f"COPY ({text} LIMIT {limit}) TO STDOUT (FORMAT binary)"

    def marks(self, query: Query) -> str:
        """The COPY of a query's distinct marks."""
        text = f"SELECT DISTINCT {self.mark(query)} FROM {self._rows(query, None)}"  # noqa: S608
        return f"COPY ({text}) TO STDOUT (FORMAT binary)"

    def mark(self, query: Query) -> str:
        """The expression of a row's mark."""
        x8 = xid8(query.xmax)
        claim = query.claim
        if claim is not None:
            # the time first: of most rows it is too old, and an x8 costs a quarter of the COPY
            timed = f"WHEN {self._at_least(claim.since)} AND {x8} >= {claim.least} THEN {x8}"
            if self._ts == "NULL":
                return "(-1)::bigint"
            untimed = (
                f"WHEN {self._ts} IS NULL THEN CASE WHEN {x8} >= {claim.least_untimed}"
                f" THEN -2 - {x8} ELSE -1 END"
            )
            return f"CASE {untimed} {timed} ELSE -1 END"
        if query.again_since is not None:
            return f"CASE WHEN {self._at_least(query.again_since)} THEN -{x8} ELSE {x8} END"
        return x8

    def _rows(self, query: Query, source: str | None) -> str:
        conditions = [*self._which(query), *self._after(query)]
        if query.leaf is not None and source is None:
            conditions.append(f"tableoid = {query.leaf}")
        if query.leaves is not None:
            leaves = ", ".join(map(str, sorted(query.leaves)))
            conditions.append(f"tableoid IN ({leaves or 0})")
        where = " AND ".join(conditions) or "true"
        alias = quoted(self.table.name)
        return f"{source or self._from} AS {alias} WHERE {where}{self._condition}"

    def _which(self, query: Query) -> list[str]:
        x8 = xid8(query.xmax)
        if query.which is Which.ALL:
            return []
        xids = [f"{x8} >= {query.least}"] if query.least else []
        if query.most is not None:
            xids.append(f"{x8} <= {query.most}")
        if query.which is Which.UNTIMED:
            return [f"{self._ts} IS NULL", *xids]
        timed = " AND ".join([self._at_least(query.since), *xids])
        if query.again_since is not None:
            return [f"({timed} OR {self._at_least(query.again_since)})"]
        return [timed]

    def _after(self, query: Query) -> list[str]:
        if not query.after:
            return []
        names = ", ".join(self._own(name) for name in query.order)
        values = ", ".join(
            f"{literal(text)}::{_type_of(self._columns[name])}"
            for name, text in zip(query.order, query.after, strict=True)
        )
        return [f"({names}) > ({values})"]

    def _own(self, name: str) -> str:
        """The table's column, where an output column may have its name."""
        return f"{quoted(self.table.name)}.{quoted(name)}"

    def _at_least(self, since: int | None) -> str:
        """The condition that a row's timestamp is not before a time of the server's clock."""
        if since is None or since < BEGINNING // 2:
            return f"{self._ts} IS NOT NULL"
        if since > _BUSINESS_END:
            return "false"
        return f"{self._ts} >= {self.bound(since)}"

    def bound(self, since: int) -> str:
        """A time of the server's clock as a literal of the timestamp column's type.

        A column without time zone holds some local time: 12 hours are allowed for, where the
        zone is known one, for the change from summer time.
        """
        moment = _EPOCH + timedelta(microseconds=since)
        if self._kind == "timestamptz":
            return f"'{moment.isoformat()}'::timestamptz"
        if self._zone is None:
            local = moment.replace(tzinfo=None) - _ANY_ZONE
        else:
            local = moment.astimezone(self._zone).replace(tzinfo=None) - _DAYLIGHT_SAVING
        return f"'{local.isoformat()}'::{self._kind}"


def xid8(xmax: int) -> str:
    """The 64-bit image of a row's 32-bit xmin, seen from a snapshot.

    For an ancient frozen row it can only look too new: a duplicate at worst, never a loss.
    """
    return f"({xmax} - (({xmax} - xmin::text::bigint) & 4294967295))"


def precision_margin(column: Column) -> int:
    """What the type of a timestamp column may cut off a timestamp, in microseconds."""
    if column.base_oid == 1082:  # noqa: PLR2004 - date
        return 24 * 3600 * SECOND
    digits = column.base_mod
    return 10 ** (6 - digits) if 0 <= digits < 6 else 0  # noqa: PLR2004 - microseconds


def _is_plain(wire: Wire) -> bool:
    """Whether the column is carried as its text, or as a number that is written as PostgreSQL's."""
    is_whole = wire.kind in (Kind.INT16, Kind.INT32, Kind.INT64)
    return is_whole or (wire.kind is Kind.TEXT and wire.cast in ("", "text"))


def _type_of(column: Column) -> str:
    return column.pg_type


def identity_of(tables: Sequence[Table]) -> str:
    """One row a table: its oid, its leaves with their files, a fingerprint of it, and its key.

    Functions that see what is committed now, so that it can be asked before the snapshot and
    again inside it. The fingerprint is of the statement's snapshot, but for the columns' names:
    other changes that a read in an older snapshot might take for its own write new files. It goes
    down to the fields of composite types and the labels of enums, which change without a lock on
    the table.
    """
    names = ", ".join(
        f"({at}, {literal(quoted(t.schema) + '.' + quoted(t.name))})" for at, t in enumerate(tables)
    )
    return f"""
SELECT n.at, r.oid::bigint,
  coalesce(
    (SELECT jsonb_object_agg(p.relid::oid::text, pg_relation_filenode(p.relid)::bigint)
       FROM pg_partition_tree(r.oid) p WHERE p.isleaf),
    jsonb_build_object(r.oid::text, pg_relation_filenode(r.oid)::bigint))::text,
  (WITH RECURSIVE own(oid) AS (
     SELECT atttypid FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0
        AND NOT attisdropped AND atttypid >= {_FIRST_OWN_TYPE}
     UNION SELECT n.oid FROM own JOIN pg_type y ON y.oid = own.oid CROSS JOIN LATERAL (
       SELECT y.typbasetype UNION ALL SELECT y.typelem
       UNION ALL SELECT atttypid FROM pg_attribute
                  WHERE attrelid = y.typrelid AND attnum > 0 AND NOT attisdropped) n(oid)
      WHERE n.oid >= {_FIRST_OWN_TYPE})
   SELECT md5(concat(
     (SELECT string_agg(concat_ws(',', attnum, attname, atttypid, atttypmod, attnotnull,
                                  pg_describe_object('pg_class'::regclass, attrelid, attnum)),
                        ';' ORDER BY attrelid, attnum)
        FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (
          SELECT r.oid UNION ALL
          SELECT typrelid FROM own JOIN pg_type y ON y.oid = own.oid WHERE typrelid <> 0)),
     (SELECT string_agg(conkey::text, ';' ORDER BY conkey)
        FROM pg_constraint WHERE conrelid = r.oid AND contype = 'n' AND NOT convalidated),
     (SELECT string_agg(concat_ws(',', enumtypid, enumlabel), ';'
                        ORDER BY enumtypid, enumsortorder)
        FROM pg_enum WHERE enumtypid IN (SELECT oid FROM own))))),
  (SELECT string_agg(concat_ws(' ', a.attname, a.atttypid, a.attcollation), ',' ORDER BY i.at)
     FROM pg_index x, unnest(x.indkey::int2[]) WITH ORDINALITY i(num, at)
     JOIN pg_attribute a ON a.attnum = i.num
    WHERE x.indrelid = r.oid AND x.indisprimary AND a.attrelid = r.oid)
  FROM (VALUES {names}) n(at, name), LATERAL (SELECT to_regclass(n.name)::oid AS oid) r
 WHERE r.oid IS NOT NULL ORDER BY n.at"""  # noqa: S608 - names are quoted, and literals
