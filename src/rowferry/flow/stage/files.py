"""The file of one open batch: JSON lines, compressed as they arrive, the same bytes each time.

Equal lines give equal bytes however they were fetched: the stream of lines is cut every MiB, each
piece is compressed in one call and flushed (Z_FULL_FLUSH), and the gzip header holds no time.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from rowferry.errors import Code, LocalResource, NoSpace

BLOCK_BYTES = 1 << 20
_GZIP_WINDOW = 31  # deflate's largest window, in a gzip member


class OpenFile:
    """A gzip file being built: a block in memory, finished blocks in a private file.

    One thread; finish() or discard() ends it. Raises NoSpace where the disk is full,
    LocalResource where it refuses otherwise.
    """

    def __init__(self, path: Path, level: int) -> None:
        self.path = path
        self._deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _GZIP_WINDOW)
        self._block = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0  # compressed bytes so far, without the block in memory

    def add(self, lines: bytes | memoryview) -> None:
        """Append lines, whole or in part: where one ends is the caller's to know."""
        rest = memoryview(lines)
        while len(self._block) + len(rest) >= BLOCK_BYTES:
            taken = BLOCK_BYTES - len(self._block)
            block: bytearray | memoryview = rest[:taken]
            if self._block:
                self._block += block
                block = self._block
            compressed = self._deflate.compress(block)
            self._write(compressed + self._deflate.flush(isal_zlib.Z_FULL_FLUSH))
            self._block.clear()
            rest = rest[taken:]
        self._block += rest

    def finish(self) -> Path:
        """Write the rest; the spooled file is whole on return, and the caller's to remove."""
        self._write(self._deflate.compress(self._block) + self._deflate.flush())
        self._block.clear()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise self._refused(error) from error
        return self.path

    def discard(self) -> None:
        """Throw away what was built."""
        self._block.clear()
        if self._file is not None:
            with suppress(OSError):  # what could not be flushed is thrown away all the same
                self._file.close()
            with suppress(OSError):  # what stays is removed with the folder
                self.path.unlink(missing_ok=True)

    def _write(self, compressed: bytes) -> None:
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb")
            self._file.write(compressed)
        except OSError as error:
            raise self._refused(error) from error
        self.size += len(compressed)

    def _refused(self, error: OSError) -> LocalResource | NoSpace:
        return (NoSpace if is_full(error) else LocalResource)(
            Code.LOCAL_RESOURCE,
            f"the spool cannot be written: {error.strerror}",
            where=str(self.path.parent),
            advice="free space, lower ROWFERRY_SPOOL_BYTES, or set ROWFERRY_SPOOL_DIR to a larger "
            "disk",
        )


def is_full(error: OSError) -> bool:
    """Whether a disk or a quota has no space left, which may pass."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
