"""The demo's own bookkeeping: what the shop committed, what the topic has, what the stage has.

Taken from the three places themselves, by ways of their own: SQL, a consumer without our codecs,
and the staged files as Snowflake loads them. No counter of sender or receiver is asked.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from rowferry.config import Settings
from rowferry.proof.calendar import micros_of
from rowferry.proof.records import RecordReader
from rowferry.proof.topic import TopicReader
from rowferry.registry import Registry

Place = tuple[int, int]  # partition and offset


class Version(NamedTuple):
    """All cells of a row of `products`; the timestamp in microseconds since 1970."""

    product_id: str
    name: str
    category: str
    price: Decimal
    updated_micros: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What the database knows: each committed version with its commit's time, the final rows."""

    versions: Mapping[Version, float]  # seconds since 1970
    count: int
    final: frozenset[Version]


@dataclass(frozen=True, slots=True)
class Found:
    """The comparison of the three places."""

    committed: int
    in_topic: int
    on_stage: int
    missing: int
    duplicated: int
    changed: int


CELLS = """
(p).product_id, (p).name, (p).category, (p).price,
(extract(epoch FROM (p).updated_timestamp) * 1000000)::bigint
"""
VERSIONS = f"""
SELECT {CELLS}, coalesce(extract(epoch FROM pg_xact_commit_timestamp(xid::xid)), 0)::float8
FROM (SELECT product AS p, xid FROM shop.product_versions) AS versions
"""  # noqa: S608 - a constant
FINAL = f"SELECT {CELLS} FROM products AS p"  # noqa: S608 - a constant


def read_committed(dsn: str) -> Committed:
    """Ask the shop's database."""
    import psycopg2

    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(VERSIONS)
        rows = cursor.fetchall()
        cursor.execute(FINAL)
        final = frozenset(Version(*row) for row in cursor.fetchall())
    return Committed({Version(*row[:5]): row[5] for row in rows}, len(rows), final)


def read_topic(settings: Settings, topic: str) -> tuple[dict[Place, Version], dict[Place, float]]:
    """Every committed record of the topic, decoded by fastavro, and when it was produced."""
    found: dict[Place, Version] = {}
    times: dict[Place, float] = {}
    with closing(Registry(settings)) as registry, closing(TopicReader(settings)) as topics:
        reader = RecordReader(registry.by_id)
        for log in topics.logs(topic):
            for record in topics.records(log):
                assert record.value is not None  # noqa: S101 - the shop deletes nothing
                shape, raw = reader.read(record.value)
                cells = (
                    form.raw(raw[name])
                    for name, form in zip(shape.fields, shape.forms, strict=True)
                )
                place = (int(log.partition), record.offset)
                found[place], times[place] = Version(*cells), record.timestamp / 1000
    return found, times


def lines_of_folder(folder: Path) -> Iterator[str]:
    """The lines of every file in a stage that is a folder."""
    for path in sorted(folder.rglob("*.json.gz")):
        yield from map(bytes.decode, gzip.decompress(path.read_bytes()).splitlines())


def lines_of_snowflake(connection: Any, stage: str) -> Iterator[str]:
    """Load the stage into a VARIANT table as anyone would, and select it all."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("CREATE OR REPLACE TABLE rowferry_demo (line VARIANT)")
        cursor.execute(f"COPY INTO rowferry_demo FROM {stage} FILE_FORMAT = (TYPE = JSON)")
        cursor.execute("SELECT line FROM rowferry_demo")
        for (line,) in cursor:
            yield line


def read_lines(lines: Iterable[str]) -> list[tuple[Place, Version]]:
    """Parse lines with their place in the topic; numbers stay exact."""
    found: list[tuple[Place, Version]] = []
    for text in lines:
        line = json.loads(text, parse_float=Decimal)
        version = Version(
            line["product_id"],
            line["name"],
            line["category"],
            Decimal(line["price"]),
            micros_of(line["updated_timestamp"]),
        )
        found.append(((line["_partition"], line["_offset"]), version))
    return found


def compare(
    committed: Committed,
    topic: Mapping[Place, Version],
    stage: list[tuple[Place, Version]],
) -> Found:
    """Hold the three places against each other.

    missing: final versions that topic or stage lacks, and records without a line. duplicated:
    versions more than once in the topic, places more than once on the stage. changed: records
    that no commit made, lines that are not their record.
    """
    in_topic, staged = Counter(topic.values()), dict(stage)
    lacking = {v for v in committed.final if v not in in_topic}
    unstaged = [place for place in topic if place not in staged]
    lacking |= committed.final - set(staged.values())
    unstaged_versions = {topic[place] for place in unstaged} - lacking
    return Found(
        committed=committed.count,
        in_topic=len(topic),
        on_stage=len(stage),
        missing=len(lacking) + len(unstaged_versions),
        duplicated=sum(n - 1 for n in in_topic.values()) + len(stage) - len(staged),
        changed=sum(v not in committed.versions for v in topic.values())
        + sum(topic.get(place) != version for place, version in stage),
    )
