"""The receiver in a hostile world: crashes, zombies, lost and late commits, late uploads.

Whatever happens, files neither overlap nor change nor differ from the log, nothing is committed
that is not staged, and a successor completes what was begun.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from properties.receive_world import Member, World
from rowferry.flow.receive.batches import Triggers

OUTCOMES = st.sampled_from(
    [["clean"]] * 6 + [["lost"], ["applied"], ["late"], ["clean", "lost"], ["clean", "applied"]]
)
FAR = 1e9


class ReceiverInAHostileWorld(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.produce(9, 1)
        self.alive: list[Member] = []  # the last is the owner, the others do not know that yet

    @rule(records=st.integers(1, 6), hole=st.integers(0, 2))
    def produce(self, records: int, hole: int) -> None:
        self.world.produce(records, hole)

    @rule(most=st.integers(1, 4), age=st.sampled_from([0.0, 0.0, FAR]))
    def join(self, most: int, age: float) -> None:
        """A member joins and is given the partition; who had it becomes a zombie."""
        member = Member(self.world, Triggers(most, 10**9, age))
        self.alive.append(member)
        assert member.turn(0, [])

    @precondition(lambda self: self.alive)
    @rule(who=st.integers(0, 3), deliver=st.integers(0, 5), outcomes=OUTCOMES, behind=st.booleans())
    def turn(self, who: int, deliver: int, outcomes: list[str], behind: bool) -> None:
        member = self.alive[-1 - who % len(self.alive)]
        if not member.turn(deliver, outcomes, is_behind=behind):
            self.alive.remove(member)

    @precondition(lambda self: self.alive)
    @rule(deliver=st.integers(1, 5), outcomes=OUTCOMES, behind=st.booleans())
    def turn_of_the_owner(self, deliver: int, outcomes: list[str], behind: bool) -> None:
        self.turn(0, deliver, outcomes, behind)

    @precondition(lambda self: self.alive)
    @rule(who=st.integers(0, 3))
    def crash(self, who: int) -> None:
        member = self.alive.pop(-1 - who % len(self.alive))
        member.die()

    @precondition(lambda self: self.alive)
    @rule(outcomes=OUTCOMES)
    def revoke(self, outcomes: list[str]) -> None:
        self.alive.pop().hand_over(outcomes)

    @precondition(lambda self: self.world.uploads)
    @rule(which=st.integers(0, 9))
    def check_an_upload(self, which: int) -> None:
        self.world.check_upload(self.world.uploads[which % len(self.world.uploads)])

    @precondition(lambda self: self.world.uploads)
    @rule(which=st.integers(0, 9))
    def land_an_upload(self, which: int) -> None:
        self.world.land(self.world.uploads[which % len(self.world.uploads)])

    @precondition(lambda self: self.world.late)
    @rule()
    def land_a_late_commit(self) -> None:
        self.world.land_late_commit()

    @precondition(lambda self: self.world.before and not self.world.uploads)
    @rule()
    def a_hidden_retry_moves_the_register_back_and_the_owner_dies(self) -> None:
        """The stage then knows what the group does not; a known limit where uploads are under way.

        Others are zombies of earlier generations: they die too, as they have nothing to say.
        """
        while self.alive:
            self.crash(0)
        self.world.move_back()

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
