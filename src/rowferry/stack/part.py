"""What every part of the local stack is asked for."""

from typing import Protocol

from rowferry.stack.processes import Launch


class Part(Protocol):
    """One server of the stack. Each is called from one thread; parts start in parallel.

    A crash at any moment leaves a folder that `prepare` takes up again.
    """

    @property
    def name(self) -> str:
        """The part's name, in messages and file names."""
        ...

    def prepare(self) -> None:
        """Fetch what the server needs; called first, in the main thread, so that Ctrl-C works."""
        ...

    def launch(self) -> Launch:
        """Lay out the server's folder; its command, with ports that are free now."""
        ...

    def is_ready(self) -> bool:
        """Ask the server whether it serves; False while it does not."""
        ...

    def settings(self) -> dict[str, str]:
        """The settings, NAME → value, with which this part is reached."""
        ...
