"""`rowferry verify`: the proof that nothing is missing, repeated or changed."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rowferry.cli import render
from rowferry.cli.flags import RECEIVING, uses_settings
from rowferry.errors import DataAtRisk
from rowferry.sources import Loaded

if TYPE_CHECKING:
    from rowferry.proof.verify import Verification

_MEANINGS = {
    "rows": "rows in the tables",
    "records": "records in the topics",
    "lines": "lines on the stage",
    "files": "files on the stage",
    "gaps": "ranges of offsets that no file has",
    "overlaps": "ranges of offsets that two files have",
    "duplicates": "records staged twice",
    "missing": "rows or records that did not arrive",
    "changed": "rows or lines that differ",
    "pending": "records not staged yet",
    "repeated": "row versions sent again",
    "unreadable": "records set aside",
    "unproven": "rows or lines whose records have expired",
    "purged": "offsets that are loaded, and whose files were removed",
}


@uses_settings(
    "PostgreSQL",
    "Kafka",
    "Schema registry",
    "Snowflake",
    "What is carried",
    "Receive",
    "Stage",
    "Load",
    required=RECEIVING,
)
def verify(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    names_only: Annotated[
        bool, typer.Option("--names-only", help="Look at the files' names, not at their lines.")
    ] = False,
    grace_seconds: Annotated[
        float, typer.Option(help="How long rows committed meanwhile may take to the topic.")
    ] = 10.0,
) -> int:
    """Prove from what is really there that the stage is complete: exit code 0, else 4.

    The files' names must cover each partition once; each record of the topic must be one line
    with the same cells; the final version of each row of the tables must be in the topic (where
    TABLES and POSTGRES_DB are set). Sender, receiver and loader may go on meanwhile. Where
    METADATA leaves `_offset` out, a file's lines are held against its records in their order.
    What is pending, repeated, unreadable, unproven or purged is told, and does not make it
    incomplete.
    """
    from rowferry.proof.verify import verify as prove

    found = prove(loaded.settings, deep=not names_only, grace_seconds=grace_seconds)
    if as_json:
        render.emit_json({"complete": found.complete, **asdict(found)})
    else:
        _show(found)
    return 0 if found.complete else DataAtRisk.exit_code


def _show(found: "Verification") -> None:
    for finding in found.findings:
        render.note(finding)
    counts = asdict(found)
    render.table(
        ["count", "", "of"],
        [[str(counts[name]), name, meaning] for name, meaning in _MEANINGS.items()],
    )
    render.note("Complete." if found.complete else "Not complete.")
