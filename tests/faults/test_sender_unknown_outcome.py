"""A commit whose fate is unknown: the position in Kafka says what happened, and nothing else."""

import pytest

from fix_sending import Sending
from sending import scenarios

pytestmark = pytest.mark.real


@pytest.mark.parametrize("fate", ["applied", "lost"])
def test_a_commit_without_an_answer_sends_each_row_once(sending: Sending, fate: str) -> None:
    scenarios.a_commit_without_an_answer(sending, fate)
