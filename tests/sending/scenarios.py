"""Faults played to a sender; each ends with the check that the topic is exact.

The tests run them on the product, the mutants' tests on what was broken on purpose.
"""

import signal
import time

from confluent_kafka import Producer

from fix_sending import Sending
from fix_stack import KafkaBroker


def a_crash_between_rows_and_position(sending: Sending, mutant: str = "") -> None:
    """Passings of the failpoint: the owner's record, then rows and position of two slices."""
    crashed = sending.start(failpoints="send.produce=kill@5", mutant=mutant)
    assert crashed.exit_code() == -signal.SIGKILL
    sending.finish(mutant=mutant)
    sending.check_exact()


def a_commit_without_an_answer(sending: Sending, fate: str, mutant: str = "") -> None:
    ended = sending.finish(no_answer=fate, mutant=mutant)
    assert sum(line.startswith("failed E_KAFKA_TXN") for line in ended.lines) == 1
    sending.check_exact()


def a_second_instance(sending: Sending, mutant: str = "") -> None:
    sending.total, sending.slice_rows = 1_000_000, 20
    older = sending.start(mutant=mutant)
    older.wait_for("sent", 5)
    newer = sending.start(mutant=mutant)
    newer.wait_for("sent", 5)
    time.sleep(1)
    older.signal(signal.SIGTERM)  # it may have ended by itself
    newer.wait_for("sent", 20)
    newer.signal(signal.SIGTERM)
    assert newer.exit_code(30) == 0
    older.exit_code(30)
    sending.total = len(sending.numbers())
    sending.check_exact()


def another_table_with_an_open_transaction(
    sending: Sending, kafka: KafkaBroker, mutant: str = ""
) -> None:
    """It holds back the last stable offset, behind which the newest position lies."""
    # GIVEN a sender that commits positions behind another transaction's record
    sending.total, sending.slice_rows = 1_000_000, 100
    first = sending.start()
    first.wait_for("sent", 3)
    foreign = Producer({**kafka.configuration, "transactional.id": sending.topic})
    foreign.init_transactions(30)
    foreign.begin_transaction()
    foreign.produce(sending.settings.progress_topic, b"x", b"other|table|part", 0)
    foreign.flush(30)
    first.wait_for("sent", 10)
    first.signal(signal.SIGKILL)
    first.exit_code()
    sending.total = max(100 * (len(first.lines) + 10), 3000)

    # WHEN the next one starts, and the transaction ends only later
    second = sending.start(once=True, mutant=mutant)
    time.sleep(4)
    has_waited = not any(line.startswith("opened") for line in second.lines)
    foreign.abort_transaction(30)

    # THEN it has waited, and takes up the newest position
    assert second.exit_code() == 0, second.errors
    sending.check_exact()
    assert has_waited
