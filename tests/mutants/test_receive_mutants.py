"""Break the receiver on purpose: the hostile world must see it each time."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from faults import test_receiver_membership as membership_promises
from fix_receive import Ferry
from properties.test_receive_protocol import ReceiverInAHostileWorld
from rowferry.errors import DataAtRisk
from rowferry.flow.receive import register as register_rules
from rowferry.flow.receive.batches import OpenBatch
from rowferry.flow.receive.consumer import GroupMembership
from rowferry.flow.receive.contract import MembershipOver
from rowferry.flow.receive.register import Register
from rowferry.model import Offset
from rowferry.run import takeover
from rowferry.run.lane import Lane
from rowferry.run.receiver import Receiver
from rowferry.run.steps import Committing, Flying

MOST_EXAMPLES = 2000

Patch = pytest.MonkeyPatch
PROMISE = (
    membership_promises.test_a_commit_of_a_partition_that_is_not_owned_does_not_leave_the_process
)


def plan_after_put(patch: Patch) -> None:
    original = Receiver._move_files

    def move_files(self: Receiver, *, wait: bool) -> None:
        for one in self._lanes.values():
            for closed in one.closed:
                self._put(one, closed)
        original(self, wait=wait)

    patch.setattr(Receiver, "_move_files", move_files)


def commit_before_put(patch: Patch) -> None:
    patch.setattr(Flying, "landed", property(lambda _: True))


def a_commit_that_failed_counts(patch: Patch) -> None:
    original = Committing.wait

    def wait(self: Committing) -> None:
        with suppress(MembershipOver):
            original(self)

    patch.setattr(Committing, "wait", wait)


def a_commit_that_is_under_way_counts(patch: Patch) -> None:
    patch.setattr(Committing, "wait", lambda _: None)


def a_later_file_completes_an_earlier_one(patch: Patch) -> None:
    original = Lane.next_step

    def next_step(self: Lane, *, decide: bool = True) -> Any:
        step = original(self, decide=decide)
        landed = [index for index, flying in enumerate(self.flying) if flying.landed]
        count = landed[-1] + 1 if landed else 0
        if count == step.landed:
            return step
        return replace(step, landed=count, register=self.register.complete(count), decided=0)

    patch.setattr(Lane, "next_step", next_step)


def what_was_planned_is_forgotten(patch: Patch) -> None:
    original = register_rules.chain

    def chain(register: Register, files_at: Any, where: str) -> Any:
        return original(replace(register, planned=()), files_at, where)

    patch.setattr(takeover, "chain", chain)


def the_stage_is_not_asked(patch: Patch) -> None:
    original = register_rules.chain
    patch.setattr(
        takeover, "chain", lambda register, _, where: original(register, lambda _: [], where)
    )


def triggers_count_in_a_replay(patch: Patch) -> None:
    original = OpenBatch.__init__

    def init(self: OpenBatch, start: Any, inherited: Any, triggers: Any) -> None:
        original(self, start, inherited, triggers)
        if inherited:
            self._inherited.popleft()

    patch.setattr(OpenBatch, "__init__", init)


def the_end_of_a_file_is_its_last_offset(patch: Patch) -> None:
    original = OpenBatch._cut_at

    def cut_at(self: OpenBatch, received: Any, index: int, upto: int, reason: Any) -> Any:
        cut = original(self, received, index, upto, reason)
        if cut.boundary is None or cut.boundary.end - cut.boundary.start < 2:
            return cut
        shorter = replace(cut.boundary, end=Offset(cut.boundary.end - 1))
        self.start = shorter.end
        return replace(cut, boundary=shorter)

    patch.setattr(OpenBatch, "_cut_at", cut_at)


MUTANTS: tuple[Callable[[Patch], None], ...] = (
    plan_after_put,
    commit_before_put,
    a_commit_that_failed_counts,
    a_commit_that_is_under_way_counts,
    a_later_file_completes_an_earlier_one,
    what_was_planned_is_forgotten,
    the_stage_is_not_asked,
    triggers_count_in_a_replay,
    the_end_of_a_file_is_its_last_offset,
)


def run_world() -> None:
    run_state_machine_as_test(
        ReceiverInAHostileWorld,
        settings=settings(
            max_examples=MOST_EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_receiver_is_noticed(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises((AssertionError, ValueError, BaseExceptionGroup, DataAtRisk)):
        run_world()


@pytest.mark.real
def test_a_skipped_check_of_ownership_is_noticed(ferry: Ferry, monkeypatch: Patch) -> None:
    """On a broker, which takes a live member's commit for any partition."""
    monkeypatch.setattr(GroupMembership, "_is_owned", lambda *_: True)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        PROMISE(ferry)
