"""Two senders of one table: one writes, whatever the order in which they start, stop and wake."""

import signal
import time

import pytest

from fix_sending import Sending
from rowferry.errors import Fenced

pytestmark = pytest.mark.real


def test_a_second_instance_takes_over_and_the_first_exits_5(sending: Sending) -> None:
    # GIVEN a sender that writes all the time
    sending.total, sending.slice_rows = 1_000_000, 20
    older = sending.start()
    older.wait_for("sent", 5)

    # WHEN
    newer = sending.start()
    newer.wait_for("sent", 5)

    # THEN the older one ends, the newer one goes on, and no row is there twice or missing
    assert older.exit_code(30) == Fenced.exit_code
    assert "E_FENCED" in older.said
    newer.wait_for("sent", 20)
    newer.signal(signal.SIGTERM)
    assert newer.exit_code(30) == 0
    sending.total = len(sending.numbers())
    sending.check_exact()


def test_a_sender_that_wakes_after_its_successor_writes_nothing(sending: Sending) -> None:
    # GIVEN a sender that sleeps within a transaction
    sending.total, sending.slice_rows = 1_000_000, 20
    older = sending.start(failpoints="send.produce=stop@5")
    older.wait_for("sent", 3)

    # WHEN another one starts, and then the first one wakes
    newer = sending.start()
    newer.wait_for("sent", 5)
    older.signal(signal.SIGCONT)

    # THEN
    assert older.exit_code(30) == Fenced.exit_code
    newer.wait_for("sent", 10)
    newer.signal(signal.SIGTERM)
    assert newer.exit_code(30) == 0
    sending.total = len(sending.numbers())
    sending.check_exact()


@pytest.mark.timeout(240)
def test_a_lone_sender_whose_transaction_timed_out_goes_on(sending: Sending) -> None:
    # GIVEN a sender that is suspended within a transaction
    sender = sending.start(once=True, failpoints="send.produce=stop@4", transaction_seconds=10)
    sender.wait_for("sent", 2)

    # WHEN it wakes after the broker has given it up (which looks every 10 s)
    time.sleep(22)
    sender.signal(signal.SIGCONT)

    # THEN it starts its transactions anew, and no row is there twice or missing
    assert sender.exit_code(60) == 0, sender.errors
    assert sum(line.startswith("failed") for line in sender.lines) == 1
    assert sum(line.startswith("opened") for line in sender.lines) == 2
    sending.check_exact()
