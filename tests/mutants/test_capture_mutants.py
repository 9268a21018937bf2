"""Break the window on purpose: the model must see a version lost or sent twice each time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from properties.test_window_cases import CASES
from properties.test_window_schedules import run_schedule
from properties.window_world import FakeSource, World
from rowferry.flow.capture import ahead, durable, feed, history, incremental, state, window
from rowferry.flow.capture.state import Part, State
from rowferry.flow.capture.window import BEGINNING, NEVER, Ring
from rowferry.flow.capture.xids import NONE, XidSet

MOST_SCHEDULES = 1500

Patch = pytest.MonkeyPatch


def cursor_is_the_greatest_timestamp(patch: Patch) -> None:
    """`WHERE updated > :last`, as most scripts have it."""
    greatest = {"ts": BEGINNING}
    original = feed.Feed._offer

    def offer(self: feed.Feed, batch: Any, after: State, bound: Any) -> Any:
        seen = [ts for ts in batch["updated"].to_pylist() if ts is not None]
        greatest["ts"] = max([greatest["ts"], *seen])
        return original(self, batch, after, bound)

    patch.setattr(feed.Feed, "_offer", offer)
    patch.setattr(window, "since", lambda _bound, _seen: greatest["ts"])


def no_ring(patch: Patch) -> None:
    original = window.observe

    def observe(ring: Ring, sample: Any, snapshot: Any) -> Any:
        new, seen = original(ring, sample, snapshot)
        return new, replace(seen, gone=NEVER, opened=NEVER, listed=NEVER)

    patch.setattr(window, "observe", observe)


def sent_xids_are_forgotten(patch: Patch) -> None:
    original = state.finished

    def finished(before: State, poll: Any, sent: Any) -> State:
        after = original(before, poll, sent)
        return replace(after, timed=Part(after.timed.least))

    patch.setattr(state, "finished", finished)


def sent_xids_of_untimed_rows_are_forgotten(patch: Patch) -> None:
    def finished(before: State, xmin: int, sent: Any) -> State:  # noqa: ARG001
        return replace(before, untimed=Part(xmin))

    patch.setattr(state, "finished_untimed", finished)


def untimed_rows_share_the_p_of_the_others(patch: Patch) -> None:
    original = state.finished

    def finished(before: State, poll: Any, sent: Any) -> State:
        after = original(before, poll, sent)
        return replace(after, untimed=Part(poll.snapshot.xmin))

    patch.setattr(state, "finished", finished)


def bound_without_those_gone_at_the_sample(patch: Patch) -> None:
    patch.setattr(
        window,
        "advanced",
        lambda bound, seen: replace(bound, low=max(bound.start, seen.before)),
    )


def bound_is_this_samples_time(patch: Patch) -> None:
    patch.setattr(
        window, "advanced", lambda bound, seen: replace(bound, low=max(bound.start, seen.t))
    )


def samples_of_polls_that_come_to_nothing_do_not_count(patch: Patch) -> None:
    original = feed.Feed.turn
    patch.setattr(feed.Feed, "sampled", lambda _self, _seen: None)

    def turn(self: feed.Feed, here: Any) -> Any:
        kept = self.bound
        self.bound = window.lowered(self.bound, here.seen)
        try:
            yield from original(self, here)
        except BaseException:
            self.bound = kept
            raise

    patch.setattr(feed.Feed, "turn", turn)


def restart_from_now(patch: Patch) -> None:
    patch.setattr(window, "restart", lambda _bound, seen: seen.t)


def restart_without_the_open_ones(patch: Patch) -> None:
    patch.setattr(
        window,
        "restart",
        lambda bound, seen: max(bound.start, min(seen.before, seen.gone)),
    )


def restart_without_the_gone_ones(patch: Patch) -> None:
    patch.setattr(
        window,
        "restart",
        lambda bound, seen: max(bound.start, min(seen.before, seen.opened)),
    )


def first_start_is_now(patch: Patch) -> None:
    patch.setattr(window, "first_start", lambda seen: seen.t)


def no_pending(patch: Patch) -> None:
    """P, X and F move with the first slice."""
    original = state.begun

    def begun(before: State, *, timed: bool, poll: Any, xids: XidSet) -> State:
        after = original(before, timed=timed, poll=poll, xids=xids)
        part = after.timed if timed else after.untimed
        part = replace(part, least=poll.snapshot.xmin, sent=(part.sent | xids))
        if timed:
            return replace(after, timed=part, restart=poll.restart)
        return replace(after, untimed=part)

    def no_cursor(before: State, timed: bool, after: Any) -> State:  # noqa: ARG001
        part = replace(before.timed if timed else before.untimed, pending=None)
        return replace(before, timed=part) if timed else replace(before, untimed=part)

    patch.setattr(state, "begun", begun)
    patch.setattr(state, "moved", no_cursor)


def the_cursor_of_a_pending_poll_is_not_kept(patch: Patch) -> None:
    original = state.moved
    patch.setattr(state, "moved", lambda before, timed, _after: original(before, timed, ()))


def a_load_begins_in_the_snapshot_that_began_it(patch: Patch) -> None:
    original = feed.Feed.turn

    def turn(self: feed.Feed, here: Any) -> Any:
        yield from original(self, here)
        for load in self.state.loads if self.state else ():
            yield from self._load_chunks(here, load.leaf)

    patch.setattr(feed.Feed, "turn", turn)


def a_chunk_is_read_ahead_of_the_next_poll(patch: Patch) -> None:
    original = ahead.pieces
    kept: dict[Any, Any] = {}

    def across_polls(source: Any, query: Any, *how: Any) -> Any:
        if query.claim is None:
            yield from original(source, query, *how)
            return
        fetched = kept.pop((source, query.leaf, query.after), None) or source.read(query)
        coming = replace(query, after=fetched.last)
        if not fetched.complete:
            kept[source, query.leaf, coming.after] = source.read(coming)
        yield fetched

    patch.setattr(feed, "pieces", across_polls)


def a_load_takes_everything(patch: Patch) -> None:
    patch.setattr(feed, "_unclaimed", lambda _load, marks: np.ones(len(marks), np.bool_))


def a_load_of_a_new_leaf_forgets_what_was_sent(patch: Patch) -> None:
    original = state.with_adopted

    def adopted(before: State, poll: Any) -> Any:
        return tuple(replace(load, sent=NONE, sent_untimed=NONE) for load in original(before, poll))

    patch.setattr(state, "with_adopted", adopted)


def new_leaves_are_not_loaded(patch: Patch) -> None:
    original = state.with_adopted

    def adopted(before: State, poll: Any) -> Any:
        first = not before.identity.leaves
        return tuple(x for x in original(before, poll) if first or x.leaf in before.identity.leaves)

    patch.setattr(state, "with_adopted", adopted)


def a_rewrite_during_a_load_changes_nothing(patch: Patch) -> None:
    original = state.with_adopted

    def adopted(before: State, poll: Any) -> Any:
        kept = {load.leaf: load for load in before.loads}
        return tuple(kept.get(load.leaf, load) for load in original(before, poll))

    patch.setattr(state, "with_adopted", adopted)


def prepared_transactions_begin_anew(patch: Patch) -> None:
    patch.setattr(window, "prepared_since", lambda ring, _xid, _vxid: ring.last)


def the_clocks_step_is_not_stored(patch: Patch) -> None:
    def went_back(self: feed.Feed, by: int) -> None:
        self.bound = window.bound_back(self.bound, by)
        if self.state is not None:
            self.state = history.set_back(self.state, by)

    patch.setattr(feed.Feed, "clock_went_back", went_back)


def the_clocks_step_is_not_noticed(patch: Patch) -> None:
    patch.setattr(feed.Feed, "clock_went_back", lambda _self, _by: None)
    patch.setattr(window, "set_back", lambda ring, _by: ring)


def the_epoch_is_not_looked_at(patch: Patch) -> None:
    patch.setattr(
        history, "taken_up", lambda stored, server: replace(stored, server=server, xmax=0)
    )


def a_resumed_poll_counts_as_a_complete_one(patch: Patch) -> None:
    original = feed.Feed.turn

    def turn(self: feed.Feed, here: Any) -> Any:
        yield from original(self, here)
        self.settled = self.state is not None and not self.state.loads

    patch.setattr(feed.Feed, "turn", turn)


def leaves_are_adopted_without_looking_back(patch: Patch) -> None:
    patch.setattr(state, "adopts", lambda _state, _identity: False)


def a_leaf_that_is_away_stays_in_an_unfinished_poll(patch: Patch) -> None:
    patch.setattr(history, "_without_gone", lambda part, _now: part)


def an_unfinished_poll_reads_leaves_that_it_did_not_know(patch: Patch) -> None:
    original = FakeSource._rows
    patch.setattr(
        FakeSource, "_rows", lambda self, query: original(self, replace(query, leaves=None))
    )


def a_clock_behind_the_stored_time_is_not_stored(patch: Patch) -> None:
    original = feed.Feed._meet

    def meet(self: feed.Feed, here: Any) -> State:
        stored = self.must_store
        met = original(self, here)
        self.must_store = stored
        return met

    patch.setattr(feed.Feed, "_meet", meet)


def the_time_of_an_unfinished_poll_does_not_count(patch: Patch) -> None:
    patch.setattr(history, "latest", lambda stored: stored.t)


def the_clock_is_forgotten_with_the_connection(patch: Patch) -> None:
    original = incremental.IncrementalCapture.open

    def opened(self: incremental.IncrementalCapture, progress: Any) -> Any:
        self.close()
        self._server_clock = window.Clock()
        return original(self, progress)

    patch.setattr(incremental.IncrementalCapture, "open", opened)


def the_clock_is_known_before_its_step_is_stored(patch: Patch) -> None:
    original = incremental.IncrementalCapture.close

    def close(self: incremental.IncrementalCapture) -> None:
        if self._source is not None:
            self._server_clock = self._source.clock
        original(self)

    patch.setattr(incremental.IncrementalCapture, "close", close)


def a_rewrite_before_the_scan_is_not_noticed(patch: Patch) -> None:
    patch.setattr(FakeSource, "looks_again", False)


def a_set_loses_its_last_block_on_the_way(patch: Patch) -> None:
    original = durable._get_set

    def get_set(parts: Any, name: str, size: int) -> XidSet:
        whole = original(parts, name, size)
        return XidSet.of([xid for xid in whole if xid != whole.last])

    patch.setattr(durable, "_get_set", get_set)


MUTANTS: list[Callable[[Patch], None]] = [
    cursor_is_the_greatest_timestamp,
    no_ring,
    sent_xids_are_forgotten,
    sent_xids_of_untimed_rows_are_forgotten,
    untimed_rows_share_the_p_of_the_others,
    bound_without_those_gone_at_the_sample,
    bound_is_this_samples_time,
    samples_of_polls_that_come_to_nothing_do_not_count,
    restart_from_now,
    restart_without_the_open_ones,
    restart_without_the_gone_ones,
    first_start_is_now,
    no_pending,
    the_cursor_of_a_pending_poll_is_not_kept,
    a_load_begins_in_the_snapshot_that_began_it,
    a_chunk_is_read_ahead_of_the_next_poll,
    a_load_takes_everything,
    a_load_of_a_new_leaf_forgets_what_was_sent,
    new_leaves_are_not_loaded,
    a_rewrite_during_a_load_changes_nothing,
    prepared_transactions_begin_anew,
    the_clocks_step_is_not_stored,
    the_clocks_step_is_not_noticed,
    the_epoch_is_not_looked_at,
    a_resumed_poll_counts_as_a_complete_one,
    leaves_are_adopted_without_looking_back,
    a_leaf_that_is_away_stays_in_an_unfinished_poll,
    an_unfinished_poll_reads_leaves_that_it_did_not_know,
    a_clock_behind_the_stored_time_is_not_stored,
    the_time_of_an_unfinished_poll_does_not_count,
    the_clock_is_forgotten_with_the_connection,
    the_clock_is_known_before_its_step_is_stored,
    a_rewrite_before_the_scan_is_not_noticed,
    a_set_loses_its_last_block_on_the_way,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_model_finds_the_mutant(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    assert is_caught_by_a_case() or any(is_caught(seed) for seed in range(MOST_SCHEDULES)), (
        f"{mutant.__name__} survives"
    )


def is_caught_by_a_case() -> bool:
    """Whether one of the known traps sees the mutant."""
    for case in CASES:
        try:
            world = World()
            case(world)
            world.finish()
        except AssertionError:
            return True
    return False


def is_caught(seed: int) -> bool:
    """Whether a random schedule sees the mutant; half of them are free of accidents."""
    try:
        run_schedule(seed, accidents=bool(seed % 2), steps=60)
    except AssertionError:
        return True
    return False


def test_the_capture_itself_survives_as_many_schedules() -> None:
    assert not is_caught_by_a_case()
    assert not any(is_caught(seed) for seed in range(MOST_SCHEDULES // 5))
