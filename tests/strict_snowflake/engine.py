"""One statement on DuckDB by fakesnow's transpiler; imported late, for it is heavy."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
from fakesnow.arrow import to_ipc, to_sf
from fakesnow.converter import from_binding
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.dialect import parse_one
from fakesnow.rowtype import describe_as_rowtype
from fakesnow.statement_type import DML_TYPE_IDS, statement_type_id
from snowflake.connector.errors import Error

from strict_snowflake.parameters import most_rows
from strict_snowflake.results import rows_answer
from strict_snowflake.stages import SqlError
from strict_snowflake.transactions import Transaction


class EngineCursor(FakeSnowflakeCursor):
    """fakesnow's cursor, without its notes of text lengths and comments in open transactions.

    It writes them to another database, and DuckDB writes to one in a transaction; only the
    temporary table of its MERGE comes to this, for definitions are never in a transaction.
    """

    def __init__(self, transaction: Transaction) -> None:
        connection = transaction.connection
        super().__init__(conn=connection, duck_conn=connection._duck_conn)
        self._in_transaction = transaction.is_open

    def _execute(self, transformed: Any, params: Any = None) -> None:
        if self._in_transaction:
            transformed.args.pop("text_lengths", None)
            transformed.args.pop("table_comment", None)
        super()._execute(transformed, params)


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn the engine's errors into Snowflake's."""
    try:
        yield
    except Error as error:
        raise SqlError(f"{error.errno:06d}", error.sqlstate or "", str(error.raw_msg)) from error
    except duckdb.ConstraintException as error:
        raise SqlError("100072", "22000", str(error)) from error
    except (duckdb.Error, NotImplementedError, AssertionError) as error:
        raise SqlError("000603", "XX000", f"This fake cannot: {error}") from error


def execute(
    transaction: Transaction, sql: str, bindings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`data` of the answer. Raises SqlError."""
    cursor = EngineCursor(transaction)
    with engine_errors():
        kind = statement_type_id(parse_one(sql))
        cursor.execute(sql, binding_params=_values(bindings), server=True)
        rowtype = describe_as_rowtype(cursor._describe_last_sql())
    arrow: Any = cursor._arrow_table
    transaction.session.database = transaction.connection.database
    transaction.session.schema = transaction.connection.schema
    arrow = arrow.slice(0, most_rows(transaction.session.parameters))
    if kind in DML_TYPE_IDS:
        columns = [(column["name"], column["type"]) for column in rowtype]
        rows = list(zip(*[c.to_pylist() for c in arrow.columns], strict=True))
        return {**rows_answer(columns, rows), "statementTypeId": kind}
    return {
        **rows_answer([], []),
        "rowtype": rowtype,
        "total": arrow.num_rows,
        "queryResultFormat": "arrow",
        "rowsetBase64": base64.b64encode(to_ipc(to_sf(arrow, rowtype))).decode(),
        "statementTypeId": kind,
    }


def _values(bindings: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """The positional values of qmark binding."""
    if not bindings:
        return None
    ordered = [bindings[number] for number in sorted(bindings, key=int)]
    return tuple(None if b["value"] is None else from_binding(b) for b in ordered)
