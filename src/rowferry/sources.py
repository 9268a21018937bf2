"""Where settings come from: flag > environment > `.env` > `rowferry.toml` > default."""

import grp
import os
import pwd
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from dotenv.parser import parse_stream
from pydantic import ValidationError

from rowferry.config import FOREIGN_PREFIXES, Settings, environment_name, is_secret
from rowferry.errors import Code, ConfigError
from rowferry.kafka_passed import is_secret_property
from rowferry.lint import lint
from rowferry.printable import printable

TOML_ONLY = ("table", "kafka")
FAMILIES = tuple(prefix.upper() for prefix in FOREIGN_PREFIXES)  # others name theirs so, too
_MISSPELT = 0.9  # likeness to a name of ours
_NOT_SETTINGS = ("ROWFERRY_FAILPOINTS", "ROWFERRY_CACHE", "ROWFERRY_WORKER")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, where each came from (field → source), and what deserves a warning.

    flags: those that were given, as they were given.
    """

    settings: Settings
    origin: Mapping[str, str]
    flags: Mapping[str, Any]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Gathered:
    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    foreign: dict[str, str] = field(default_factory=dict)  # variable → source

    def take(self, values: Mapping[str, Any], source: str) -> None:
        for name, value in values.items():
            self.values[name] = value
            self.origin[name] = source


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    required: Collection[str] = (),
) -> Loaded:
    """Gather the settings of all sources; later problems do not hide earlier ones.

    flags: field → value, None where a flag was not given. folder: where `.env` and
    `rowferry.toml` are looked for. required: the fields that the command cannot do without;
    "tables|topics" asks for one of the two.
    Raises ConfigError with all problems in one message, a line each.
    """
    environ = os.environ if environ is None else environ
    folder = folder or Path.cwd()
    gathered = _Gathered()
    _take_toml(gathered, folder / "rowferry.toml")
    _take_dotenv(gathered, folder / ".env")
    gathered.take(_from_names(environ, "the environment", gathered), "environment")
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    gathered.problems += [_empty_flag(name) for name, value in given.items() if value == ""]
    gathered.take(given, "flag")
    gathered.problems += _misspelt(gathered)
    gathered.problems += _missing(gathered.values, required)
    settings = _validate(gathered)
    if settings is not None:
        gathered.problems += lint(settings, required)
    if gathered.problems or settings is None:
        listed = "\n".join(f"  {printable(problem)}" for problem in gathered.problems)
        count = len(gathered.problems)
        what = f"{count} setting{'s' if count != 1 else ''} to repair:\n{listed}"
        raise ConfigError(Code.CONFIG, what)
    return Loaded(settings, gathered.origin, given, tuple(gathered.warnings))


def _empty_flag(name: str) -> str:
    """An empty variable is an unset one, and children take flags as variables: it cannot reach."""
    return f"{environment_name(name)}: its flag is empty; leave it out, or give it a value"


def _misspelt(gathered: _Gathered) -> list[str]:
    """Others' variables may begin as ours do, and go on; but not be nearly one that is not set."""
    unset = [environment_name(n) for n in Settings.model_fields if n not in gathered.values]
    problems = []
    for variable, source in gathered.foreign.items():
        meant = get_close_matches(variable, unset, 1, _MISSPELT)
        if meant and not variable.startswith(f"{meant[0]}_"):
            problems.append(_unknown(variable, source, _meant(meant)))
    return problems


def _missing(values: Mapping[str, Any], required: Collection[str]) -> list[str]:
    problems = []
    for alternatives in sorted(required):
        names = alternatives.split("|")
        if all(values.get(name) in (None, "", (), []) for name in names):
            listed = " or ".join(environment_name(name) for name in names)
            problems.append(f"{listed}: required, and not set")
    return problems


def _take_toml(gathered: _Gathered, path: Path) -> None:
    try:
        with path.open(encoding="utf-8") as file:
            is_private = not os.fstat(file.fileno()).st_mode & (stat.S_IRGRP | stat.S_IROTH)
            content = tomllib.loads(file.read())
    except FileNotFoundError:
        return
    except OSError as error:
        gathered.problems.append(f"{path.name}: cannot be read: {error.strerror}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        gathered.problems.append(f"{path.name}: not valid TOML: {error}")
        return
    for key in [key for key in content if key not in Settings.model_fields]:
        gathered.problems.append(f"{path.name}: unknown key {key!r}{_hint(key)}")
        del content[key]
    if not is_private:
        gathered.warnings += _readable_secrets(path.name, content)
    gathered.take(content, path.name)


def _readable_secrets(name: str, content: Mapping[str, Any]) -> Iterator[str]:
    """What to do about secrets in a file that others may read; [kafka] has no other place."""
    if any(is_secret(key) for key in content):
        yield f"{name}: others may read a secret in it; move it to .env"
    passed = content.get("kafka")
    if isinstance(passed, dict) and any(is_secret_property(key) for key in passed):
        yield f"{name}: others may read a secret in [kafka]; run: chmod 600 {name}"


def _take_dotenv(gathered: _Gathered, path: Path) -> None:
    try:
        with path.open(encoding="utf-8") as file:
            if not _is_trusted(gathered, path.name, os.fstat(file.fileno())):
                return
            values = _assignments(gathered, path.name, file)
    except FileNotFoundError:
        return
    except OSError as error:
        gathered.problems.append(f"{path.name}: cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        gathered.problems.append(f"{path.name}: not UTF-8 text")
    else:
        gathered.take(_from_names(values, path.name, gathered), path.name)


def _is_trusted(gathered: _Gathered, name: str, status: os.stat_result) -> bool:
    """Whether nobody else can have written it; asked of the open file, not of its name."""
    if status.st_uid not in (os.getuid(), 0):
        gathered.problems.append(f"{name}: belongs to another user; take it over with chown")
        return False
    group_writes = status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)
    if group_writes or status.st_mode & stat.S_IWOTH:
        gathered.problems.append(f"{name}: others may write it; run: chmod 600 {name}")
        return False
    if status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        gathered.warnings.append(f"{name}: others may read it; run: chmod 600 {name}")
    return True


def _is_own_group(gid: int) -> bool:
    """Whether the group is this user's private one, as most distributions make them."""
    try:
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and not group.gr_mem


def _assignments(gathered: _Gathered, name: str, file: TextIO) -> dict[str, str]:
    values: dict[str, str] = {}
    for binding in parse_stream(file):
        if binding.error:
            gathered.problems.append(f"{name}: line {binding.original.line} is not NAME=value")
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _from_names(environ: Mapping[str, str], source: str, gathered: _Gathered) -> dict[str, str]:
    """The settings among variables; an unknown ROWFERRY_* is a problem, others are noted."""
    fields = {environment_name(name): name for name in Settings.model_fields}
    found: dict[str, str] = {}
    for variable, value in environ.items():
        name = fields.get(variable)
        if name in TOML_ONLY:
            gathered.problems.append(f"{variable}: belongs in rowferry.toml, as a table")
        elif name is not None:
            if value != "":  # an empty variable is an unset one, as compose files write them
                found[name] = value
        elif variable.startswith("ROWFERRY_") and variable not in _NOT_SETTINGS:
            gathered.problems.append(_unknown(variable, source, _hint(variable)))
        elif variable.startswith(FAMILIES):
            gathered.foreign[variable] = source
    return found


def _unknown(variable: str, source: str, hint: str) -> str:
    return f"{variable}: unknown setting in {source}{hint}"


def _hint(name: str) -> str:
    known = [environment_name(n) if name.isupper() else n for n in Settings.model_fields]
    return _meant(get_close_matches(name, known, n=1))


def _meant(close: Sequence[str]) -> str:
    return f"; did you mean {close[0]}?" if close else ""


def _validate(gathered: _Gathered) -> Settings | None:
    try:
        return Settings.model_validate(gathered.values)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(problem["loc"][0])
            path = ".".join([environment_name(name), *(str(x) for x in problem["loc"][1:])])
            source = gathered.origin.get(name)
            message = problem["msg"][0].lower() + problem["msg"][1:]
            gathered.problems.append(f"{path}: {message}{f' (from {source})' if source else ''}")
        return None
