"""A table as it was read from the catalog, what it is recognised by, and what reads it."""

import json
from typing import NamedTuple

from rowferry.flow.capture import statements
from rowferry.flow.capture.source import Look, Query
from rowferry.flow.capture.state import Identity
from rowferry.flow.capture.statements import Statements
from rowferry.kernel.copy import CopyReader
from rowferry.model import Table


class Told(NamedTuple):
    """A row of statements.identity_of(), the table's place left out.

    leaves: JSON, oid → filenode. columns, key: fingerprints.
    """

    oid: int
    leaves: str
    columns: str
    key: str | None


class Known:
    """What is made once a table, as long as its columns stay the same.

    told: that of which the table was read; None where nothing was asked yet.
    """

    def __init__(self, table: Table, built: Statements, told: Told | None = None) -> None:
        self.statements = built
        self.asking = statements.identity_of([table])
        self.look = Look(table, Identity(table.oid, {}))
        self._columns = None if told is None else (told.oid, told.columns, told.key)
        self._told: Told | None = None
        self._readers: dict[tuple[str, ...], CopyReader] = {}

    def is_of(self, told: Told) -> bool:
        """Whether it is this table, with these columns."""
        return self._columns == (told.oid, told.columns, told.key)

    def looked(self, told: Told) -> Look:
        """The table as it is told now."""
        if told != self._told:
            found: dict[str, int | None] = json.loads(told.leaves)
            files = {int(leaf): int(file) for leaf, file in found.items() if file is not None}
            self.look = Look(self.look.table, Identity(told.oid, files, told.key or ""))
            self._told = told
        return self.look

    def is_unchanged(self, told: Told, query: Query) -> bool:
        """Whether all is as it was when it was looked at last, and as the query has it."""
        return told == self._told and query.identity == self.look.identity

    @property
    def is_its_own_leaf(self) -> bool:
        """Whether it has no partitions."""
        return self.look.identity.leaves.keys() == {self.look.identity.oid}

    def reader(self, query: Query) -> CopyReader:
        """What reads the query's rows."""
        if query.order not in self._readers:
            self._readers[query.order] = CopyReader(self.statements.wires_of(query))
        return self._readers[query.order]
