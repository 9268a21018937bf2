"""`rowferry check`: every connection, privilege, table, topic and stage, before anything runs."""

from dataclasses import asdict
from typing import Annotated

import typer

from rowferry.cli import render
from rowferry.cli.flags import uses_settings
from rowferry.sources import Loaded


@uses_settings()
def check(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Look at everything that the settings name, and say how to repair what is wrong.

    Exit code 0 without problems, else that of the first one; warnings keep nothing from running.
    """
    from rowferry.proof.checks import Level, run_checks

    found = []
    for finding in run_checks(loaded.settings):
        found.append(finding)
        if not as_json:
            repair = f" — {finding.repair}" if finding.repair else ""
            render.line(f"{finding.level.value:8}{finding.name}: {finding.text}{repair}")
    problems = [finding for finding in found if finding.level is Level.PROBLEM]
    if as_json:
        render.emit_json({"ok": not problems, "findings": [asdict(finding) for finding in found]})
    return problems[0].exit_code if problems else 0
