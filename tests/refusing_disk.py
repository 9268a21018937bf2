"""A disk that refuses files, to those who write into one folder: all others go on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def refusing(folder: Path, number: int) -> Callable[..., int]:
    """os.open(), which fails with this error number for what is in the folder."""
    open_ = os.open

    def open_elsewhere(path: Any, *more: Any, **also: Any) -> int:
        if folder in Path(os.fsdecode(path)).parents:
            raise OSError(number, os.strerror(number))
        return open_(path, *more, **also)

    return open_elsewhere
