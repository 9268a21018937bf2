"""What a role without rights on topics is told, and what it may still do."""

from collections.abc import Iterable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Uuid

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, DataAtRisk
from rowferry.flow.publish import topics
from rowferry.flow.publish.topics import NO_ID, Topics


def failed(code: int, said: str = "denied") -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(KafkaException(KafkaError(code, said)))
    return future


def done(result: object) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(result)
    return future


class Cluster:
    """An admin client of a cluster with some topics, which denies what it is told to."""

    def __init__(self, _conf: dict[str, Any]) -> None:
        self.there: dict[str, dict[str, str]] = {}
        self.ids = Uuid(1, 2)
        self.denies = {"create", "configs"}
        self.races = False

    def poll(self, _seconds: float) -> int:
        return 0

    def describe_topics(self, names: Any, request_timeout: float) -> dict[str, "Future[Any]"]:
        del request_timeout
        return {
            name: done(SimpleNamespace(topic_id=self.ids, partitions=[0, 1]))
            if name in self.there
            else failed(KafkaError.UNKNOWN_TOPIC_OR_PART)
            for name in names.topic_names
        }

    def describe_configs(
        self, resources: Iterable[Any], request_timeout: float
    ) -> dict[Any, "Future[Any]"]:
        del request_timeout
        denied = "configs" in self.denies
        return {
            one: failed(KafkaError.TOPIC_AUTHORIZATION_FAILED)
            if denied
            else done({k: SimpleNamespace(value=v) for k, v in self.there[one.name].items()})
            for one in resources
        }

    def create_topics(self, new: list[Any], request_timeout: float) -> dict[str, "Future[Any]"]:
        del request_timeout
        if "create" in self.denies:
            return {new[0].topic: failed(KafkaError.TOPIC_AUTHORIZATION_FAILED)}
        self.there[new[0].topic] = dict(new[0].config)
        if self.races:
            return {new[0].topic: failed(KafkaError.TOPIC_ALREADY_EXISTS)}
        return {new[0].topic: done(None)}


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Topics:
    monkeypatch.setattr(topics, "AdminClient", Cluster)
    return Topics(
        Settings.model_validate({"kafka_server": "localhost:9092", "topic_partitions": 3})
    )


def cluster_of(asking: Topics) -> Cluster:
    admin = asking._admin
    assert isinstance(admin, Cluster)
    return admin


def test_who_may_not_create_a_topic_is_told_the_command(asking: Topics) -> None:
    with pytest.raises(AccessDenied) as raised:
        asking.create("products")
    error = raised.value
    assert (error.code, error.where) == (Code.KAFKA_AUTH, "topic products")
    assert (
        "kafka-topics.sh --bootstrap-server localhost:9092 --create --topic products"
        " --partitions 3 --config cleanup.policy=delete --config retention.ms=604800000"
    ) in error.advice


def test_who_may_not_create_the_progress_topic_is_told_its_rules(asking: Topics) -> None:
    with pytest.raises(AccessDenied, match="_rowferry_progress") as raised:
        asking.progress()
    assert "cleanup.policy=compact --config segment.bytes=16777216" in raised.value.advice


def test_who_may_not_read_configurations_may_still_send(asking: Topics) -> None:
    cluster_of(asking).there = {"products": {"cleanup.policy": "compact"}}
    facts = asking.describe(["products", "missing"])
    assert list(facts) == ["products"]
    assert (facts["products"].partitions, facts["products"].most_bytes) == (2, 1_048_588)


def test_a_topic_that_another_one_made_meanwhile_is_taken(asking: Topics) -> None:
    cluster = cluster_of(asking)
    cluster.denies, cluster.races = set(), True
    assert asking.create("products").partitions == 2


@pytest.mark.parametrize(
    ("policy", "lag", "is_fit"),
    [
        ("delete", "0", True),
        ("compact", "0", False),
        ("compact,delete", "3600000", False),
        ("compact", str(7 * 24 * 3600 * 1000), True),
    ],
)
def test_a_topic_that_compacts_within_seven_days_is_unfit(
    asking: Topics, policy: str, lag: str, *, is_fit: bool
) -> None:
    cluster = cluster_of(asking)
    cluster.denies = set()
    rules = {"cleanup.policy": policy, "min.compaction.lag.ms": lag, "max.message.bytes": "2000"}
    cluster.there = {"products": rules}
    if is_fit:
        assert asking.describe(["products"])["products"].most_bytes == 2000
    else:
        with pytest.raises(ConfigError, match=r"min\.compaction\.lag\.ms"):
            asking.describe(["products"])


def test_the_progress_topic_may_be_looked_at_although_it_is_compacted(asking: Topics) -> None:
    cluster = cluster_of(asking)
    cluster.denies = set()
    cluster.there = {"_rowferry_progress": {"cleanup.policy": "compact"}}
    assert list(asking.describe(["_rowferry_progress"])) == ["_rowferry_progress"]
    assert asking.progress().partitions == 2


def test_a_broker_without_topic_ids_is_told_apart(asking: Topics) -> None:
    cluster = cluster_of(asking)
    cluster.there, cluster.ids = {"products": {}}, Uuid(0, 0)
    assert asking.describe(["products"])["products"].short_id == NO_ID


def test_a_broker_without_topic_ids_is_believed_to_have_kept_the_progress_topic(
    asking: Topics,
) -> None:
    cluster = cluster_of(asking)
    cluster.there, cluster.ids = {"_rowferry_progress": {}}, Uuid(0, 0)
    known = asking.progress()
    assert asking.progress(known) == known

    # one that is gone is missed there, too
    cluster.there, cluster.denies = {}, set()
    with pytest.raises(DataAtRisk, match="E_TOPIC_GONE"):
        asking.progress(known)
    assert cluster.there == {}
