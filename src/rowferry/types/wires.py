"""PostgreSQL type → how it is read, and its Arrow type: the mapping table."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pyarrow as pa

from rowferry.model import Column
from rowferry.types.names import avro_name

MOST_DIGITS = 76  # of a decimal256; more digits travel as text
TEXT_SETTINGS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
}  # of every session that reads, because text forms depend on them


class Kind(StrEnum):
    """How the binary form of a value is laid out."""

    BOOL = "bool"
    INT16 = "int16"
    INT32 = "int32"
    OID = "oid"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    NUMERIC = "numeric"
    TEXT = "text"
    JSON = "json"  # as text
    JSONB = "jsonb"
    BYTES = "bytes"
    UUID = "uuid"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    ARRAY = "array"
    COMPOSITE = "composite"
    HSTORE = "hstore"


@dataclass(frozen=True, slots=True)
class Wire:
    """How a column, an array's element or a composite's field is read.

    cast: the type it is selected as, "" for its own. depth: an array's declared dimensions.
    ±infinity stays the greatest and least integer of the Arrow type, whose unit is µs or ms.
    special_is_null: NaN and ±Infinity, which a decimal cannot hold, are read as NULL.
    labels: those that a text may have, where it is an enum in Avro.
    """

    name: str
    kind: Kind
    arrow_type: pa.DataType
    cast: str = ""
    element: "Wire | None" = None
    fields: tuple["Wire", ...] = ()
    depth: int = 0
    special_is_null: bool = False
    labels: tuple[str, ...] = ()

    @property
    def as_text(self) -> bool:
        """Whether the column travels as PostgreSQL's own text form."""
        return self.cast in ("text", _INET)


@dataclass(frozen=True, slots=True)
class _Scalar:
    kind: Kind
    arrow_type: pa.DataType
    avro: str | dict[str, str]


def logical(avro: str, name: str) -> dict[str, Any]:
    """An Avro type and the logical type that it is."""
    return {"type": avro, "logicalType": name}


JSON = logical("string", "json")
_TEXT = _Scalar(Kind.TEXT, pa.utf8(), "string")

SCALARS: dict[int, _Scalar] = {
    16: _Scalar(Kind.BOOL, pa.bool_(), "boolean"),
    17: _Scalar(Kind.BYTES, pa.binary(), "bytes"),
    19: _TEXT,  # name
    20: _Scalar(Kind.INT64, pa.int64(), "long"),
    21: _Scalar(Kind.INT16, pa.int32(), "int"),
    23: _Scalar(Kind.INT32, pa.int32(), "int"),
    25: _TEXT,
    26: _Scalar(Kind.OID, pa.int64(), "long"),
    114: _Scalar(Kind.JSON, pa.utf8(), JSON),
    142: _TEXT,  # xml
    700: _Scalar(Kind.FLOAT32, pa.float32(), "float"),
    701: _Scalar(Kind.FLOAT64, pa.float64(), "double"),
    1042: _TEXT,  # char(n)
    1043: _TEXT,  # varchar
    1082: _Scalar(Kind.DATE, pa.date32(), logical("int", "date")),
    1083: _Scalar(Kind.TIME, pa.time64("us"), logical("long", "time-micros")),
    1114: _Scalar(Kind.TIMESTAMP, pa.timestamp("us"), logical("long", "local-timestamp-micros")),
    1184: _Scalar(Kind.TIMESTAMP, pa.timestamp("us", "UTC"), logical("long", "timestamp-micros")),
    2950: _Scalar(Kind.UUID, pa.utf8(), logical("string", "uuid")),
    3802: _Scalar(Kind.JSONB, pa.utf8(), JSON),
}  # by oid, as pg_type.dat fixes them

_NUMERIC, _MONEY = 1700, 790
_INET_OID = 869
_INET = "inet as its output function has it"  # a cast to text shows the mask of single hosts, too
_VECTORS = (22, 30)  # int2vector, oidvector: arrays that begin at 0, and one value in PostgreSQL
_TEXTS = (19, 25, 114, 142, 1042, 1043)  # types whose binary form is their text
_MONEY_DIGITS = (19, 2)
_TIMESTAMPTZ = 1184
_HSTORE = re.compile(r'(?:.*\.)?"?hstore"?')


def wire_of(column: Column) -> Wire:
    """How the column is read; a type without a reader of its own travels as text."""
    treatment = column.treatment
    is_text = treatment.form == "string" or treatment.mask is not None
    if is_text or column.base_oid in _VECTORS or (column.element_oid and treatment.arrays_as_text):
        return _text(column)
    if column.element_oid:
        return _array(column)
    if column.fields:
        return _composite(column)
    if _HSTORE.fullmatch(column.pg_type):
        return Wire(column.name, Kind.HSTORE, pa.map_(pa.utf8(), pa.utf8()))
    return _formed(column) if treatment.form else _scalar(column)


def select_expression(wire: Wire, sql: str) -> str:
    """The SQL that gives what the wire expects, from the SQL that gives the column.

    `"price"` → `"price"`, `"span"` → `"span"::text`; a composite whose fields need a cast is
    taken apart and put together again, NULL kept apart from a row of NULLs.
    """
    if wire.cast == _INET:  # what abbrev() gives for an inet
        return f"abbrev({sql})"
    if wire.cast == f"{_INET}[]":
        return f"{sql}::text::text[]"
    if wire.cast:
        return f"{sql}::{wire.cast}"
    if wire.kind is Kind.COMPOSITE and _casts(wire):
        parts = (
            select_expression(field, f"({sql}).{_quoted(field.name)}") for field in wire.fields
        )
        return (
            f"CASE WHEN {sql} IS NOT DISTINCT FROM NULL THEN NULL ELSE ROW({', '.join(parts)}) END"
        )
    return sql


def decimal_digits(type_mod: int) -> tuple[int, int] | None:
    """Precision and scale of a numeric's type modifier; None where it carries no decimal.

    That is: without precision, with a scale that Avro's decimal does not allow, or too long.
    """
    if type_mod < 4:  # noqa: PLR2004 - VARHDRSZ, which numeric_in adds to its modifier
        return None
    precision = ((type_mod - 4) >> 16) & 0xFFFF
    scale = (((type_mod - 4) & 0x7FF) ^ 1024) - 1024  # 11 bits, signed, since PostgreSQL 15
    fits = 0 <= scale <= precision <= MOST_DIGITS
    return (precision, scale) if fits else None


def _scalar(column: Column) -> Wire:
    name, oid = column.name, column.base_oid
    if oid == _NUMERIC:
        digits = decimal_digits(column.base_mod)
        specials = column.treatment.specials
        if digits is None or specials == "string":
            return Wire(name, Kind.NUMERIC, pa.utf8())
        return Wire(name, Kind.NUMERIC, _decimal(*digits), special_is_null=specials == "null")
    if oid == _MONEY:  # the binary form does not say how many of its digits are a fraction
        return Wire(name, Kind.NUMERIC, _decimal(*_MONEY_DIGITS), cast="numeric")
    scalar = SCALARS.get(oid)
    if scalar is None:
        return _text(column)
    return Wire(name, scalar.kind, scalar.arrow_type)


def _text(column: Column) -> Wire:
    """The column as text, in the form that its type's output function gives."""
    is_array = bool(column.element_oid)
    if column.base_oid in _TEXTS and not is_array:
        return Wire(column.name, Kind.TEXT, pa.utf8())
    is_inet = column.base_oid == _INET_OID and not is_array
    return Wire(column.name, Kind.TEXT, pa.utf8(), cast=_INET if is_inet else "text")


def _formed(column: Column) -> Wire:
    """The column in the form that the settings want for it; they are of a type that has it."""
    name, form = column.name, column.treatment.form
    if form == "double":
        exact = "numeric::" if column.base_oid == _MONEY else ""  # money has no cast of its own
        return Wire(name, Kind.FLOAT64, pa.float64(), cast=f"{exact}double precision")
    if form == "enum":  # whose binary form is the label
        return Wire(name, Kind.TEXT, pa.utf8(), labels=column.labels)
    if form == "timestamp-millis":
        zoned = column.base_oid == _TIMESTAMPTZ
        return Wire(name, Kind.TIMESTAMP, pa.timestamp("ms", "UTC" if zoned else None))
    digits = decimal_form(form)
    if digits is None:
        raise ValueError(f"no form of a column: {form}")
    cast = "" if column.base_oid == _NUMERIC else "numeric"
    is_null = column.treatment.specials == "null"
    return Wire(name, Kind.NUMERIC, _decimal(*digits), cast, special_is_null=is_null)


def decimal_form(form: str) -> tuple[int, int] | None:
    """Precision and scale of the form `decimal(p,s)`; None for what is none."""
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", form)
    if found is None:
        return None
    precision, scale = int(found[1]), int(found[2])
    return (precision, scale) if 0 < precision <= MOST_DIGITS and scale <= precision else None


def _decimal(precision: int, scale: int) -> pa.DataType:
    wide = precision > 38  # noqa: PLR2004 - a decimal128's digits
    return pa.decimal256(precision, scale) if wide else pa.decimal128(precision, scale)


def _array(column: Column) -> Wire:
    """An array of the element's wire; elements that need a cast get it as an array."""
    single = replace(
        column,
        pg_type=re.sub(r"(\[\])+$", "", column.pg_type),
        base_oid=column.element_oid,
        element_oid=0,
    )
    element = wire_of(single)
    depth = max(1, column.dimensions)
    if _casts(element) and not element.cast:  # composites cannot be taken apart in an array
        return Wire(column.name, Kind.TEXT, pa.utf8(), cast="text")
    arrow_type = pa.list_(element.arrow_type)
    for _ in range(depth - 1):  # an array inside an array is never NULL
        arrow_type = pa.list_(pa.field("item", arrow_type, nullable=False))
    cast = f"{element.cast}[]" if element.cast else ""
    plain = replace(element, cast="")
    return Wire(column.name, Kind.ARRAY, arrow_type, cast, element=plain, depth=depth)


def _composite(column: Column) -> Wire:
    fields = tuple(wire_of(field) for field in column.fields)
    arrow_type = pa.struct([pa.field(avro_name(each.name), each.arrow_type) for each in fields])
    return Wire(column.name, Kind.COMPOSITE, arrow_type, fields=fields)


def _casts(wire: Wire) -> bool:
    """Whether the wire, or a field inside it, is selected as another type."""
    return bool(wire.cast) or any(_casts(field) for field in wire.fields)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
