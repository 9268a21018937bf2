"""The sender, broken on purpose: the faults' checks notice each time."""

import pytest

from fix_sending import NotExact, Sending
from fix_stack import KafkaBroker
from sending import scenarios

pytestmark = pytest.mark.real


def test_progress_outside_the_transaction_is_noticed(sending: Sending) -> None:
    with pytest.raises(NotExact):
        scenarios.a_crash_between_rows_and_position(
            sending, mutant="progress outside the transaction"
        )


def test_a_sender_that_fences_nobody_is_noticed(sending: Sending) -> None:
    with pytest.raises(NotExact):
        scenarios.a_second_instance(sending, mutant="nobody is fenced")


def test_an_unknown_outcome_taken_for_an_abort_is_noticed(sending: Sending) -> None:
    with pytest.raises(NotExact):
        scenarios.a_commit_without_an_answer(sending, "applied", "unknown taken for aborted")


def test_a_position_read_to_the_last_stable_offset_is_noticed(
    sending: Sending, kafka: KafkaBroker
) -> None:
    with pytest.raises(NotExact):
        scenarios.another_table_with_an_open_transaction(
            sending, kafka, mutant="progress read to the last stable offset"
        )
