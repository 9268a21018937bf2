"""A state survives its way through progress records; sets of xids are what sets are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.errors import DataAtRisk
from rowferry.flow.capture import durable
from rowferry.flow.capture.state import Identity, Load, Part, Pending, Server, State
from rowferry.flow.capture.window import BEGINNING, NEVER, Clock, Snapshot
from rowferry.flow.capture.xids import XidSet

XIDS = st.one_of(st.integers(3, 300_000), st.integers(2**32 - 10, 2**32 + 10), st.just(2**62))
SETS = st.frozensets(XIDS, max_size=40)
TIMES = st.one_of(st.integers(0, 2**51), st.just(BEGINNING), st.just(NEVER))
CURSORS = st.lists(st.text(max_size=8), max_size=3).map(tuple)
IDENTITIES = st.builds(
    Identity, st.integers(1, 2**32), st.dictionaries(st.integers(1, 99), st.integers(1, 2**32))
)
PENDINGS = st.builds(
    Pending, IDENTITIES, SETS.map(XidSet.of), XIDS, XIDS, TIMES, TIMES, TIMES, CURSORS
)
PARTS = st.builds(Part, XIDS, SETS.map(XidSet.of), st.none() | PENDINGS)
LOADS = st.builds(
    Load,
    st.integers(1, 99),
    XIDS,
    TIMES,
    XIDS,
    SETS.map(XidSet.of),
    SETS.map(XidSet.of),
    st.none() | CURSORS,
    st.integers(0, 2**40),
)
STATES = st.builds(
    State,
    st.builds(Server, st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)),
    IDENTITIES,
    TIMES,
    XIDS,
    TIMES,
    PARTS,
    PARTS,
    st.lists(LOADS, max_size=2, unique_by=lambda load: load.leaf).map(tuple),
    st.none() | TIMES,
)


@given(STATES)
def test_a_state_comes_back_from_its_records(state: State) -> None:
    assert durable.decoded(durable.encoded(state)) == state


@given(STATES, STATES)
def test_changes_lead_from_one_state_to_another(one: State, other: State) -> None:
    parts = durable.encoded(one)
    for record in durable.changes(parts, durable.encoded(other)):
        if record.value is None:
            del parts[record.part]
        else:
            parts[record.part] = record.value
    assert durable.decoded(parts) == other


@given(STATES, st.data())
def test_a_damaged_or_missing_part_is_never_read(state: State, data: st.DataObject) -> None:
    parts = durable.encoded(state)
    name = data.draw(st.sampled_from(sorted(parts)))
    damaged = dict(parts)
    value = bytearray(parts[name])
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged[name] = bytes(value)
    with pytest.raises(DataAtRisk):
        durable.decoded(damaged)
    del damaged[name]
    if name == durable.STATE:
        assert durable.decoded(damaged) is None
    else:
        with pytest.raises(DataAtRisk):
            durable.decoded(damaged)


def test_only_the_changed_block_of_a_set_is_written() -> None:
    # GIVEN what a long writer leaves: many ids at or above P
    many = XidSet({}) | XidSet.of(np.arange(10**7, 10**7 + 500_000))
    part = Part(10**7, many)
    server = Server("s", "1", "e")
    state = State(server, Identity(1, {1: 1}), 0, 0, 0, part, Part(0))
    before = durable.encoded(state)
    assert max(map(len, before.values())) < 10_000
    # WHEN one more is sent
    more = replace(state, timed=Part(10**7, many | XidSet.of([10**7 + 500_005])))
    written = durable.changes(before, durable.encoded(more))
    # THEN one block and the state are written
    assert len(written) == 2


@given(SETS, SETS, XIDS)
def test_sets_of_xids_are_sets(one: frozenset[int], other: frozenset[int], least: int) -> None:
    mine, others = XidSet.of(one), XidSet.of(other)
    assert set(mine) == one
    assert len(mine) == len(one)
    assert set(mine | others) == one | other
    assert set(mine.at_least(least)) == {xid for xid in one if xid >= least}
    assert (mine.first, mine.last) == (min(one, default=0), max(one, default=0))
    probes = np.array(sorted(one | other), "i8")
    assert mine.holds(probes).tolist() == [xid in one for xid in probes.tolist()]
    assert (mine == others) == (one == other)
    assert not one or hash(mine) == hash(XidSet.of(list(one)))


@given(st.integers(3, 2**40), st.integers(1, 1000))
def test_a_prepared_xid_is_finished_if_the_snapshot_is_past_it(xmax: int, below: int) -> None:
    snapshot = Snapshot.parse(f"{max(1, xmax - below)}:{xmax}:{xmax - below}")
    if xmax - below > 0:
        assert not snapshot.finished((xmax - below) & 0xFFFFFFFF)
        assert snapshot.finished((xmax - below - 1) & 0xFFFFFFFF)


def test_a_step_of_the_servers_clock_is_seen_beyond_the_round_trip() -> None:
    clock, back = Clock().read(1_000_000, 0, 100)
    assert back == 0
    clock, back = clock.read(1_500_000, 500_000, 500_100)
    assert back == 0
    clock, back = clock.read(1_500_000, 1_000_000, 1_000_100)  # half a second is missing
    assert 500_000 <= back <= 500_100
    clock, back = clock.read(9_000_000, 2_000_000, 2_000_100)  # forward is no harm
    assert back == 0
    _, back = clock.read(2_500_000, 2_000_100, 2_000_200)
    assert back >= 6_500_000


def test_two_clocks_that_drift_apart_are_no_step_back() -> None:
    hour = 3600 * 1_000_000
    clock, _ = Clock().read(hour, 0, 100)
    later, back = clock.read(2 * hour - 500_000, hour, hour + 100)  # half a second in an hour
    assert back == 0
    _, back = later.read(3 * hour - 900_000, 2 * hour, 2 * hour + 100)
    assert back == 0
    _, back = clock.read(9 * hour - 1_200_000, 8 * hour, 8 * hour + 100)  # more than a second
    assert back >= 1_000_000
