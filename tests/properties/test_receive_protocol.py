"""The receiver in a hostile world: crashes, zombies, lost and late commits, late uploads.

Whatever happens, files neither overlap nor change nor differ from the log, nothing is committed
that is not staged, and a successor completes what was begun.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from properties.receive_world import Member, World
from rowferry.flow.receive.batches import Triggers

OUTCOMES = st.lists(
    st.sampled_from(["clean", "clean", "clean", "lost", "applied", "late"]), max_size=3
)
FAR = 1e9


class ReceiverInAHostileWorld(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.alive: list[Member] = []  # the last is the owner, the others do not know that yet

    @rule(records=st.integers(1, 6), hole=st.integers(0, 2))
    def produce(self, records: int, hole: int) -> None:
        self.world.produce(records, hole)

    @rule(most=st.integers(1, 4), at_once=st.booleans())
    def join(self, most: int, at_once: bool) -> None:
        """A member joins and is given the partition; who had it becomes a zombie."""
        self.alive.append(Member(self.world, Triggers(most, 10**9, 0.0 if at_once else FAR)))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), deliver=st.integers(0, 5), outcomes=OUTCOMES)
    def turn(self, data: st.DataObject, deliver: int, outcomes: list[str]) -> None:
        member = self.one_of(data, self.alive)
        if not member.turn(deliver, outcomes):
            self.alive.remove(member)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        member = self.one_of(data, self.alive)
        member.die()
        self.alive.remove(member)

    @precondition(lambda self: self.alive)
    @rule(outcomes=OUTCOMES)
    def revoke(self, outcomes: list[str]) -> None:
        self.alive.pop().hand_over(outcomes)

    @precondition(lambda self: self.world.uploads)
    @rule(data=st.data())
    def check_an_upload(self, data: st.DataObject) -> None:
        upload = data.draw(st.sampled_from(self.world.uploads))
        if not upload.checked:
            self.world.check_upload(upload)

    @precondition(lambda self: any(upload.checked for upload in self.world.uploads))
    @rule(data=st.data())
    def land_an_upload(self, data: st.DataObject) -> None:
        checked = [upload for upload in self.world.uploads if upload.checked]
        self.world.land(data.draw(st.sampled_from(checked)))

    @precondition(lambda self: self.world.late)
    @rule()
    def land_a_late_commit(self) -> None:
        self.world.land_late_commit()

    @invariant()
    def nothing_is_staged_twice_or_committed_before(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """A successor that nothing disturbs completes everything."""
        try:
            complete(self.world)
        finally:
            for member in self.alive:
                member.die()
            self.world.close()

    def one_of(self, data: st.DataObject, members: list[Member]) -> Member:
        return data.draw(st.sampled_from(members))


def complete(world: World) -> None:
    member = Member(world, Triggers(3, 10**9, 0.0))
    for _ in range(20 + len(world.offsets) + len(world.staged)):
        assert member.turn(4, [])
        for upload in list(world.uploads):
            if not upload.checked:
                world.check_upload(upload)
            world.land(upload)
            world.check()
    member.die()
    world.check(complete=True)


TestReceiverInAHostileWorld = ReceiverInAHostileWorld.TestCase
