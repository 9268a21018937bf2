"""Rowferry carries PostgreSQL rows to Kafka as Avro and on to a Snowflake stage, exactly once.

`Settings` says what, `run_sender(settings, stop)` and `run_receiver(settings, stop)` do it until
the `Stop` is requested, or with `once=True` until all that was there at the start is done.
`read(topic, settings)` gives a topic's records as Arrow batches, or with `rows=True` as dicts.
`load_settings()` gathers settings as the command line does; errors are `RowferryError`s.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowferry.config import Settings as Settings
    from rowferry.errors import RowferryError as RowferryError
    from rowferry.run.read import read as read
    from rowferry.run.receiver import run_receiver as run_receiver
    from rowferry.run.sender import run_sender as run_sender
    from rowferry.sources import load_settings as load_settings
    from rowferry.stop import Stop as Stop

# Loaded when first used: `import rowferry` costs nothing, and the clients are large.
_HOMES = {
    "RowferryError": "rowferry.errors",
    "Settings": "rowferry.config",
    "Stop": "rowferry.stop",
    "load_settings": "rowferry.sources",
    "read": "rowferry.run.read",
    "run_receiver": "rowferry.run.receiver",
    "run_sender": "rowferry.run.sender",
}
__all__ = [
    "RowferryError",
    "Settings",
    "Stop",
    "load_settings",
    "read",
    "run_receiver",
    "run_sender",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
