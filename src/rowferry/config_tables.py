"""What single tables and columns may set for themselves, in rowferry.toml."""

from enum import StrEnum
from typing import Literal

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


class TableSettings(BaseModel):
    """What one table may set for itself, in `[table."schema.name"]` of rowferry.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode | None = None
    timestamp_column: str | None = None
    filter: str | None = None
    topic: str | None = None
    subject: str | None = None
    record_name: str | None = None
    namespace: str | None = None
    properties: bool = True
    columns: dict[str, ColumnSettings] = {}
