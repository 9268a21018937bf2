"""Statements on an emulated Snowflake stage, which is a folder: LIST, REMOVE, PUT and GET."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

_STAGE = r"(?P<sq>'?)@(?P<stage>[^\s'/;]+)(?P<path>/[^\s';]*)?(?P=sq)"
_FILE = r"(?P<fq>'?)file://(?P<file>[^']*?)(?P=fq)"
_OPTIONS = r"(?P<options>(?:\s+\w+\s*=\s*(?:'[^']*'|\w+))*)\s*;?\s*"
_FLAGS = re.IGNORECASE | re.DOTALL
_STATEMENTS = {
    "LIST": re.compile(rf"\s*(?:LIST|LS)\s+{_STAGE}{_OPTIONS}", _FLAGS),
    "REMOVE": re.compile(rf"\s*(?:REMOVE|RM)\s+{_STAGE}{_OPTIONS}", _FLAGS),
    "PUT": re.compile(rf"\s*PUT\s+{_FILE}\s+{_STAGE}{_OPTIONS}", _FLAGS),
    "GET": re.compile(rf"\s*GET\s+{_STAGE}\s+{_FILE}{_OPTIONS}", _FLAGS),
}
_OPTION = re.compile(r"(\w+)\s*=\s*(?:'([^']*)'|(\w+))")
_COMMENT = re.compile(r"\A\s*(?:/\*.*?\*/|--[^\n]*\n)", re.DOTALL)
_QUOTED_SOURCE = re.compile(r"(\bFROM\s+)'(@[\w./$-]+)'", re.IGNORECASE)

ListRow = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class StageStatement:
    """A statement on a stage: its verb, the stage as written, the path behind it, the options."""

    verb: str
    stage: str
    path: str
    file: str
    options: dict[str, str]

    def flag(self, name: str, *, default: bool) -> bool:
        """A TRUE or FALSE option."""
        return self.options.get(name, str(default)).upper() == "TRUE"


def parse_statement(text: str) -> StageStatement | None:
    """The statement, where it is one of ours; None where it is any other SQL."""
    while found := _COMMENT.match(text):
        text = text[found.end() :]
    for verb, pattern in _STATEMENTS.items():
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            found_options = _OPTION.findall(parts["options"])
            options = {name.upper(): quoted or bare for name, quoted, bare in found_options}
            path = (parts["path"] or "").removeprefix("/")
            return StageStatement(verb, parts["stage"], path, parts.get("file") or "", options)
    return None


def unquote_stage(text: str) -> str:
    """COPY INTO … FROM '@stage/path' as the emulator takes it: without the quotes."""
    return _QUOTED_SOURCE.sub(r"\1\2", text)


class StageFolder:
    """The files of one stage. Paths are prefixes of names, as on the stores behind Snowflake."""

    def __init__(self, folder: Path, stage_name: str) -> None:
        self._folder, self._stage_name = folder, stage_name.lower()

    def matching(self, prefix: str, pattern: str | None = None) -> Iterator[tuple[str, Path]]:
        """Name within the stage and path of the files below a prefix, in order of name."""
        rule = re.compile(pattern) if pattern is not None else None
        parent = self._folder / prefix.rpartition("/")[0]
        if not self._inside(parent) or not parent.is_dir():
            return
        for path in sorted(path for path in parent.rglob("*") if path.is_file()):
            name = path.relative_to(self._folder).as_posix()
            if name.startswith(prefix) and (rule is None or rule.fullmatch(name)):
                yield name, path

    def target(self, path: str, file_name: str) -> Path | None:
        """Where a file of this name under this path is kept; None where that is outside."""
        target = self._folder / path / file_name
        return target if self._inside(target) else None

    def rows(self, prefix: str, pattern: str | None) -> list[ListRow]:
        """The answer of LIST: name, size, md5, last modified."""
        return [self._row(name, path) for name, path in self.matching(prefix, pattern)]

    def remove(self, prefix: str, pattern: str | None) -> list[tuple[str, str]]:
        """Delete files; the answer of REMOVE."""
        removed = []
        for name, path in list(self.matching(prefix, pattern)):
            path.unlink(missing_ok=True)
            removed.append((f"{self._stage_name}/{name}", "removed"))
        return removed

    def _row(self, name: str, path: Path) -> ListRow:
        status = path.stat()
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        modified = formatdate(status.st_mtime, usegmt=True)
        return f"{self._stage_name}/{name}", str(status.st_size), md5, modified

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._folder.resolve())


def uploaded_name(statement: StageStatement) -> str:
    """The name a PUT gives its file: the local one, with `.gz` where the client compresses it."""
    name = statement.file.rpartition("/")[2]
    compresses = statement.flag("AUTO_COMPRESS", default=True)
    return f"{name}.gz" if compresses and not name.endswith(".gz") else name
