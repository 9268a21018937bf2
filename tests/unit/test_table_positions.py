"""`status` tells a pipeline that never sent from a Kafka that does not say."""

from collections.abc import Callable, Iterable
from typing import NoReturn

import pytest

from rowferry.config import Settings
from rowferry.errors import Code, Transient
from rowferry.observe import lag


def answering(error: Transient) -> Callable[[Settings], object]:
    class Topics:
        def __init__(self, _settings: Settings) -> None:
            pass

        def ends(self, _topics: Iterable[str]) -> NoReturn:
            raise error

    return Topics


def test_tables_without_a_progress_topic_were_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Transient(Code.TOPIC_GONE, "the topic does not exist")
    monkeypatch.setattr(lag, "Topics", answering(gone))
    [position] = lag.table_positions(Settings(tables=("public.a",)))
    assert (position.table, position.owner, position.problem) == ("public.a", None, "")


@pytest.mark.parametrize("code", [Code.KAFKA_CONN, Code.KAFKA_TXN])
def test_a_kafka_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, code: Code) -> None:
    monkeypatch.setattr(lag, "Topics", answering(Transient(code, "no broker")))
    with pytest.raises(Transient, match="no broker"):
        lag.table_positions(Settings(tables=("public.a",)))
