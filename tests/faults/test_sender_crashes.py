"""A sender that dies anywhere leaves each row in the topic once."""

import signal

import pytest

from fix_sending import Sending

pytestmark = pytest.mark.real


@pytest.mark.parametrize("failpoint", ["send.produce", "send.commit", "send.confirm"])
def test_a_crash_at_any_boundary_sends_each_row_once(sending: Sending, failpoint: str) -> None:
    # GIVEN a sender that is killed in its third slice
    first = sending.start(failpoints=f"{failpoint}=kill@4")  # the owner's record is a passing too
    assert first.exit_code() == -signal.SIGKILL

    # WHEN another one goes on
    sending.finish()

    # THEN
    sending.check_exact()


def test_kills_one_after_the_other_at_any_moment_send_each_row_once(sending: Sending) -> None:
    # GIVEN
    sending.total, sending.slice_rows = 4000, 50

    # WHEN
    for commits in (1, 7, 20):
        process = sending.start()
        process.wait_for("sent", commits)
        process.signal(signal.SIGKILL)
        assert process.exit_code() == -signal.SIGKILL
    sending.finish()

    # THEN
    sending.check_exact()


def test_an_orderly_stop_ends_the_transaction_and_the_next_start_goes_on(sending: Sending) -> None:
    # GIVEN
    sending.total, sending.slice_rows = 50_000, 100
    process = sending.start()
    process.wait_for("sent", 3)

    # WHEN
    process.signal(signal.SIGTERM)

    # THEN
    assert process.exit_code(30) == 0
    sent = len(sending.numbers())
    assert sent == 100 * sum(line.startswith("sent") for line in process.lines)
    sending.slice_rows = 10_000
    sending.finish()
    sending.check_exact()


def test_a_start_with_nothing_new_writes_no_rows_and_no_position(sending: Sending) -> None:
    # GIVEN
    sending.finish()

    # WHEN
    sending.finish()

    # THEN the topic is what it was
    sending.check_exact()
