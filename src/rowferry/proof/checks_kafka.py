"""Checks of the cluster: reached, allowed, and the topics fit."""

from collections.abc import Iterator

from rowferry.config import Settings
from rowferry.errors import RowferryError
from rowferry.flow.publish.topics import NO_ID, Topics
from rowferry.proof.checks import Finding, ok, problem, warning


def check_kafka(settings: Settings) -> Iterator[Finding]:
    """The brokers answer; each topic is there and fit, or will be created."""
    topics = Topics(settings)
    topics.describe([])
    names = settings.received_topics
    yield from _reached(settings, topics)
    for name in names:
        try:
            found = topics.describe([name])
        except RowferryError as error:
            yield problem(f"topic {name}", error)
            continue
        if name not in found:
            yield warning(
                f"topic {name}",
                "does not exist yet",
                "send creates it, where KAFKA_USERNAME may; else create it",
            )
        elif found[name].short_id == NO_ID:
            yield warning(
                f"topic {name}",
                "the broker has no topic ids: a topic that is created again is not noticed",
                "use Kafka 2.8 or newer",
            )
        else:
            yield ok(f"topic {name}", f"{found[name].partitions} partitions")


def _reached(settings: Settings, topics: Topics) -> Iterator[Finding]:
    found = topics.describe([settings.progress_topic])
    there = "is there" if settings.progress_topic in found else "will be created by send"
    yield ok("kafka", f"reached; the progress topic {settings.progress_topic} {there}")
