"""What the sending loop drives, and who may watch it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rowferry.config import Settings
from rowferry.errors import Transient
from rowferry.flow.capture.contract import Capture
from rowferry.flow.encode.contract import Encoder
from rowferry.flow.publish.contract import Publisher
from rowferry.model import Slice, Table
from rowferry.stop import Stop


class PollingCapture(Capture, Protocol):
    """A capture that says when it would like to be asked again."""

    @property
    def pause_seconds(self) -> float:
        """How long until the next tick is due."""

    @property
    def is_settled(self) -> bool:
        """Whether the last tick gave all that was committed before it."""


class Observer(Protocol):
    """Hears what the sender does, on its thread; may not fail, nor take long."""

    def opened(self, capture: PollingCapture, tables: tuple[Table, ...]) -> None:
        """All parts answered, and the tables are as given."""

    def committed(self, piece: Slice, seconds: float) -> None:
        """A slice is durable; encoding and committing it took so long."""

    def ticked(self, seconds: float) -> None:
        """A tick ended; publishing included, it took so long."""

    def failed(self, error: Transient) -> None:
        """Something passing happened, and will be tried again."""


class Unobserved:
    """An observer that does nothing."""

    def opened(self, capture: PollingCapture, tables: tuple[Table, ...]) -> None:
        """See Observer."""

    def committed(self, piece: Slice, seconds: float) -> None:
        """See Observer."""

    def ticked(self, seconds: float) -> None:
        """See Observer."""

    def failed(self, error: Transient) -> None:
        """See Observer."""


MakeCapture = Callable[[Settings], PollingCapture]


@dataclass(frozen=True, slots=True)
class Parts:
    """Capture is made anew for the tables that are still carried, the others once."""

    capture: MakeCapture
    encoder: Encoder
    publisher: Publisher
    close: Callable[[], None]


def assemble(settings: Settings, stop: Stop, capture: MakeCapture) -> Parts:
    """The real encoder and publisher around a capture.

    Raises ConfigError, and Transient where the name of the registry's host is not known yet.
    """
    from rowferry.flow.encode.encoder import AvroEncoder
    from rowferry.flow.publish.producer import KafkaPublisher
    from rowferry.registry import Registry

    registry = Registry(settings)
    publisher = KafkaPublisher(settings, stop)

    def close() -> None:
        publisher.close()
        registry.close()

    return Parts(capture, AvroEncoder(settings, registry), publisher, close)


def of_database(*, once: bool) -> MakeCapture:
    """The capture of the settings' database; once: scans that repeat are made once."""
    from rowferry.flow.capture.incremental import IncrementalCapture
    from rowferry.flow.capture.opening import connect

    return lambda settings: IncrementalCapture(settings, connect=connect, once=once)
