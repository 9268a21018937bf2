"""`rowferry schema`: the Avro schemas that the catalog leads to."""

import json
from contextlib import closing
from typing import Annotated, Any

import typer

from rowferry.cli import render
from rowferry.cli.flags import DATABASE, uses_settings
from rowferry.sources import Loaded


@uses_settings("PostgreSQL", "What is carried", required=(*DATABASE, "tables"))
def schema(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print the Avro schemas of each table's values and keys, as send registers them."""
    from rowferry.flow.capture.catalog import read_table, split_name
    from rowferry.flow.capture.postgres import connected
    from rowferry.flow.capture.treatments import treated
    from rowferry.flow.encode.schema import key_schema, value_schema

    settings = loaded.settings
    found: dict[str, Any] = {}
    with closing(connected(settings)) as session:
        for name in settings.tables:
            table = treated(read_table(session, *split_name(name), None), settings)
            found[table.qualified] = {
                "topic": settings.topic_of(name),
                "value": value_schema(table, settings),
                "key": key_schema(table, settings) or "text",
            }
    if as_json:
        render.emit_json(found)
        return
    for name, schemas in found.items():
        render.line(f"# {name} → {schemas['topic']}")
        for part in ("value", "key"):
            render.line(f"# {part}\n{json.dumps(schemas[part], indent=2, ensure_ascii=False)}")
