"""Where a Snowflake stage is: parsed and checked once, so that no text of ours can change a SQL."""

import re
from dataclasses import dataclass

from rowferry.errors import Code, ConfigError, DataAtRisk

_IDENTIFIER = r'[A-Za-z_][A-Za-z0-9_$]*|"(?:[^"\'/\\\x00-\x1f\x7f]|"")+"'
_STAGE = re.compile(
    rf"@(?P<place>(?:{_IDENTIFIER})(?:\.(?:{_IDENTIFIER})){{0,2}})(?:/(?P<prefix>.*))?", re.DOTALL
)
_PREFIX = re.compile(r"(?:[\w~=+ -][\w.~=+ -]*(?:/[\w~=+ -][\w.~=+ -]*)*)?", re.ASCII)
_NAME = re.compile(r"(?:[\w~-][\w.~-]*/)*[\w.~-]*", re.ASCII)
_LOCAL = re.compile(r"/[^'\"\\?*\[\]\x00-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Location:
    """A stage, as `stage`, `schema.stage` or `database.schema.stage`, and a prefix on it."""

    place: str
    prefix: str

    def sql(self, name: str = "") -> str:
        """The location of a name, as PUT, LIST, GET and REMOVE take it, in quotes."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name on a stage: {name!r}")
        path = "/".join(filter(None, (self.prefix, name)))
        return f"'@{self.place}/{path}'"

    def relative(self, listed: str) -> str | None:
        """A name as LIST gives it, without stage and prefix; None for what is beside the prefix."""
        path = listed.partition("/")[2]
        if not self.prefix:
            return path
        within, name = path[: len(self.prefix) + 1], path[len(self.prefix) + 1 :]
        return name if within == f"{self.prefix}/" else None


def parse_location(text: str) -> Location:
    """The STAGE setting's `@stage/prefix`. Raises ConfigError for what could be more than that."""
    found = _STAGE.fullmatch(text)
    prefix = (found["prefix"] or "").strip("/") if found else ""
    if found is None or not _PREFIX.fullmatch(prefix):
        raise ConfigError(
            Code.CONFIG,
            "ROWFERRY_STAGE: not @stage/prefix, @schema.stage/prefix or "
            "@database.schema.stage/prefix with plain or double-quoted names",
        )
    return Location(found["place"], prefix)


def local_url(path: str) -> str:
    """A local file or folder, as PUT and GET take it; the connector would expand `?*[`."""
    if not _LOCAL.fullmatch(path):
        raise ConfigError(
            Code.CONFIG,
            "ROWFERRY_SPOOL_DIR: the folder's path has a character that PUT cannot take",
            where=path,
        )
    return f"'file://{path}'"


def gone(location: Location, reason: str) -> DataAtRisk:
    """The stage is missing, or hidden from our role, which Snowflake does not tell apart."""
    return DataAtRisk(
        Code.STAGE_GONE,
        f"the stage cannot be used: {reason}",
        where=f"@{location.place}",
        advice="create it, or grant USAGE on its database and schema, and READ and WRITE on it, "
        "to SNOWFLAKE_ROLE",
    )
