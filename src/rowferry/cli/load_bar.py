"""The progress bar of initial loads, on a terminal's stderr; in a pipe the log tells the same."""

from typing import TYPE_CHECKING

from rowferry.errors import Transient
from rowferry.model import Slice, Table
from rowferry.run.sender_parts import PollingCapture

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class LoadBar:
    """Implements run.sender_parts.Observer: one bar a table, while it is loading."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._capture: PollingCapture | None = None
        self._bars: dict[str, TaskID] = {}

    def opened(self, capture: PollingCapture, tables: tuple[Table, ...]) -> None:
        """See Observer."""
        del tables
        self._capture = capture

    def committed(self, piece: Slice, seconds: float) -> None:
        """Move the bars; the table's size is the server's estimate, so a bar may stop short."""
        from rowferry.flow.capture.incremental import IncrementalCapture

        del piece, seconds
        if not isinstance(self._capture, IncrementalCapture):
            return
        loading = {load.table.qualified: load for load in self._capture.loads()}
        for table, load in loading.items():
            if table not in self._bars:
                self._bars[table] = self._progress.add_task(f"loading {table}")
            total = max(load.estimated, load.rows)
            self._progress.update(self._bars[table], completed=load.rows, total=total)
        for table in self._bars.keys() - loading.keys():
            self._progress.remove_task(self._bars.pop(table))

    def ticked(self, seconds: float) -> None:
        """See Observer."""

    def failed(self, error: Transient) -> None:
        """See Observer."""
