"""Columns that nobody is to read: hashed with a key, or cut off."""

import hmac

import pyarrow as pa
import pyarrow.compute as pc

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.model import Column, Table
from rowferry.private_files import private_text


class Masks:
    """Masks columns of batches; the key is read when a column first needs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key: bytes | None = None

    def masked(self, table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the table's masks applied, its keys too; NULL stays NULL."""
        if all(column.treatment.mask is None for column in table.carried):
            return batch
        columns = [
            self._masked(column, values)
            for column, values in zip(table.carried, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def _masked(self, column: Column, values: pa.Array) -> pa.Array:
        match column.treatment.mask:
            case None:
                return values
            case "digest":
                key = self._digest_key()
                digests = [None if v is None else _digest(key, v) for v in values.to_pylist()]
                return pa.array(digests, pa.utf8())
            case length:
                return pc.utf8_slice_codeunits(values, 0, length)

    def _digest_key(self) -> bytes:
        if self._key is None:
            self._key = mask_key(self._settings)
        return self._key


def mask_key(settings: Settings) -> bytes:
    """The key of columns that are hashed. Raises ConfigError where there is none to be used."""
    own, file = settings.mask_key, settings.mask_key_file
    if own is not None:
        text = own.get_secret_value()
    else:
        text = private_text(file, "ROWFERRY_MASK_KEY_FILE").strip() if file else ""
    if not text:
        raise ConfigError(
            Code.CONFIG,
            "columns are masked with hmac, and there is no key",
            advice="set ROWFERRY_MASK_KEY_FILE or ROWFERRY_MASK_KEY",
        )
    return text.encode()


def _digest(key: bytes, text: str) -> str:
    """HMAC-SHA-256 (RFC 2104) of the text in UTF-8, as hexadecimal digits."""
    return hmac.digest(key, text.encode(), "sha256").hex()
