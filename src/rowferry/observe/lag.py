"""Where everything stands: each table's position, each partition's lag, who owns it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from rowferry.config import Settings
from rowferry.errors import Code, RowferryError, Transient
from rowferry.flow.capture import durable
from rowferry.flow.publish import progress
from rowferry.flow.receive.topics import Topics
from rowferry.flow.stage.contract import Stage
from rowferry.flow.stage.kinds import open_stage
from rowferry.flow.stage.names import parse_name, partition_prefix
from rowferry.kafka import admin_config, made
from rowferry.proof.topic import Log, TopicReader

_ASK_SECONDS = 10.0
_DIGITS = 20  # of an offset in a file's name
_FEWEST_VARIED = 3  # digits: the first look is at the files of a thousand offsets


@dataclass(frozen=True, slots=True)
class TablePosition:
    """What is known of a table's sender.

    owner: the id of the instance that opened the table last. captured_at: seconds since 1970 of
    the server's clock at the last poll that found rows. loading: rows of an initial load that is
    not over, None where there is none.
    """

    table: str
    topic: str
    owner: str | None
    captured_at: float | None
    loading: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """A partition of the group: committed is the position up to which all is staged, or -1.

    lag_records counts offsets, and is 0 where only control records follow; lag_seconds is the
    age of the oldest record that is not staged.
    """

    topic: str
    partition: int
    committed: int
    end: int
    lag_records: int
    lag_seconds: float
    owner: str | None
    last_file: str | None


@dataclass(frozen=True, slots=True)
class Stand:
    """A partition's log, and the group's place in it; as in PartitionLag."""

    log: Log
    committed: int
    lag_records: int
    lag_seconds: float


def table_positions(settings: Settings) -> list[TablePosition]:
    """The tables' durable positions, from the progress topic. Raises what Kafka raises.

    A progress topic that is not there is no error: nothing was ever sent.
    """
    topics = Topics(settings)

    def end() -> int:
        place = (settings.progress_topic, progress.PARTITION)
        return next(e for found, e in topics.ends([place[0]]).items() if found == place)

    found: Mapping[str, progress.Parts] = {}
    try:
        found = progress.ProgressReader(settings, end).read(settings.tables)
    except Transient as error:
        if error.code is not Code.TOPIC_GONE:
            raise
    return [_position(settings, table, found.get(table, {})) for table in settings.tables]


def _position(settings: Settings, table: str, parts: progress.Parts) -> TablePosition:
    topic = settings.topic_of(table)
    try:
        owner = progress.owner_of(parts.get(progress.OWNER), table)
        state = durable.decoded(durable.own_parts(parts))
    except RowferryError as error:
        return TablePosition(table, topic, None, None, None, str(error))
    if state is None:
        return TablePosition(table, topic, owner, None, None)
    loading = sum(load.rows for load in state.loads) if state.loads else None
    return TablePosition(table, topic, owner, state.t / 1_000_000, loading)


def partition_lags(settings: Settings) -> Iterator[PartitionLag]:
    """The group's partitions. Raises what Kafka and the stage raise."""
    admin = made(AdminClient, admin_config(settings))
    owners = _owners(admin, settings.group)
    with closing(open_stage(settings)) as stage:
        for stand in stands(settings):
            log = stand.log
            yield PartitionLag(
                log.topic.topic,
                log.partition,
                stand.committed,
                log.high,
                stand.lag_records,
                stand.lag_seconds,
                owners.get((log.topic.topic, log.partition)),
                last_file(stage, log, stand.committed),
            )


def stands(settings: Settings) -> Iterator[Stand]:
    """Where the group stands in each partition, asking Kafka only. Raises what Kafka raises."""
    with closing(TopicReader(settings)) as reader:
        for topic in settings.received_topics:
            logs = reader.logs_if_there(topic)
            committed = reader.committed(settings.group, logs) if logs else {}
            for log in logs:
                position = committed[topic, log.partition]
                oldest = _oldest(reader, log, position)
                yield Stand(
                    log,
                    position,
                    0 if oldest is None else log.high - max(position, log.low),
                    0.0 if oldest is None else max(0.0, round(time.time() - oldest, 3)),
                )


def _oldest(reader: TopicReader, log: Log, position: int) -> float | None:
    """When the first record that is not staged was written; None where there is none."""
    records = reader.records(log, max(0, position))
    first = next(records, None)
    records.close()
    return None if first is None else first.timestamp / 1000


def last_file(stage: Stage, log: Log, position: int) -> str | None:
    """The staged file that ends at the position, found without listing all: names sort by offset.

    First the files that start in the position's own thousand, then in its own ten thousand, …
    """
    if position <= 0:
        return None
    folder = partition_prefix(log.topic, log.partition)
    digits = f"{position - 1:0{_DIGITS}d}"
    for varied in range(_FEWEST_VARIED, _DIGITS + 1):
        listed = stage.list(folder + digits[: _DIGITS - varied])
        named = [(name, file.name) for file in listed if (name := parse_name(file.name))]
        before = [path for name, path in named if name.end <= position]
        if before:
            return before[-1]
    return None


def _owners(admin: AdminClient, group: str) -> dict[tuple[str, int], str]:
    """Which member owns a partition; nobody where the group has no members."""
    try:
        asked = admin.describe_consumer_groups([group], request_timeout=_ASK_SECONDS)
        members: list[Any] = asked[group].result(2 * _ASK_SECONDS).members
    except KafkaException:
        return {}
    return {
        (place.topic, place.partition): f"{member.client_id}@{member.host.strip('/')}"
        for member in members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
    }
