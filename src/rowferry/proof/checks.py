"""What may stand in the way, found before anything runs, each finding with its repair."""

import gzip
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rowferry.config import Mode, Settings
from rowferry.errors import RowferryError
from rowferry.flow.stage.kinds import open_stage
from rowferry.registry import Registry

_PROBE_FOLDER = "_rowferry_check"


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; code and exit_code are an error's, where one was met."""

    name: str
    level: Level
    text: str
    repair: str = ""
    code: str = ""
    exit_code: int = 0


Check = Callable[[Settings], Iterator[Finding]]


def ok(name: str, text: str) -> Finding:
    """A finding that all is well."""
    return Finding(name, Level.OK, text)


def warning(name: str, text: str, repair: str) -> Finding:
    """A finding that does not keep anything from running."""
    return Finding(name, Level.WARNING, text, repair)


def problem(name: str, error: RowferryError) -> Finding:
    """A finding that keeps something from running."""
    where = f" [{error.where}]" if error.where else ""
    return Finding(
        name, Level.PROBLEM, error.what + where, error.advice, str(error.code), error.exit_code
    )


def run_checks(settings: Settings) -> Iterator[Finding]:
    """Look at everything that the settings name, part by part, whatever the parts before said."""
    from rowferry.proof.checks_kafka import check_kafka
    from rowferry.proof.checks_postgres import check_postgres

    parts: tuple[tuple[str, str | None, Check], ...] = (
        ("postgres", settings.postgres_db, check_postgres),
        ("kafka", settings.kafka_server, check_kafka),
        ("registry", settings.schema_server, check_registry),
        ("stage", settings.stage, check_stage),
    )
    for name, is_set, check in parts:
        if not is_set:
            yield warning(name, "not set, so not checked", "see docs/settings.md")
            continue
        try:
            yield from check(settings)
        except RowferryError as error:
            yield problem(name, error)


def check_registry(settings: Settings) -> Iterator[Finding]:
    """The registry answers, and knows the topics' subjects or not yet."""
    with closing(Registry(settings)) as registry:
        topics = settings.received_topics or ("rowferry-check",)
        known = [topic for topic in topics if registry.latest(topic) is not None]
        yield ok("registry", f"reached; schemas for {len(known)} of {len(topics)} topics")


def check_stage(settings: Settings) -> Iterator[Finding]:
    """The stage takes a file, lists it and lets it go; who and what it is, if at Snowflake."""
    if (settings.stage or "").startswith("@"):
        from rowferry.proof.checks_snowflake import check_snowflake

        yield from check_snowflake(settings)
    name = f"{_PROBE_FOLDER}/{uuid.uuid4().hex}.json.gz"
    handle, spooled = tempfile.mkstemp(prefix="rowferry-check-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(gzip.compress(b"{}\n"))
        with closing(open_stage(settings)) as stage:
            stage.put(name, Path(spooled))
            listed = [staged.name for staged in stage.list(name)]
            stage.remove(name)
    finally:
        Path(spooled).unlink(missing_ok=True)
    if listed == [name]:
        yield ok("stage", f"{settings.stage}: wrote, listed and removed a file")
    else:
        yield warning(
            "stage", f"{settings.stage}: a file was written but is not listed", "grant READ on it"
        )
    if settings.max_records == 1:
        yield warning(
            "stage.files",
            "MAX_RECORDS is 1: every record is a file, and loading costs by the file",
            "set MAX_AGE_SECONDS instead, which bounds the delay",
        )


def modes_of(settings: Settings) -> dict[str, Mode]:
    """The mode in which each table is read."""
    return {table: settings.of(table).mode or settings.mode for table in settings.tables}
