"""What an encoding promises to the sender."""

from typing import Protocol

from rowferry.model import Messages, ProgressRecord, Rows, Table

NOTE = "schemas"  # the part of a table's progress that is the encoder's


class Encoder(Protocol):
    """Turns rows into messages; stateless but for caches of schemas and ids.

    The same row of the same table gives the same bytes in every mode.
    """

    def prepare(self, table: Table, noted: bytes | None) -> None:
        """Register the table's schemas, or find them registered.

        noted: what note() gave last of what is durable. Raises DataAtRisk where the registry
        refuses the schema (SR_INCOMPATIBLE, with the difference) or knows another one, or none,
        under an id that rows were sent with (SR_ID_CONFLICT); AccessDenied, Transient.
        """

    def encode(self, rows: Rows) -> Messages:
        """Encode a batch, one message a row, in the batch's order.

        Raises Unreadable where a value cannot be carried and the policy is to stop.
        """

    def note(self, table: str) -> ProgressRecord | None:
        """What is to become durable with the messages of the last encode(), if that is new.

        Given once: where it did not become durable, prepare() comes before the next encode().
        """
