"""What single tables and columns may set for themselves, in rowferry.toml."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Mode(StrEnum):
    """How a table is read."""

    INCREMENTAL = "incremental"
    FULL = "full"
    LOG = "log"


class ColumnSettings(BaseModel):
    """What one column may set for itself, in `[table."schema.name".columns.name]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop: bool = False
    rename: str | None = Field(default=None, min_length=1)
    form: str | None = Field(
        default=None,
        alias="as",
        pattern=r"^(double|string|enum|timestamp-millis|decimal\(\d+,\d+\))$",
    )
    required: bool = False
    mask: Literal["hmac"] | None = None
    truncate: int | None = Field(default=None, ge=0)


def _own(name: str) -> Any:
    return Field(default=None, description=f"Instead of {name}")


class TableSettings(BaseModel):
    """What one table may set for itself, in `[table."schema.name"]` of rowferry.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode | None = _own("ROWFERRY_MODE")
    timestamp_column: str | None = _own("ROWFERRY_TIMESTAMP_COLUMN")
    filter: str | None = _own("ROWFERRY_FILTER")
    topic: str | None = _own("ROWFERRY_TOPIC")
    subject: str | None = _own("ROWFERRY_SUBJECT")
    record_name: str | None = _own("ROWFERRY_RECORD_NAME")
    namespace: str | None = _own("ROWFERRY_NAMESPACE")
    properties: bool = Field(
        default=True, description="`false`: a schema without keys of ours, docs or defaults"
    )
    columns: dict[str, ColumnSettings] = Field(
        default={},
        description="`.columns.name`: as, rename, drop, required, mask, truncate (types.md)",
    )
