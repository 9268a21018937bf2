"""Commands as the children of one process: side by side or in turn; if one ends, all stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rowferry.cli.flags import as_environment
from rowferry.config import Settings, environment_name
from rowferry.run.children import Child, end_children, exit_code, start_child
from rowferry.sources import Loaded
from rowferry.stop import Stop

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 5  # beyond the children's own drain deadline


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ours, and what its environment has beside the parent's."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


def receiving(settings: Settings) -> list[Command]:
    """The receiver, and the loader where LOAD is set, which the receiver then need not start."""
    if settings.load == "off":
        return [Command("receive")]
    return [Command("receive", {environment_name("load"): "off"}), Command("load")]


def run_children(commands: Sequence[Command], loaded: Loaded, stop: Stop, *, once: bool) -> int:
    """Run the commands until one ends or a stop is requested; once: each to its end, in turn.

    Gives the exit code of the one that ended first if it is bad, else the first bad one.
    """
    if not once:
        return _side_by_side([_start(each, loaded) for each in commands], loaded, stop)
    for command in commands:
        if stop.requested:
            break
        if code := _side_by_side([_start(command, loaded, "--once")], loaded, stop):
            return code
    return 0


def _side_by_side(children: list[Child], loaded: Loaded, stop: Stop) -> int:
    while all(child.poll() is None for child in children) and not stop.wait(_LOOK_SECONDS):
        pass
    ended_first = [exit_code(child) for child in children if child.poll() is not None]
    ended = end_children(children, loaded.settings.drain_seconds + _GRACE_SECONDS)
    return next((code for code in [*ended_first, *ended] if code), 0)


def _start(command: Command, loaded: Loaded, *flags: str) -> Child:
    return start_child([command.name, *flags], {**as_environment(loaded), **command.environment})
