"""What single settings cannot say: which of them do not go together."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from string import Formatter
from urllib.parse import urlsplit

from rowferry.config import Mode, Settings, environment_name
from rowferry.snowflake_logins import contradictions, missing

_PLACEHOLDERS = {
    "topic": {"schema", "table"},
    "namespace": {"schema", "table"},
    "subject": {"topic"},
    "dead_letter": {"topic"},
}
_METADATA = ("_op", "_partition", "_offset", "_timestamp", "_schema_id", "_key", "_topic")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def lint(settings: Settings, required: Collection[str]) -> list[str]:
    """All contradictions among valid settings, a line each; required as in load_settings()."""
    problems = [*_templates(settings)]
    if not problems:  # topics are known only then
        problems += [*_tables(settings), *_topics(settings)]
    problems += [*_masks(settings), *_credentials(settings), *_metadata(settings)]
    problems += _stage(settings, required)
    return problems


def _templates(settings: Settings) -> Iterator[str]:
    for field, known in _PLACEHOLDERS.items():
        own = [getattr(t, field, None) for t in settings.table.values()]
        for template in filter(None, [getattr(settings, field), *own]):
            try:
                used = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
            except ValueError:
                used = {template}
            if used - known:
                listed = " and ".join(f"{{{name}}}" for name in sorted(known))
                yield f"{environment_name(field)}: {template!r}: only {listed} can be filled in"


def _tables(settings: Settings) -> Iterator[str]:
    for table, count in Counter(settings.tables).items():
        if count > 1:
            yield f"ROWFERRY_TABLES: {table} is named {count} times"
    for table in settings.table:
        if settings.tables and table not in settings.tables:
            yield f'[table."{table}"] in rowferry.toml: not among ROWFERRY_TABLES'
    modes = {settings.mode, *(t.mode for t in settings.table.values())}
    if Mode.LOG in modes:
        yield "ROWFERRY_MODE: log is not in this version; incremental and full are"


def _masks(settings: Settings) -> Iterator[str]:
    for table, own in settings.table.items():
        for name, column in own.columns.items():
            place = f'[table."{table}".columns.{name}] in rowferry.toml'
            if column.mask and column.truncate is not None:
                yield f"{place}: mask and truncate exclude each other"
            if column.drop and column.model_fields_set != {"drop"}:
                yield f"{place}: what is dropped has no other settings"
            if column.mask and not (settings.mask_key or settings.mask_key_file):
                yield f"ROWFERRY_MASK_KEY_FILE: required for {place}, and not set"


def _topics(settings: Settings) -> Iterator[str]:
    tables_of: dict[str, list[str]] = {}
    for table in dict.fromkeys(settings.tables):
        tables_of.setdefault(settings.topic_of(table), []).append(table)
    for topic, tables in tables_of.items():
        if len(tables) > 1:
            yield f"ROWFERRY_TOPIC: {' and '.join(tables)} would share the topic {topic}"
        if not _TOPIC.fullmatch(topic):
            yield f"ROWFERRY_TOPIC: {topic!r} is no topic name; set the table its own"


def _credentials(settings: Settings) -> Iterator[str]:
    for system in ("kafka", "schema"):
        user = getattr(settings, f"{system}_username")
        password = getattr(settings, f"{system}_password")
        if bool(user) != bool(password and password.get_secret_value()):
            given, lacking = ("USERNAME", "PASSWORD") if user else ("PASSWORD", "USERNAME")
            prefix = system.upper()
            yield f"{prefix}_{lacking}: required beside {prefix}_{given}, and not set"
    url = urlsplit(settings.schema_server)
    if settings.schema_server and (url.scheme not in ("http", "https") or not url.hostname):
        yield "SCHEMA_SERVER: not a URL that begins with https:// or http://"
    elif url.username or url.password:
        yield "SCHEMA_SERVER: credentials belong in SCHEMA_USERNAME and SCHEMA_PASSWORD"
    is_open = settings.snowflake_protocol == "http"
    if is_open and settings.snowflake_host not in _LOOPBACK:
        yield "SNOWFLAKE_PROTOCOL: http is allowed for a SNOWFLAKE_HOST on loopback only"


def _metadata(settings: Settings) -> Iterator[str]:
    names = []
    for field in settings.metadata:
        source, _, name = field.partition("=")
        names.append(name or source)
        if source not in _METADATA:
            yield f"ROWFERRY_METADATA: {source!r} is not one of {', '.join(_METADATA)}"
    for name, count in Counter(names).items():
        if count > 1:
            yield f"ROWFERRY_METADATA: {name!r} is the name of {count} fields"


def _stage(settings: Settings, required: Collection[str]) -> Iterator[str]:
    stage = settings.stage
    if not stage:
        return
    if stage.startswith("file:"):
        if stage == "file:":
            yield "ROWFERRY_STAGE: file: needs a folder, as in file:./staged"
        return
    if not stage.startswith("@"):
        yield "ROWFERRY_STAGE: neither @stage/prefix nor file:/folder"
        return
    if "stage" in required:
        is_qualified = stage.split("/")[0].count(".") == 2  # noqa: PLR2004 - database.schema.stage
        of_place = () if is_qualified else ("snowflake_database", "snowflake_schema")
        yield from missing(settings, *of_place)
    yield from contradictions(settings)
