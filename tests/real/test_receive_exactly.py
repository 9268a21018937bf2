"""Receiving on a real broker: each record in one file, once, whatever the way it ends."""

import pytest

from fix_receive import Ferry

pytestmark = pytest.mark.real


def test_once_stages_what_is_in_the_topic_and_leaves_no_lag(ferry: Ferry) -> None:
    # GIVEN committed and aborted transactions in two partitions
    ferry.create(partitions=2)
    ferry.produce(range(1200), partitions=2)
    ferry.produce(range(5000, 5100), partitions=2, abort=True)
    ferry.produce(range(1200, 1500), partitions=2)

    # WHEN
    ferry.once(max_records=400)

    # THEN each record is in one file, and the group stands at the end of the log
    files = ferry.check()
    assert sum(file.rows for file in files) == 1500
    assert max(file.rows for file in files) == 400
    ends = {file.partition: file.end for file in files}
    assert {p: offset for p, (offset, _) in ferry.committed().items()} == ends
