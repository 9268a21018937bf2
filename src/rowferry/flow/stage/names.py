"""Names of staged files: a function of topic, partition and offsets, and of nothing else."""

import hashlib
import re
from dataclasses import dataclass

from rowferry.model import Offset, Partition, Range, TopicId

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_LONGEST_FOLDER = 200  # bytes; file systems end at 255
_KEPT_OF_A_LONG_NAME = 150
_NAME = re.compile(
    r"(?P<topic>[\w.~-]+)/(?P<short_id>[\w-]{8})/p(?P<partition>\d{5,10})"
    r"/(?P<start>\d{20})-(?P<end>\d{20})-(?P<rows>\d{1,20})\.json\.gz",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class FileName:
    """What a staged file's name says; topic_folder is the topic as encode_topic() writes it."""

    topic_folder: str
    short_id: str
    partition: Partition
    start: Offset
    end: Offset
    rows: int


def encode_topic(topic: str) -> str:
    """A folder's name for a topic: letters, digits, `_-.`, and `~XX` for any other byte.

    Different topics have different folders. A name that would be too long for a file system
    keeps its beginning and ends in `~~` and its SHA-256.
    """
    encoded = "".join(
        chr(byte) if byte in _PLAIN and not (index == 0 and byte == ord(".")) else f"~{byte:02X}"
        for index, byte in enumerate(topic.encode())
    )
    if len(encoded) <= _LONGEST_FOLDER:
        return encoded
    digest = hashlib.sha256(topic.encode()).hexdigest()[:48]
    return f"{encoded[:_KEPT_OF_A_LONG_NAME]}~~{digest}"


def topic_prefix(topic: str) -> str:
    """What the names of all creations of a topic begin with."""
    return f"{encode_topic(topic)}/"


def partition_prefix(topic: TopicId, partition: Partition) -> str:
    """What the names of a partition's files begin with."""
    return f"{topic_prefix(topic.topic)}{topic.short_id}/p{partition:05d}/"


def position_prefix(topic: TopicId, partition: Partition, position: Offset) -> str:
    """What the name of the file that starts at the position begins with."""
    return f"{partition_prefix(topic, partition)}{position:020d}-"


def file_name(covered: Range) -> str:
    """The name of the file of a range, relative to the stage's prefix."""
    start = position_prefix(covered.topic, covered.partition, covered.start)
    return f"{start}{covered.end:020d}-{covered.rows}.json.gz"


def parse_name(name: str) -> FileName | None:
    """What the name says; None for a file that is not ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return FileName(
        found["topic"],
        found["short_id"],
        Partition(int(found["partition"])),
        Offset(int(found["start"])),
        Offset(int(found["end"])),
        int(found["rows"]),
    )
