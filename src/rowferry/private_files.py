"""Secrets in files: read only where nobody else may."""

import os
import stat
from pathlib import Path

from rowferry.errors import Code, ConfigError


def private_text(name: str, setting: str) -> str:
    """The file's text; refused where others may read or write it, asked of the open file."""
    try:
        descriptor = os.open(Path(name).expanduser(), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(
                    Code.CONFIG, f"{setting}: others may use the file", advice=f"chmod 600 {name}"
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(
            Code.CONFIG, f"{setting}: cannot be read: {reason}", where=name
        ) from error
