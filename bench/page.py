"""The README's table and docs/benchmarks.md, written from a run's results and from nothing else."""

from collections.abc import Mapping
from typing import Any

from bench.stand import ROOT
from bench.table import COLUMNS, machine, table

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
BEGIN, END = "<!-- bench: begin, written by make bench ARGS=--readme -->\n", "<!-- bench: end -->\n"
MEASUREMENTS = {
    "send": "PostgreSQL → topic, initial load",
    "receive": "topic → gzip JSON files",
    "end_to_end": "table → topic → files, both at once",
    "latency": "200 changes a second",
    "codec_encode": "Avro encode, one core",
    "codec_decode": "Avro decode, one core",
}
SUBJECTS = {
    "rowferry": "**Rowferry**",
    "rowferry_to_file": "**Rowferry**, to the file",
    "script": "psycopg2 + AvroSerializer, a row at a time",
    "debezium": "Debezium on Kafka Connect",
    "debezium_tuned": "Debezium, polling each 10 ms",
    "consumer": "poll + AvroDeserializer + json.dumps + gzip",
    "connect_file": "Kafka Connect's file sink (no JSON, no gzip)",
    "fastavro": "fastavro, from and to dicts",
    "limit": "limit: COPY to /dev/null",
}
FULL = """# Benchmarks

Written by `make bench ARGS=--readme`, which sets all subjects up itself and lets them take turns in
one run on the local stack's real parts. Rowferry's settings are its defaults, but that files have
20,000 rows and go to a folder where throughput is measured. Medians, with the range of the runs in
brackets; CPU is that of the subject's own processes. Absolute figures drift from machine to
machine: only ratios within one run count. The clock starts with the first rows that are visible,
which do not count themselves. What each subject does is said at the top of its file in
[bench/](../bench).

"""


def write(found: Found) -> None:
    """Put the results into both pages. Raises ValueError where the README lost its marks."""
    readme = ROOT / "README.md"
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md has no lines {BEGIN.strip()} and {END.strip()}")
    readme.write_text(before + begin + _short(found) + end + after)
    (ROOT / "docs" / "benchmarks.md").write_text(FULL + table(found) + "\n")


def _short(found: Found) -> str:
    """Medians only, in words, of what a reader compares."""
    used = [name for name in COLUMNS if name != "idle_cpu_percent"]
    lines = [_line(["", "", *(COLUMNS[name][0] for name in used)])]
    lines.append("|---|---" + "|---:" * len(used) + "|\n")
    for measurement, title in MEASUREMENTS.items():
        told = {s: f for s, f in found.get(measurement, {}).items() if s in SUBJECTS}
        for place, (subject, figures) in enumerate(told.items()):
            cells = [COLUMNS[n][1].format(figures[n]) if n in figures else "" for n in used]
            lines.append(_line(["" if place else title, SUBJECTS[subject], *cells]))
    return "".join([*lines, "\n", machine(), " Medians; `make bench` repeats it on yours.\n"])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
