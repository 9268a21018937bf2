"""Which kinds of stages there are, by how the STAGE setting begins."""

from pathlib import Path

from rowferry.config import Settings, environment_name
from rowferry.errors import Code, ConfigError
from rowferry.flow.stage.contract import Stage
from rowferry.flow.stage.directory import DirectoryStage


def _directory(settings: Settings) -> Stage:
    return DirectoryStage(Path((settings.stage or "").removeprefix("file:")).expanduser())


def _snowflake(settings: Settings) -> Stage:
    from rowferry.flow.stage.snowflake import SnowflakeStage

    return SnowflakeStage(settings)


KINDS = {"file:": _directory, "@": _snowflake}


def open_stage(settings: Settings) -> Stage:
    """The stage that the settings name.

    Raises ConfigError, AccessDenied, DataAtRisk (STAGE_GONE), Transient.
    """
    for beginning, constructor in KINDS.items():
        if (settings.stage or "").startswith(beginning):
            return constructor(settings)
    raise ConfigError(
        Code.CONFIG,
        f"{environment_name('stage')}: neither @stage/prefix nor file:/folder",
    )
