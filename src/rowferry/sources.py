"""Where settings come from: flag > environment > `.env` > `rowferry.toml` > default."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from rowferry.config import Settings, environment_name
from rowferry.errors import Code, ConfigError

_TOML_ONLY = ("table", "kafka")
_NOT_SETTINGS = ("ROWFERRY_FAILPOINTS", "ROWFERRY_CACHE")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, where each came from (field → source), and what deserves a warning."""

    settings: Settings
    origin: Mapping[str, str]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Gathered:
    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, values: Mapping[str, Any], source: str) -> None:
        for name, value in values.items():
            self.values[name] = value
            self.origin[name] = source


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    required: frozenset[str] | None = None,
) -> Loaded:
    """Gather the settings of all sources; later problems do not hide earlier ones.

    flags: field → value, None where a flag was not given. folder: where `.env` and
    `rowferry.toml` are looked for. required: further fields that this command cannot do without.
    Raises ConfigError with all problems in one message, a line each.
    """
    environ = os.environ if environ is None else environ
    folder = folder or Path.cwd()
    gathered = _Gathered()
    _take_toml(gathered, folder / "rowferry.toml")
    _take_dotenv(gathered, folder / ".env")
    gathered.take(_from_names(environ, "the environment", gathered), "environment")
    gathered.take({k: v for k, v in (flags or {}).items() if v is not None}, "flag")
    settings = _validate(gathered, required or frozenset())
    if gathered.problems or settings is None:
        listed = "\n".join(f"  {problem}" for problem in gathered.problems)
        count = len(gathered.problems)
        what = f"{count} setting{'s' if count != 1 else ''} to repair:\n{listed}"
        raise ConfigError(Code.CONFIG, what)
    return Loaded(settings, gathered.origin, tuple(gathered.warnings))


def _take_toml(gathered: _Gathered, path: Path) -> None:
    if not path.exists():
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        gathered.problems.append(f"{path.name}: not valid TOML: {error}")
        return
    for key in [key for key in content if key not in Settings.model_fields]:
        gathered.problems.append(f"{path.name}: unknown key {key!r}{_hint(key)}")
        del content[key]
    gathered.take(content, path.name)


def _take_dotenv(gathered: _Gathered, path: Path) -> None:
    if not path.exists():
        return
    status = path.stat()
    if status.st_uid not in (os.getuid(), 0):
        gathered.problems.append(f"{path.name}: belongs to another user; take it over with chown")
        return
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        gathered.problems.append(f"{path.name}: others may write it; run: chmod 600 {path.name}")
        return
    if status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
        gathered.warnings.append(f"{path.name}: others may read it; run: chmod 600 {path.name}")
    values = {k: v for k, v in dotenv_values(path, interpolate=False).items() if v is not None}
    gathered.take(_from_names(values, path.name, gathered), path.name)


def _from_names(environ: Mapping[str, str], source: str, gathered: _Gathered) -> dict[str, str]:
    """The settings among environment variables; an unknown ROWFERRY_* is a problem."""
    fields = {environment_name(name): name for name in Settings.model_fields}
    found: dict[str, str] = {}
    for variable, value in environ.items():
        name = fields.get(variable)
        if name in _TOML_ONLY:
            gathered.problems.append(f"{variable}: belongs in rowferry.toml, as a table")
        elif name is not None:
            if value != "":  # an empty variable is an unset one, as compose files write them
                found[name] = value
        elif variable.startswith("ROWFERRY_") and variable not in _NOT_SETTINGS:
            gathered.problems.append(f"{variable}: unknown setting in {source}{_hint(variable)}")
    return found


def _hint(name: str) -> str:
    known = [environment_name(n) if name.isupper() else n for n in Settings.model_fields]
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _validate(gathered: _Gathered, required: frozenset[str]) -> Settings | None:
    for name in sorted(required):
        if gathered.values.get(name) in (None, "", (), []):
            gathered.problems.append(f"{environment_name(name)}: required, and not set")
    try:
        settings = Settings.model_validate(gathered.values)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = str(problem["loc"][0])
            if name in required and problem["type"] == "missing":
                continue
            path = ".".join([environment_name(name), *(str(x) for x in problem["loc"][1:])])
            source = gathered.origin.get(name)
            message = "required, and not set" if problem["type"] == "missing" else problem["msg"]
            gathered.problems.append(f"{path}: {message}{f' (from {source})' if source else ''}")
        return None
    return settings
