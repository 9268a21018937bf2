"""The SQL of loading: definitions, which commit, and what one transaction does. Pure."""
# ruff: noqa: S608 - each name and text in a statement goes through quoted() or literal()

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rowferry.flow.stage.load_columns import LoadedColumn, path
from rowferry.flow.stage.load_names import Place, literal, quoted
from rowferry.flow.stage.snowflake_location import Location
from rowferry.model import Op, Partition

LINES = "ROWFERRY_LINES"  # the file format
_LINE, _FILE, _NUMBER = '"_LINE"', '"_FILE"', '"_LINE_NUMBER"'  # of the staging table
_OP, _AT_FILE, _AT_NUMBER = (
    '"_ROWFERRY_OP"',
    '"_ROWFERRY_FILE"',
    '"_ROWFERRY_LINE_NUMBER"',
)  # of the rows that MERGE takes


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """A table, what is loaded into it, and from where.

    op, partition: how the settings call these fields of a line; upsert needs both.
    """

    place: Place
    columns: tuple[LoadedColumn, ...]
    upserts: bool
    location: Location
    op: str = ""
    partition: str = ""

    @property
    def format(self) -> str:
        """The file format, as it stands in a statement."""
        return self.place.beside(LINES).sql

    # --- Definitions

    def definitions(self) -> Iterator[str]:
        """What has to exist before anything is loaded, beside the ledger."""
        yield self.create_format()
        yield self.create_table()
        if self.upserts:
            yield self.create_staging()

    def create_format(self) -> str:
        """JSON lines as they are: no text of theirs stands for NULL."""
        return (
            f"CREATE FILE FORMAT IF NOT EXISTS {self.format} "
            "TYPE = JSON COMPRESSION = GZIP NULL_IF = ()"
        )

    def create_table(self) -> str:
        """The target."""
        columns = ",\n  ".join(f"{quoted(c.name)} {c.target.sql}" for c in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.place.sql} (\n  {columns}\n)"

    def create_staging(self) -> str:
        """Where rows are between COPY and MERGE; empty whenever a transaction has ended."""
        columns = f"{_LINE} VARIANT, {_FILE} VARCHAR, {_NUMBER} NUMBER(38,0)"
        return f"CREATE TRANSIENT TABLE IF NOT EXISTS {self.place.staging.sql} ({columns})"

    def add_column(self, column: LoadedColumn) -> str:
        """A column that the source has got since."""
        return (
            f"ALTER TABLE {self.place.sql} ADD COLUMN IF NOT EXISTS "
            f"{quoted(column.name)} {column.target.sql}"
        )

    # --- In the transaction

    def copy(self, folder: str, names: Sequence[str]) -> str:
        """COPY of the named files of a folder: forced, for the ledger says what is loaded."""
        if self.upserts:
            into = f"{self.place.staging.sql} ({_LINE}, {_FILE}, {_NUMBER})"
            values = "$1, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER"
        else:
            into = f"{self.place.sql} ({', '.join(quoted(c.name) for c in self.columns)})"
            values = ", ".join(column.value("$1") for column in self.columns)
        files = ", ".join(literal(name) for name in names)
        return (
            f"COPY INTO {into} FROM (SELECT {values} FROM {self.location.sql(folder)}) "
            f"FILES = ({files}) FILE_FORMAT = (FORMAT_NAME = {literal(self.format)}) "
            "FORCE = TRUE ON_ERROR = ABORT_STATEMENT"
        )

    def unfit_lines(self) -> str:
        """How many lines lack their _op or _partition, and how many their key.

        MERGE would pass over them in silence. A key that may be NULL is there all the same: only
        a delete, whose line is the message's key, can be without it.
        """
        op, partition = self._op(_LINE), path(_LINE, self.partition)
        lacks_key = " OR ".join(
            f"{op} = {literal(Op.DELETE)} AND {path(_LINE, column.source or '')} IS NULL"
            if column.nullable
            else f"{path(_LINE, column.source or '')}::VARCHAR IS NULL"
            for column in self.columns
            if column.is_key
        )
        known = ", ".join(literal(each) for each in Op)
        return (
            f"SELECT COUNT_IF({op} IS NULL OR {op} NOT IN ({known}) "
            f"OR {op} = {literal(Op.UPSERT)} AND {partition}::VARCHAR IS NULL), "
            f"COUNT_IF({op} <> {literal(Op.TRUNCATE)} AND ({lacks_key})) "
            f"FROM {self.place.staging.sql}"
        )

    def last_truncate(self) -> str:
        """The file and the line of the last truncate marker."""
        return (
            f"SELECT {_FILE}, {_NUMBER} FROM {self.place.staging.sql} "
            f"WHERE {self._op(_LINE)} = {literal(Op.TRUNCATE)} "
            f"ORDER BY {_FILE} DESC, {_NUMBER} DESC LIMIT 1"
        )

    def truncate(self, partition: Partition, file: str, line: int) -> tuple[str, str]:
        """Delete what a partition had put before its truncate marker, loaded or about to be."""
        name = next(c.name for c in self.columns if c.metadata == "_partition")
        at = f"({_FILE} < {literal(file)} OR ({_FILE} = {literal(file)} AND {_NUMBER} <= {line}))"
        return (
            f"DELETE FROM {self.place.sql} WHERE {quoted(name)} = {partition}",
            f"DELETE FROM {self.place.staging.sql} WHERE {at}",
        )

    def merge(self) -> str:
        """The latest version of each key, by file and line, which is by offset."""
        row = f"s.{_LINE}"
        values = ", ".join(f"{c.value(row)} AS {quoted(c.name)}" for c in self.columns)
        key = [column for column in self.columns if column.is_key]
        others = [column for column in self.columns if not column.is_key]
        by = ", ".join(f"r.{quoted(column.name)}" for column in key)
        names = ", ".join(quoted(column.name) for column in self.columns)
        new = ", ".join(f"s.{quoted(column.name)}" for column in self.columns)
        changes = ", ".join(f"{quoted(c.name)} = s.{quoted(c.name)}" for c in others)
        return (
            f"MERGE INTO {self.place.sql} t USING (SELECT r.* FROM (SELECT {values}, "
            f"{self._op(row)} AS {_OP}, s.{_FILE} AS {_AT_FILE}, s.{_NUMBER} AS {_AT_NUMBER} "
            f"FROM {self.place.staging.sql} s) r QUALIFY ROW_NUMBER() OVER (PARTITION BY {by} "
            f"ORDER BY r.{_AT_FILE} DESC, r.{_AT_NUMBER} DESC) = 1) s "
            f"ON {' AND '.join(_equal(column) for column in key)} "
            f"WHEN MATCHED AND s.{_OP} = {literal(Op.DELETE)} THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {changes} "
            f"WHEN NOT MATCHED AND s.{_OP} = {literal(Op.UPSERT)} "
            f"THEN INSERT ({names}) VALUES ({new})"
        )

    def empty_staging(self) -> str:
        """Leave nothing to be seen by anybody: DELETE, since it belongs to the transaction."""
        return f"DELETE FROM {self.place.staging.sql}"

    # --- For people

    def grants(self, role: str, stage: str, ledger: Place) -> Iterator[str]:
        """What the loader's role needs, and no more."""
        database, _, schema = self.place.schema.rpartition(".")
        if database:
            yield f"GRANT USAGE ON DATABASE {database} TO ROLE {role}"
        if schema:
            yield f"GRANT USAGE ON SCHEMA {self.place.schema} TO ROLE {role}"
        yield f"GRANT READ ON STAGE {stage} TO ROLE {role}"
        yield f"GRANT WRITE ON STAGE {stage} TO ROLE {role}"
        yield f"GRANT USAGE ON FILE FORMAT {self.format} TO ROLE {role}"
        tables = [self.place, ledger, *([self.place.staging] if self.upserts else [])]
        for table in tables:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {table.sql} TO ROLE {role}"

    def pipe(self, folder: str) -> str:
        """Snowpipe instead of the loader: once for 14 days by path, without a ledger."""
        values = ", ".join(column.value("$1") for column in self.columns)
        names = ", ".join(quoted(column.name) for column in self.columns)
        return (
            f"CREATE PIPE IF NOT EXISTS {self.place.beside(self.place.parts[-1] + '_PIPE').sql} "
            f"AS COPY INTO {self.place.sql} ({names}) FROM (SELECT {values} FROM "
            f"{self.location.sql(folder)}) FILE_FORMAT = (FORMAT_NAME = {literal(self.format)})"
        )

    def _op(self, row: str) -> str:
        return f"{path(row, self.op)}::VARCHAR"


def _equal(column: LoadedColumn) -> str:
    name = quoted(column.name)
    return f"EQUAL_NULL(t.{name}, s.{name})" if column.nullable else f"t.{name} = s.{name}"
