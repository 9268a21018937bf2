"""Reading a topic in Python: fetch → decode → batches or rows, in offset order; nothing is written.

A batch holds consecutive records of one partition, of one schema and one `_op`.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pyarrow as pa
import structlog

from rowferry.config import Settings, Unreadables
from rowferry.errors import Code, Transient, Unreadable
from rowferry.flow.receive.decode import Decoder, Readable
from rowferry.flow.receive.reading import Start, TopicReading, check_start
from rowferry.flow.stage.lines import LineFormat, line_format
from rowferry.kernel.avro import TooLargeTogether
from rowferry.kernel.rows import Row, python_rows
from rowferry.model import DecodedRecords, RawRecords
from rowferry.registry import Registry
from rowferry.run.patience import Retry, first_reach
from rowferry.run.pressure import Pressure
from rowferry.sources import load_settings
from rowferry.stop import Stop

Batches = Generator[pa.RecordBatch, None, None]
Rows = Generator[Row, None, None]

log = structlog.get_logger()


@overload
def read(
    topic: str,
    settings: Settings | None = None,
    *,
    rows: Literal[False] = False,
    start: Start = "beginning",
    follow: Stop | None = None,
) -> Batches: ...
@overload
def read(
    topic: str,
    settings: Settings | None = None,
    *,
    rows: Literal[True],
    start: Start = "beginning",
    follow: Stop | None = None,
) -> Rows: ...
def read(
    topic: str,
    settings: Settings | None = None,
    *,
    rows: bool = False,
    start: Start = "beginning",
    follow: Stop | None = None,
) -> Batches | Rows:
    """The committed records of a topic, as Arrow batches or, with rows=True, as dicts.

    settings: None for those of the environment, `.env` and `rowferry.toml`. start: "beginning",
    "end", an aware time (records from then on), or {partition: offset}, the others from their
    beginning. follow: go on behind the end until this Stop is requested; None: end where the topic
    ended when reading began. METADATA says which columns stand behind the row's.

    Nothing is opened before the first item is asked for; close() lets go of everything.
    Raises RowferryErrors: Unreadable at a record that cannot be read, unless ON_UNREADABLE is
    dead_letter (then it is passed over, and logged), DataAtRisk for a start that has expired,
    RetryBudgetSpent where brokers or registry are not reached for CONNECT_SECONDS.
    """
    check_start(start)
    if settings is None:
        settings = load_settings(required=("kafka_server", "schema_server")).settings
    batches = _batches(topic, settings, start, follow)
    return _rows(batches) if rows else batches


def _rows(batches: Batches) -> Rows:
    with closing(batches):
        for batch in batches:
            yield from python_rows(batch)


def _batches(topic: str, settings: Settings, start: Start, follow: Stop | None) -> Batches:
    stop = follow or Stop()
    with ExitStack() as parts:
        opened = first_reach(lambda: _open(settings, topic, start, parts), settings, stop)
        if opened is None:
            return
        reading, registry = opened
        decoder = Decoder(registry, settings.unwrap)
        retry, pressure = Retry(settings, stop), Pressure(settings)
        format_ = line_format(settings.metadata, settings.decimals, settings.unwrap)
        while not stop.requested and not (follow is None and reading.is_at_end):
            for raw in reading.fetch(pressure.most, pressure.poll_seconds):
                pressure.weigh(raw)
                for part, readable in _decoded(decoder, raw, retry, stop):
                    yield from _told(readable, part, format_, settings)


def _open(
    settings: Settings, topic: str, start: Start, parts: ExitStack
) -> tuple[TopicReading, Registry]:
    """What is opened is closed with the parts, also where the other cannot be opened."""
    with ExitStack() as opening:
        registry = opening.enter_context(closing(Registry(settings)))
        reading = opening.enter_context(closing(TopicReading(settings, topic, start)))
        parts.push(opening.pop_all())
    return reading, registry


def _decoded(
    decoder: Decoder, raw: RawRecords, retry: Retry, stop: Stop
) -> Iterator[tuple[RawRecords, Readable]]:
    """Decode, in runs that keep within memory; ends early where a stop was asked for."""
    left = [raw]
    while left:
        part = left.pop()
        try:
            readable = _decode(decoder, part, retry, stop)
        except TooLargeTogether:
            left += reversed(part.halves())
            continue
        if readable is None:
            return
        yield part, readable


def _decode(decoder: Decoder, raw: RawRecords, retry: Retry, stop: Stop) -> Readable | None:
    """Decode, while the registry is away again and again; None where a stop was asked for."""
    while not stop.requested:
        try:
            readable = decoder.decode(raw)
        except Transient as error:
            retry.wait(error)
        else:
            retry.succeeded()
            return readable
    return None


def _told(
    readable: Readable, raw: RawRecords, format_: LineFormat, settings: Settings
) -> Iterator[pa.RecordBatch]:
    """What could be read, up to what stops us."""
    bad = readable.bad
    stops = bool(bad) and settings.on_unreadable is Unreadables.STOP
    end = raw.offsets[min(bad)].as_py() if stops else raw.next_offset
    for group in in_order(readable.groups):
        rows = int(np.searchsorted(group.offsets.to_numpy(), end))
        if rows:
            yield format_.with_metadata(_part(group, 0, rows))
    for index in sorted(bad):
        where = f"{raw.topic}/{raw.partition} offset {raw.offsets[index]}"
        if stops:
            raise Unreadable(
                Code.UNREADABLE,
                f"a record cannot be read: {bad[index]}",
                where=where,
                advice="start behind it, or set ROWFERRY_ON_UNREADABLE=dead_letter to pass it over",
            )
        log.warning("read.unreadable", record=where, reason=bad[index])


def in_order(groups: Sequence[DecodedRecords]) -> Iterator[DecodedRecords]:
    """The groups of one partition cut into runs, so that offsets ascend from one to the next."""
    if len(groups) <= 1:
        yield from groups
        return
    offsets = np.concatenate([group.offsets.to_numpy() for group in groups])
    sizes = [len(group.offsets) for group in groups]
    group_of = np.repeat(np.arange(len(groups)), sizes)[np.argsort(offsets, kind="stable")]
    starts = np.flatnonzero(np.diff(group_of, prepend=-1))
    done = [0] * len(groups)
    for first, last in zip(starts, [*starts[1:], len(group_of)], strict=True):
        place = int(group_of[first])
        yield _part(groups[place], done[place], int(last - first))
        done[place] += int(last - first)


def _part(group: DecodedRecords, first: int, rows: int) -> DecodedRecords:
    if rows == len(group.offsets):
        return group
    cut: dict[str, Any] = {
        name: getattr(group, name).slice(first, rows)
        for name in ("batch", "ops", "offsets", "timestamps")
    }
    return replace(group, keys=group.keys[first : first + rows], **cut)
