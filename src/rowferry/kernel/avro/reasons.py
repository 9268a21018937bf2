"""Why a message cannot be read, or a value cannot be written."""

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with a message, in words without a cell value."""

    TRUNCATED = "truncated"
    TRAILING = "trailing bytes"
    BRANCH = "union branch out of range"
    LENGTH = "length beyond the message"
    COUNT = "more items than the message has bytes"
    BLOCK = "block size does not match its items"
    UTF8 = "invalid UTF-8"
    SYMBOL = "enum index out of range"
    BOOLEAN = "boolean is neither 0 nor 1"
    INT = "int beyond 32 bits"
    VARINT = "number longer than 64 bits"
    DECIMAL = "decimal wider than its precision"
    SIZE = "message too large"


class MalformedError(ValueError):
    """One message cannot be read."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class UnwritableError(ValueError):
    """A batch holds what its schema cannot carry; names the column, never the value."""


class SchemaRefused(ValueError):
    """A schema that is hostile, or is not Avro."""
