"""The window against an abstract MVCC: whatever happens, each version arrives, and once."""

import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from properties.window_world import World

CHOICES = st.integers(0, 2**12)
SCRIPTS = st.lists(CHOICES, max_size=12)


class Schedules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(choices=st.lists(CHOICES, max_size=20))
    def fill(self, choices: list[int]) -> None:
        self.world.fill(choices)

    @rule(choices=st.lists(CHOICES, min_size=1, max_size=8))
    def others_act(self, choices: list[int]) -> None:
        for choice in choices:
            self.world.act(choice)

    @rule(script=SCRIPTS)
    def tick(self, script: list[int]) -> None:
        self.world.tick(script)

    @rule(script=SCRIPTS, fate=st.integers(1, 15))
    def tick_that_fails(self, script: list[int], fate: int) -> None:
        self.world.tick(script, fate)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(by=st.integers(1, 60))
    def clock_goes_back(self, by: int) -> None:
        self.world.clock_back(by)

    @rule(losing=st.booleans())
    def server_crashes(self, losing: bool) -> None:
        self.world.crash(losing=losing)

    @invariant()
    def nothing_twice(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.finish()


TestSchedules = Schedules.TestCase


def run_schedule(seed: int, *, accidents: bool, steps: int = 40) -> None:
    """One schedule of a seed: fast, for many."""
    dice = random.Random(seed)
    world = World()
    world.fill([dice.randrange(4096) for _ in range(dice.randrange(20))])
    for _ in range(steps):
        kind = dice.random()
        script = [dice.randrange(4096) for _ in range(dice.randrange(12))]
        if kind < 0.45:
            world.act(dice.randrange(4096))
        elif kind < 0.80:
            world.tick(script)
        elif kind < 0.93:
            world.tick(script, dice.randrange(1, 12))
        elif kind < 0.96:
            world.restart()
        elif accidents and kind < 0.98:
            world.clock_back(dice.randrange(1, 60))
        elif accidents:
            world.crash(losing=dice.random() < 0.5)
    world.finish()


@given(st.integers(0, 2**32))
def test_no_version_is_lost_or_sent_twice_under_random_schedules(seed: int) -> None:
    run_schedule(seed, accidents=False)


@given(st.integers(0, 2**32))
def test_no_version_is_lost_when_the_server_has_accidents(seed: int) -> None:
    run_schedule(seed, accidents=True)
