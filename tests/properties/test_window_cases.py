"""The schedules that a random one seldom finds: each found a way to lose or repeat rows once."""

from collections.abc import Callable

import pytest

from properties.mvcc import LEAVES, Transaction
from properties.window_world import World
from rowferry.errors import Code, Transient

FIRST, SECOND = LEAVES


def committed(world: World, key: int, *, leaf: int = FIRST, timed: bool = True) -> None:
    transaction = world.db.begin()
    world.db.write(transaction, key, timed=timed, leaf=leaf)
    world.db.commit(transaction)
    world.db.now += 1


def writing(world: World, *keys: int, leaf: int = FIRST) -> Transaction:
    transaction = world.db.begin()
    for key in keys:
        world.db.write(transaction, key, timed=True, leaf=leaf)
    world.db.now += 1
    return transaction


def settle(world: World) -> None:
    for _ in range(30):
        world.tick()
        if world.start().is_settled:
            return
    raise AssertionError("not settled")


def ends_between_the_first_snapshot_and_its_sample(world: World) -> None:
    """It is in no sample and not in the snapshot: the load's, but not in that snapshot."""
    for key in range(6):
        committed(world, key)
    late = writing(world, 1, 4)
    world.hooks["snapshot"] = lambda: world.db.commit(late)
    world.tick()


def ends_between_a_snapshot_and_its_sample(world: World) -> None:
    settle(world)
    late = writing(world, 1)
    committed(world, 2)
    world.hooks["snapshot"] = lambda: world.db.commit(late)
    world.tick()
    committed(world, 3)


def is_gone_at_a_sample_whose_snapshot_has_it_running(world: World) -> None:
    settle(world)
    late = writing(world, 1)
    for key in (2, 3, 4):
        committed(world, key)
        settle(world)
    committed(world, 2)
    world.hooks["snapshot"] = lambda: world.db.commit(late)
    world.tick()
    committed(world, 3)


def is_gone_at_the_last_sample_before_a_restart(world: World) -> None:
    is_gone_at_a_sample_whose_snapshot_has_it_running(world)
    world.restart()


def begins_and_ends_between_two_samples(world: World) -> None:
    settle(world)
    committed(world, 1)
    world.hooks["locks"] = lambda: committed(world, 2)
    world.tick()
    committed(world, 3)


def is_open_at_the_first_sample(world: World) -> None:
    late = writing(world, 1)
    settle(world)
    committed(world, 2)
    settle(world)
    world.db.commit(late)


def three_polls_come_to_nothing(world: World) -> None:
    settle(world)
    late = writing(world, 1)
    for key in (2, 3):
        committed(world, key)
        settle(world)
    world.db.commit(late)
    for key in (2, 3, 4):
        committed(world, key)
        world.tick(fate=1)


def restarts_in_a_row(world: World) -> None:
    settle(world)
    late = writing(world, 1)
    for key in (2, 3, 4):
        committed(world, key)
        settle(world)
        world.restart()
    world.db.commit(late)


def is_prepared_between_locks_and_list(world: World) -> None:
    settle(world)
    late = writing(world, 1)
    for key in (2, 3):
        committed(world, key)
        settle(world)
    world.hooks["locks"] = lambda: world.db.prepare(late)
    committed(world, 2)
    settle(world)
    committed(world, 3)
    settle(world)
    world.db.commit(late)


def is_prepared_over_a_restart(world: World) -> None:
    settle(world)
    late = writing(world, 1)
    world.db.prepare(late)
    committed(world, 2)
    settle(world)
    world.restart()
    committed(world, 3)
    settle(world)
    world.db.commit(late)


def a_leaf_is_attached_whose_rows_share_xids_with_sent_ones(world: World) -> None:
    settle(world)
    holder = writing(world, 5)  # P stands still, so that what is sent stays in X
    both = writing(world, 1)
    world.db.write(both, 100, timed=True, leaf=SECOND)
    world.db.commit(both)
    settle(world)
    world.db.attach()
    settle(world)
    world.db.commit(holder)


def a_leaf_is_attached_while_rows_without_timestamp_come_in_slices(world: World) -> None:
    committed(world, 100, leaf=SECOND, timed=False)
    settle(world)
    for key in range(5):
        committed(world, key, timed=False)
    committed(world, 101, leaf=SECOND, timed=False)
    world.tick(fate=4 + 3)
    world.db.attach()


def a_leaf_is_attached_between_the_slices_of_a_poll(world: World) -> None:
    settle(world)
    both = writing(world, 0, 1, 2, 3, 4)
    world.db.write(both, 100, timed=True, leaf=SECOND)
    world.db.commit(both)
    world.tick(fate=4 + 2)
    world.db.attach()


def a_leaf_is_away_for_the_last_slice_of_a_poll(world: World) -> None:
    world.db.attach()
    settle(world)
    both = writing(world, 0, 1, 2, 3, 4)
    for key in (100, 101):
        world.db.write(both, key, timed=True, leaf=SECOND)
    world.db.commit(both)
    world.tick(fate=4 + 1)
    world.db.detach()
    world.tick()
    world.db.attach()


def a_leaf_comes_back_between_the_slices_of_a_poll(world: World) -> None:
    world.db.attach()
    settle(world)
    both = writing(world, *range(6))
    for key in (100, 101, 102):
        world.db.write(both, key, timed=True, leaf=SECOND)
    world.db.commit(both)
    world.tick(fate=4 + 1)
    world.db.detach()
    world.tick(fate=4 + 2)
    world.db.attach()


def a_leaf_is_attached_under_a_long_writer(world: World) -> None:
    settle(world)
    holder = writing(world, 5)
    committed(world, 100, leaf=SECOND)
    for key in (1, 2):
        committed(world, key)
        settle(world)
    world.db.attach()
    settle(world)
    world.db.commit(holder)


def a_poll_is_rewritten_between_its_slices(world: World) -> None:
    settle(world)
    world.db.commit(writing(world, 0, 1, 2, 3, 4, 5))
    world.tick(fate=4 + 2)
    world.db.rewrite(FIRST)


def a_load_is_rewritten_between_its_chunks(world: World) -> None:
    for key in range(6):
        committed(world, key)
    world.tick()
    world.tick()
    world.db.rewrite(FIRST)


def a_table_is_rewritten_between_snapshot_and_scan(world: World) -> None:
    settle(world)
    committed(world, 1)
    world.hooks["scan"] = lambda: world.db.rewrite(FIRST)
    world.tick()


def slices_end_with_rows_waiting(world: World) -> None:
    settle(world)
    world.db.commit(writing(world, 0, 1, 2, 3))
    world.tick(fate=4 + 2)
    committed(world, 4)
    settle(world)


def the_clock_goes_back_and_the_process_dies(world: World) -> None:
    world.db.now = 5_000
    settle(world)
    world.clock_back(60)
    late = writing(world, 1)
    world.db.now += 100  # behind where it was
    world.restart()
    world.tick()
    world.db.commit(late)


def looked_at(world: World) -> None:
    """The clock is at 99,995 and known to be, though only the time 51 is stored."""
    world.db.now = 50
    committed(world, 5)
    settle(world)
    world.db.now = 99_990
    for _ in range(2):
        ended = world.db.begin()
        world.db.savepoint(ended)
        world.db.abort(ended)
        world.db.now += 5
        settle(world)


def writes_before_the_clock_is_back(world: World) -> None:
    """A transaction begins while the clock is back, and ends when it has passed its old time."""
    late = writing(world, 1)
    world.db.now = 100_010
    world.restart()
    world.tick()
    world.db.commit(late)


def the_clock_goes_back_while_nobody_looks(world: World) -> None:
    looked_at(world)
    world.db.commit(writing(world, 0))
    world.tick()
    world.restart()
    world.db.clock_back(30_000)
    settle(world)
    writes_before_the_clock_is_back(world)


def the_clock_goes_back_between_slices_while_nobody_looks(world: World) -> None:
    world.db.now = 50
    settle(world)
    world.db.now = 99_990
    world.db.commit(writing(world, 0, 1, 2, 3, 4))
    for fate in (1, 4 + 2):  # the first comes to nothing: only its sample is known
        world.db.now += 5
        world.tick(fate=fate)
    world.db.clock_back(30_000)
    settle(world)
    writes_before_the_clock_is_back(world)


def settled_when_the_clock_goes_back(world: World) -> None:
    """All is sent and stored; the step comes behind it."""
    world.db.now = 100_000
    settle(world)
    committed(world, 5)
    settle(world)
    world.db.clock_back(30_000)


def writes_and_reconnects_when_the_clock_is_ahead_again(world: World) -> None:
    committed(world, 1)
    world.db.now += 60_000
    world.reconnect()


def the_clock_goes_back_while_the_connection_is_lost(world: World) -> None:
    settled_when_the_clock_goes_back(world)
    writes_and_reconnects_when_the_clock_is_ahead_again(world)


def the_clocks_step_is_seen_and_not_stored(world: World) -> None:
    settled_when_the_clock_goes_back(world)
    committed(world, 2)
    world.tick(fate=1)
    writes_and_reconnects_when_the_clock_is_ahead_again(world)


def the_tables_cannot_be_looked_at_behind_a_step_of_the_clock(world: World) -> None:
    settled_when_the_clock_goes_back(world)

    def away() -> None:
        raise Transient(Code.PG_CONN, "the connection is lost")

    world.hooks["tables"] = away
    with pytest.raises(Transient):
        next(world.start().tick())
    writes_and_reconnects_when_the_clock_is_ahead_again(world)


def the_server_crashes_and_uses_ids_again(world: World) -> None:
    settle(world)
    committed(world, 1)
    committed(world, 2)
    settle(world)
    world.crash(losing=True)
    committed(world, 3)


def rows_without_timestamp_come_in_slices(world: World) -> None:
    settle(world)
    for key in range(5):
        committed(world, key, timed=False)
    world.tick(fate=4 + 3)
    committed(world, 1, timed=False)


CASES: list[Callable[[World], None]] = [
    ends_between_the_first_snapshot_and_its_sample,
    ends_between_a_snapshot_and_its_sample,
    is_gone_at_a_sample_whose_snapshot_has_it_running,
    is_gone_at_the_last_sample_before_a_restart,
    begins_and_ends_between_two_samples,
    is_open_at_the_first_sample,
    three_polls_come_to_nothing,
    restarts_in_a_row,
    is_prepared_between_locks_and_list,
    is_prepared_over_a_restart,
    a_leaf_is_attached_whose_rows_share_xids_with_sent_ones,
    a_leaf_is_attached_while_rows_without_timestamp_come_in_slices,
    a_leaf_is_attached_between_the_slices_of_a_poll,
    a_leaf_is_away_for_the_last_slice_of_a_poll,
    a_leaf_comes_back_between_the_slices_of_a_poll,
    a_leaf_is_attached_under_a_long_writer,
    a_poll_is_rewritten_between_its_slices,
    a_load_is_rewritten_between_its_chunks,
    a_table_is_rewritten_between_snapshot_and_scan,
    slices_end_with_rows_waiting,
    the_clock_goes_back_and_the_process_dies,
    the_clock_goes_back_while_nobody_looks,
    the_clock_goes_back_between_slices_while_nobody_looks,
    the_clock_goes_back_while_the_connection_is_lost,
    the_clocks_step_is_seen_and_not_stored,
    the_tables_cannot_be_looked_at_behind_a_step_of_the_clock,
    the_server_crashes_and_uses_ids_again,
    rows_without_timestamp_come_in_slices,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_nothing_is_lost_or_sent_twice_where(case: Callable[[World], None]) -> None:
    world = World()
    case(world)
    world.finish()
