"""What happens to a file between its end and its place on the stage."""

from concurrent.futures import Future
from dataclasses import dataclass

from rowferry.flow.receive.batches import Reason
from rowferry.flow.receive.register import Boundary, Register
from rowferry.run.compressing import BackgroundFile
from rowferry.run.uploads import Task


@dataclass(frozen=True, slots=True)
class Closed:
    """A file that has ended, or none where a predecessor's is kept; PLANNED: decided before."""

    boundary: Boundary
    file: BackgroundFile | None
    reason: Reason
    opened_at: float


@dataclass(frozen=True, slots=True)
class Flying:
    """A decided file on its way to the stage; no task where it was found there."""

    closed: Closed
    task: Task | None

    @property
    def landed(self) -> bool:
        """Whether it is durable on the stage."""
        return self.task is None or (self.task.ended and self.task.error is None)


@dataclass(frozen=True, slots=True)
class Step:
    """A register to commit: it completes the first flying files and decides the first closed."""

    register: Register
    landed: int
    decided: int


@dataclass(frozen=True, slots=True)
class Committing:
    """A step whose commit is under way; outcome None: it changes nothing that is committed."""

    step: Step
    outcome: Future[None] | None

    @property
    def ended(self) -> bool:
        """Whether what came of it is known."""
        return self.outcome is None or self.outcome.done()

    def wait(self) -> None:
        """Wait until it is committed; raises MembershipOver."""
        if self.outcome is not None:
            self.outcome.result()
