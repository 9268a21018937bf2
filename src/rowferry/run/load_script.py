"""The SQL that the target's owner runs once, and what the loader then runs, as one script."""

import json
from collections.abc import Iterator
from contextlib import closing

from rowferry.config import Settings
from rowferry.flow.stage.load_ledger import Ledger
from rowferry.flow.stage.load_names import parse_place
from rowferry.flow.stage.load_statements import LoadTarget
from rowferry.flow.stage.load_targets import ledger_of, subject_of, target_of
from rowferry.flow.stage.names import topic_prefix
from rowferry.flow.stage.snowflake_location import parse_location
from rowferry.registry import Registry
from rowferry.run.loader import refuse_unfit


def script_of(settings: Settings) -> Iterator[str]:
    """Statements and comments, line by line. Asks the registry only; raises what it raises."""
    refuse_unfit(settings)
    stage = parse_location(settings.stage or "").place
    role = _role(settings)
    yield f"CREATE STAGE IF NOT EXISTS {stage} ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE');"
    yield warehouse_grant(settings)
    with closing(Registry(settings)) as registry:
        for topic in settings.received_topics:
            schemas = [json.loads(text) for text in registry.versions(subject_of(settings, topic))]
            target = target_of(settings, topic, schemas)
            ledger = ledger_of(settings, target.place)
            yield f"\n-- {_comment(topic)}"
            for statement in (ledger.create(), *target.definitions()):
                yield f"{statement};"
            for grant in target.grants(role, stage, ledger.place):
                yield f"{grant};"
            yield from _explained(target, ledger, topic)


def warehouse_grant(settings: Settings) -> str:
    """What loading needs beside the tables; the name is yours to fill in where none is set."""
    named = settings.snowflake_warehouse
    warehouse = parse_place(named, "SNOWFLAKE_WAREHOUSE").sql if named else "<warehouse>"
    return f"GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {_role(settings)};"


def _role(settings: Settings) -> str:
    return parse_place(settings.snowflake_role or "ROWFERRY_LOADER", "SNOWFLAKE_ROLE").sql


def _explained(target: LoadTarget, ledger: Ledger, topic: str) -> Iterator[str]:
    """The loader's transaction, and Snowpipe instead of it, as comments."""
    yield "\n-- One transaction of the loader:"
    copied = target.copy(topic_prefix(topic), ["<up to 1,000 names>"])
    yield "--   BEGIN;"
    yield f"--   UPDATE {ledger.place.sql}: NEXT_OFFSET from <from> to <to>; must hit one row"
    yield f"--   {_comment(copied)};"
    if target.upserts:
        yield f"--   {_comment(target.merge())};"
        yield f"--   {_comment(target.empty_staging())};"
    yield "--   COMMIT;"
    if not target.upserts:
        yield "-- Once, if the table has rows of others before Rowferry loads its first:"
        yield f"--   {_comment(ledger.know_target())};"
        yield "-- Instead of the loader, without its ledger: Snowpipe, which forgets after 14 days:"
        yield f"--   {_comment(target.pipe(topic_prefix(topic)))};"
        yield "--   It is told of files by its REST call insertFiles, or by ALTER PIPE … REFRESH."


def _comment(text: str) -> str:
    """On one line, so that nothing of a name ends the comment."""
    return " ".join(text.split())
