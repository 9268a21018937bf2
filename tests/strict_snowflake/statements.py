"""Reads the statements about stages; all others are for the tables' engine."""

import re
from dataclasses import dataclass

from strict_snowflake.stages import Encryption, SqlError

IDENTIFIER = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
QUALIFIED = rf"{IDENTIFIER}(?:\.{IDENTIFIER}){{0,2}}"
STAGE = rf"@(?P<stage>{QUALIFIED})(?P<path>/[^\s';]*)?"
QUOTED_STAGE = rf"'@(?P<qstage>{QUALIFIED})(?P<qpath>/[^']*)?'"
LOCATION = rf"(?:{QUOTED_STAGE}|{STAGE})"
LOCAL = r"(?:'file://(?P<quoted>[^']*)'|file://(?P<bare>\S+))"

_FLAGS = re.IGNORECASE | re.DOTALL
PUT_OPTIONS = {"OVERWRITE", "AUTO_COMPRESS", "SOURCE_COMPRESSION", "PARALLEL"}
_PUT = re.compile(rf"PUT\s+{LOCAL}\s+{LOCATION}(?P<rest>.*)", _FLAGS)
_GET = re.compile(rf"GET\s+{LOCATION}\s+{LOCAL}(?P<rest>.*)", _FLAGS)
_LIST = re.compile(rf"(?:LIST|LS)\s+{LOCATION}(?P<rest>.*)", _FLAGS)
_REMOVE = re.compile(rf"(?:REMOVE|RM)\s+{LOCATION}(?P<rest>.*)", _FLAGS)
_CREATE = re.compile(
    rf"CREATE\s+(?P<replace>OR\s+REPLACE\s+)?(?P<temporary>TEMP(?:ORARY)?\s+)?STAGE\s+"
    rf"(?P<exists>IF\s+NOT\s+EXISTS\s+)?(?P<stage>{QUALIFIED})(?P<rest>.*)",
    _FLAGS,
)
_CREATE_FORMAT = re.compile(
    rf"CREATE\s+(?:OR\s+REPLACE\s+)?FILE\s+FORMAT\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?P<name>{QUALIFIED})(?P<rest>.*)",
    _FLAGS,
)
_FILE_FORMAT = re.compile(r"FILE_FORMAT\s*=\s*\((?P<format>[^()]*)\)", _FLAGS)
_DROP = re.compile(
    rf"DROP\s+STAGE\s+(?P<exists>IF\s+EXISTS\s+)?(?P<stage>{QUALIFIED})\s*",
    _FLAGS,
)
_DESCRIBE = re.compile(rf"DESC(?:RIBE)?\s+STAGE\s+(?P<stage>{QUALIFIED})\s*", _FLAGS)
_SHOW = re.compile(
    rf"SHOW\s+STAGES(?:\s+LIKE\s+'(?P<like>[^']*)')?"
    rf"(?:\s+IN\s+(?:SCHEMA\s+(?P<schema>{QUALIFIED})|DATABASE\s+{QUALIFIED}|ACCOUNT))?\s*",
    _FLAGS,
)
_GRANT = re.compile(
    rf"(?P<verb>GRANT|REVOKE)\s+(?P<privileges>[A-Za-z, ]+?)\s+ON\s+STAGE\s+(?P<stage>{QUALIFIED})"
    rf"\s+(?:TO|FROM)\s+(?:ROLE\s+)?(?P<role>{IDENTIFIER})\s*",
    _FLAGS,
)
_COMMENTS = re.compile(r"^(\s*(--[^\n]*\n|/\*.*?\*/))*", re.DOTALL)
_ENCRYPTION = re.compile(r"ENCRYPTION\s*=\s*\(\s*TYPE\s*=\s*'?(\w+)'?", re.IGNORECASE)
_OPTION = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|\w+)")


def identifiers(text: str) -> tuple[str, ...]:
    """The parts of a dotted name as Snowflake resolves them: upper case unless in double quotes."""
    parts = re.findall(IDENTIFIER, text)
    return tuple(
        part[1:-1].replace('""', '"') if part.startswith('"') else part.upper() for part in parts
    )


@dataclass(frozen=True)
class Location:
    """A stage, 1 to 3 parts, and the path in it, as written, without a leading slash."""

    stage: tuple[str, ...]
    path: str = ""


@dataclass(frozen=True)
class Put:
    source: str
    to: Location
    overwrite: bool
    auto_compress: bool
    source_compression: str


@dataclass(frozen=True)
class Get:
    source: Location
    folder: str
    pattern: str | None


@dataclass(frozen=True)
class ListFiles:
    source: Location
    pattern: str | None


@dataclass(frozen=True)
class Remove:
    source: Location
    pattern: str | None


@dataclass(frozen=True)
class CreateStage:
    stage: tuple[str, ...]
    encryption: Encryption
    replace: bool
    if_not_exists: bool
    temporary: bool
    file_format: dict[str, str]


@dataclass(frozen=True)
class CreateFileFormat:
    name: tuple[str, ...]
    options: dict[str, str]


@dataclass(frozen=True)
class DropStage:
    stage: tuple[str, ...]
    if_exists: bool


@dataclass(frozen=True)
class DescribeStage:
    stage: tuple[str, ...]


@dataclass(frozen=True)
class ShowStages:
    like: str | None


@dataclass(frozen=True)
class GrantOnStage:
    stage: tuple[str, ...]
    privileges: frozenset[str]
    role: str
    revokes: bool


Definition = CreateStage | CreateFileFormat | DropStage | DescribeStage | ShowStages
Statement = Put | Get | ListFiles | Remove | Definition | GrantOnStage


def without_comments(sql: str) -> str:
    """The statement without comments before it and semicolons behind it."""
    return _COMMENTS.sub("", sql).strip().rstrip(";").rstrip()


def read_statement(sql: str) -> Statement | None:
    """The statement about stages that the text is; None for any other. Raises SqlError."""
    text = without_comments(sql)
    readers = (_read_put, _read_get, _read_list, _read_remove, _read_ddl, _read_grant)
    for reader in readers:
        found = reader(text)
        if found is not None:
            return found
    if re.match(r"(PUT|GET|LIST|LS|REMOVE|RM)\b", text, re.IGNORECASE):
        raise SqlError("001003", "42000", "SQL compilation error:\nsyntax error near the stage.")
    return None


def location(match: re.Match[str]) -> Location:
    """The stage and path that LOCATION has matched."""
    stage = match["qstage"] or match["stage"]
    return Location(identifiers(stage), (match["qpath"] or match["path"] or "").lstrip("/"))


def options(text: str) -> dict[str, str]:
    """`NAME = value` pairs, names in upper case, values without their quotes."""
    return {
        name.upper(): value[1:-1].replace("''", "'") if value.startswith("'") else value.upper()
        for name, value in _OPTION.findall(text)
    }


def only_options(text: str, known: set[str]) -> dict[str, str]:
    """The same where nothing else may stand. Raises SqlError."""
    given = options(text)
    if _OPTION.sub("", text).strip() or set(given) - known:
        raise SqlError(
            "001003", "42000", f"SQL compilation error:\nsyntax error at '{text.strip()}'."
        )
    return given


def pattern(text: str) -> str | None:
    """PATTERN = '…', where nothing else may stand."""
    return only_options(text, {"PATTERN"}).get("PATTERN")


def file_format(text: str) -> dict[str, str]:
    """The options of FILE_FORMAT = (…); none where it is not given."""
    found = _FILE_FORMAT.search(text)
    return options(found["format"]) if found else {}


def without_file_format(text: str) -> str:
    return _FILE_FORMAT.sub("", text)


def _read_put(text: str) -> Put | None:
    match = _PUT.fullmatch(text)
    if match is None:
        return None
    given = only_options(match["rest"], PUT_OPTIONS)
    return Put(
        source=match["quoted"] or match["bare"],
        to=location(match),
        overwrite=given.get("OVERWRITE", "FALSE") == "TRUE",
        auto_compress=given.get("AUTO_COMPRESS", "TRUE") == "TRUE",
        source_compression=given.get("SOURCE_COMPRESSION", "AUTO_DETECT").lower(),
    )


def _read_get(text: str) -> Get | None:
    match = _GET.fullmatch(text)
    if match is None:
        return None
    folder = match["quoted"] or match["bare"]
    return Get(location(match), folder, pattern(match["rest"]))


def _read_list(text: str) -> ListFiles | None:
    match = _LIST.fullmatch(text)
    return match and ListFiles(location(match), pattern(match["rest"]))


def _read_remove(text: str) -> Remove | None:
    match = _REMOVE.fullmatch(text)
    return match and Remove(location(match), pattern(match["rest"]))


def _read_ddl(text: str) -> Definition | None:
    if match := _CREATE.fullmatch(text):
        kind = _ENCRYPTION.search(match["rest"])
        return CreateStage(
            stage=identifiers(match["stage"]),
            encryption=Encryption(kind[1].upper()) if kind else Encryption.FULL,
            replace=bool(match["replace"]),
            if_not_exists=bool(match["exists"]),
            temporary=bool(match["temporary"]),
            file_format=file_format(match["rest"]),
        )
    if match := _CREATE_FORMAT.fullmatch(text):
        return CreateFileFormat(identifiers(match["name"]), options(match["rest"]))
    if match := _DROP.fullmatch(text):
        return DropStage(identifiers(match["stage"]), bool(match["exists"]))
    if match := _DESCRIBE.fullmatch(text):
        return DescribeStage(identifiers(match["stage"]))
    if match := _SHOW.fullmatch(text):
        return ShowStages(match["like"])
    return None


def _read_grant(text: str) -> GrantOnStage | None:
    match = _GRANT.fullmatch(text)
    if match is None:
        return None
    named = {part.strip().upper() for part in match["privileges"].split(",")}
    everything = named & {"ALL", "ALL PRIVILEGES", "OWNERSHIP"}
    return GrantOnStage(
        stage=identifiers(match["stage"]),
        privileges=frozenset({"READ", "WRITE"} if everything else named),
        role=identifiers(match["role"])[0],
        revokes=match["verb"].upper() == "REVOKE",
    )
