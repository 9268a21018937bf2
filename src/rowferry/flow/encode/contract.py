"""What an encoding promises to the sender."""

from typing import Protocol

from rowferry.model import Messages, Rows, Table


class Encoder(Protocol):
    """Turns rows into messages; stateless but for caches of schemas and ids.

    The same row of the same table gives the same bytes in every mode.
    """

    def prepare(self, table: Table) -> None:
        """Register the table's schemas, or find them registered.

        Raises DataAtRisk (SR_INCOMPATIBLE) with the difference, AccessDenied, Transient.
        """

    def encode(self, rows: Rows) -> Messages:
        """Encode a batch, one message a row, in the batch's order.

        Raises Unreadable where a value cannot be carried and the policy is to stop.
        """
