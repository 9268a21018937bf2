"""Logs are events on stderr: JSON or console lines, without secrets or control characters."""

import logging
import os
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from rowferry.config import Settings
from rowferry.observe.redact import redact
from rowferry.printable import printable

# Their debug output holds request bodies, presigned URLs and tokens.
_CAPPED = ("snowflake", "botocore", "boto3", "httpx", "httpx2", "httpcore", "urllib3", "requests")
_LONGEST_VALUE = 2000
WORKER = "ROWFERRY_WORKER"  # the variable that tells one of several processes its number


def configure(settings: Settings, *, quiet: bool = False, count: Processor | None = None) -> None:
    """Set up logging of this process; what was set up before is replaced.

    quiet: warnings and errors only, unless the settings ask for more than the usual.
    count: is given every event, also those below the level.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    if quiet and level == logging.INFO:
        level = logging.WARNING
    is_console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *_naming_worker(),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        make_safe,
    ]
    counted = [] if count is None else [count, _drop_below(level)]
    structlog.configure(
        processors=[*counted, *shared, _renderer(is_console)],
        wrapper_class=structlog.make_filtering_bound_logger(
            level if count is None else logging.DEBUG
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _take_over_foreign(shared, _renderer(is_console))


def _naming_worker() -> list[Processor]:
    """Of several processes each says which one it is."""
    number = os.environ.get(WORKER)
    if number is None:
        return []

    def name(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {**event, "worker": int(number)}

    return [name]


def _drop_below(level: int) -> Processor:
    levels = logging.getLevelNamesMapping()

    def drop(_logger: Any, method: str, event: EventDict) -> EventDict:
        if levels[method.upper()] < level:
            raise structlog.DropEvent
        return event

    return drop


def make_safe(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redact every text of the event, escape control characters, cap the length."""
    return {key: _safe(value) for key, value in event.items()}


def _safe(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, dict):
        return {str(key): _safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(inner) for inner in value]
    text = redact(value if isinstance(value, str) else str(value))
    escaped = printable(text)
    return escaped if len(escaped) <= _LONGEST_VALUE else f"{escaped[:_LONGEST_VALUE]}…"


def _renderer(is_console: bool) -> Processor:
    if is_console:
        return structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _take_over_foreign(shared: list[Processor], renderer: Processor) -> None:
    """Send the standard library's warnings and errors through the same processors."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler.setFormatter(formatter)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    for name in _CAPPED:
        logging.getLogger(name).setLevel(logging.WARNING)
