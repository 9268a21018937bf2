"""`rowferry init`: a commented .env, and what the systems' owners have to run."""

import os
from pathlib import Path
from typing import Annotated

import typer

from rowferry.cli import render
from rowferry.cli.flags import uses_settings
from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.sources import Loaded


@uses_settings("PostgreSQL", "Kafka", "Snowflake", "What is carried", "Publish", "Stage")
def init(
    loaded: Loaded,
    yes: Annotated[
        bool, typer.Option("--yes", help="Create the topics and the folder of a file: stage.")
    ] = False,
) -> None:
    """Write a commented .env and a key pair, unless they are there; print the SQL to run.

    The SQL goes to stdout and names what the settings name, the new public key, too. A key pair is
    made for a Snowflake stage without another login. Nothing else is created without --yes.
    """
    from rowferry.cli.grants import all_of
    from rowferry.cli.init_snowflake import with_key_pair

    settings = with_key_pair(loaded.settings)
    chosen = settings.snowflake_private_key_file
    is_new = chosen != loaded.settings.snowflake_private_key_file
    _write_dotenv(Path.cwd() / ".env", f"SNOWFLAKE_PRIVATE_KEY_FILE={chosen}" if is_new else "")
    render.line("\n\n".join(all_of(settings)))
    if yes:
        _create_topics(settings)
        _create_folder(settings)
    else:
        render.note(
            "Nothing else was created; with --yes the topics and a file: stage's folder are."
        )


def _write_dotenv(path: Path, line: str) -> None:
    from rowferry.cli.reference import env_example

    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(env_example() + (f"\n{line}\n" if line else ""))
    except FileExistsError:
        to_add = f" Add to it: {line}" if line else ""
        render.note(f".env is there already, and was left as it is.{to_add}")
    except OSError as error:
        what = f".env cannot be written: {error.strerror}"
        raise ConfigError(Code.CONFIG, what, where=str(path.parent)) from error
    else:
        render.note("Wrote .env, readable by you alone. Fill it in, then: rowferry check")


def _create_topics(settings: Settings) -> None:
    from rowferry.flow.publish.topics import Topics

    if not (settings.kafka_server and settings.tables):
        render.note("No topics were created: KAFKA_SERVER or ROWFERRY_TABLES is not set.")
        return
    topics = Topics(settings)
    topics.progress()
    names = [settings.topic_of(table) for table in settings.tables]
    there = topics.describe(names)
    for name in names:
        if name in there:
            render.note(f"topic {name}: is there")
        else:
            render.note(f"topic {name}: created with {topics.create(name).partitions} partitions")


def _create_folder(settings: Settings) -> None:
    from contextlib import closing

    from rowferry.flow.stage.kinds import open_stage

    if (settings.stage or "").startswith("file:"):
        with closing(open_stage(settings)):
            render.note(f"stage {settings.stage}: is there")
    elif settings.stage:
        render.note(f"stage {settings.stage}: run the Snowflake SQL above as the schema's owner")
