"""Avro's own reader in Java, on the runtime and the jars of the local stack.

The runtime has no compiler; Eclipse's, a jar that the lock beside the program pins, serves.
"""

import os
import subprocess
from pathlib import Path

from rowferry.stack.downloads import cache_folder, fetch, parse_line, read_lock, unpacked
from rowferry.stack.java import QUICK_START, java

SOURCE = Path(__file__).parent / "java" / "ReadRecords.java"
LIBRARIES = ("org.apache.avro.avro-1*", "com.fasterxml.jackson.core.*", "org.slf4j.slf4j-api*")


def read_in_java(schemas: dict[int, str], messages: list[bytes], folder: Path) -> list[str]:
    """A line a message, with its cells; see ReadRecords.java."""
    cache = cache_folder()
    lock = SOURCE.with_name("ecj.lock.txt").read_text()
    [compiler] = fetch([parse_line(lock)], cache, "A Java compiler")
    [archive] = fetch(read_lock("registry"), cache, "Apicurio Registry")
    home = unpacked(archive) / "lib" / "main"
    path = os.pathsep.join(str(jar) for name in LIBRARIES for jar in home.glob(f"{name}.jar"))
    classes = folder / "classes"
    run("-jar", str(compiler), "-21", "-cp", path, "-d", str(classes), str(SOURCE))
    known = [f"schema {number} {text}\n" for number, text in schemas.items()]
    asked = folder / "messages.txt"
    asked.write_text("".join([*known, *(f"message {each.hex()}\n" for each in messages)]))
    return run("-cp", f"{path}{os.pathsep}{classes}", "ReadRecords", str(asked)).splitlines()


def run(*words: str) -> str:
    done = subprocess.run(
        [java(), *QUICK_START, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
