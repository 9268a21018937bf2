"""What a record says, read with fastavro and without logical types."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import fastavro

from rowferry.model import SchemaId
from rowferry.proof.cells import Form, form_of, without_logical_types
from rowferry.types import KEY_PROPERTY, original_name

_FRAME = 5  # a zero byte and four of the schema's id
_ID = slice(1, _FRAME)
NEWEST = -1  # in place of a schema's id, where it is not asked for


class UnreadableRecord(ValueError):
    """Bytes that are no framed Avro record of a known schema."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A writer's schema: its columns, as PostgreSQL names them, and the form of each."""

    schema_id: int
    schema: Any
    parsed: Any  # for fastavro, without logical types
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    forms: tuple[Form, ...]
    key: tuple[str, ...]


def shape_of(schema_id: int, text: str | None) -> Shape:
    """Take a record schema apart. Raises UnreadableRecord for what is none."""
    schema = json.loads(text) if text else None
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnreadableRecord("the schema is not a record's")
    fields = schema["fields"]
    named: dict[str, Any] = {}
    return Shape(
        schema_id,
        schema,
        fastavro.parse_schema(without_logical_types(schema)),
        tuple(field["name"] for field in fields),
        tuple(original_name(field) for field in fields),
        tuple(form_of(field["type"], named) for field in fields),
        tuple(schema.get(KEY_PROPERTY, ())),
    )


class RecordReader:
    """Decodes values by their writers' schemas, whose JSON `fetch` gives by id."""

    def __init__(self, fetch: Callable[[SchemaId], str | None]) -> None:
        self._fetch = fetch
        self._shapes: dict[int, Shape] = {}
        self._last: tuple[bytes, tuple[Shape, Mapping[str, Any]]] | None = None

    def shape(self, schema_id: int) -> Shape:
        """The shape of a schema id, fetched once."""
        if schema_id not in self._shapes:
            self._shapes[schema_id] = shape_of(schema_id, self._fetch(SchemaId(schema_id)))
        return self._shapes[schema_id]

    def read(self, framed: bytes) -> tuple[Shape, Mapping[str, Any]]:
        """The shape and the raw row, by field name. Raises UnreadableRecord."""
        if self._last is not None and self._last[0] is framed:  # table and lines ask in turn
            return self._last[1]
        if len(framed) < _FRAME or framed[0] != 0:
            raise UnreadableRecord("not framed as the registry's clients do")
        shape = self.shape(int.from_bytes(framed[_ID], "big"))
        payload = BytesIO(framed[_FRAME:])
        try:
            row: Any = fastavro.schemaless_reader(payload, shape.parsed, None)
        except (ValueError, EOFError, IndexError, OverflowError, TypeError) as error:
            raise UnreadableRecord(f"not a value of schema {shape.schema_id}") from error
        if payload.read(1):
            raise UnreadableRecord("bytes behind the value")
        self._last = (framed, (shape, row))
        return shape, row
