"""The mapping of types, one place: PostgreSQL ↔ Arrow ↔ Avro.

wire_of: how a column is read; select_expression: the SQL that reads it so; avro_of: what it is in
a schema. names: what Avro does not allow is escaped, and the original kept in a property.
"""

from rowferry.types.avro import avro_of
from rowferry.types.names import (
    KEY_PROPERTY,
    NAME_PROPERTY,
    avro_name,
    is_avro_name,
    named,
    original_name,
    restored,
)
from rowferry.types.wires import (
    JSON,
    TEXT_SETTINGS,
    Kind,
    Wire,
    decimal_digits,
    decimal_form,
    select_expression,
    wire_of,
)

__all__ = [
    "JSON",
    "KEY_PROPERTY",
    "NAME_PROPERTY",
    "TEXT_SETTINGS",
    "Kind",
    "Wire",
    "avro_name",
    "avro_of",
    "decimal_digits",
    "decimal_form",
    "is_avro_name",
    "named",
    "original_name",
    "restored",
    "select_expression",
    "wire_of",
]
