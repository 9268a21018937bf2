"""The position that a sender takes up is the newest that was committed."""

import pytest

from fix_sending import Sending
from fix_stack import KafkaBroker
from sending import scenarios

pytestmark = pytest.mark.real


def test_another_table_with_an_open_transaction_hides_no_position(
    sending: Sending, kafka: KafkaBroker
) -> None:
    scenarios.another_table_with_an_open_transaction(sending, kafka)


def test_a_crash_between_rows_and_position_sends_each_row_once(sending: Sending) -> None:
    scenarios.a_crash_between_rows_and_position(sending)


def test_a_row_above_the_limit_stops_the_sender_with_exit_code_7(sending: Sending) -> None:
    # GIVEN one row of 2 MB among others
    sending.slice_rows, sending.large_at = 1000, 2500

    # WHEN
    process = sending.start(once=True)

    # THEN its slice is not sent, and the message tells the table and the size, not the value
    assert process.exit_code() == 7
    assert "E_TOO_LARGE" in process.said
    assert "public.items" in process.said
    assert "xxxx" not in "".join(process.errors)
    assert sending.numbers() == list(range(2000))

    # AND with a topic that takes it, the next start goes on
    sending.large_at = -1
    sending.finish()
    sending.check_exact()


def test_a_table_in_trouble_does_not_keep_the_others(sending: Sending) -> None:
    # GIVEN a table with a row that is too large, and a healthy one
    sending.slice_rows, sending.large_at = 1000, 2500
    tables = "public.items,public.others"

    # WHEN
    process = sending.start(once=True, tables=tables)

    # THEN the healthy one is carried to its end, and the exit code tells of the other
    assert process.exit_code() == 7
    assert any("table.stopped" in line for line in process.errors)
    healthy = sending.settings.topic_of("public.others")
    assert sending.numbers(healthy) == list(range(5000))
    assert sending.numbers() == list(range(2000))
