"""A chunk of files into its target, exactly once: the ledger moves in the same transaction.

COPY's own memory of files ends after 64 days, or with a TRUNCATE; the ledger's does not.
"""

from rowferry.errors import Code, DataAtRisk, RowferryError, Transient
from rowferry.failpoints import failpoint
from rowferry.flow.stage.load_ledger import Chunk, Ledger
from rowferry.flow.stage.load_session import Answer, LoadSession, MissingTable
from rowferry.flow.stage.load_statements import LoadTarget
from rowferry.flow.stage.snowflake_location import gone
from rowferry.model import Partition, TopicId

_LOADED = 3  # the column of COPY's answer: rows loaded of a file


class LedgerMoved(Transient):
    """The ledger is not where the chunk starts: another loader was here."""


def load_chunk(
    session: LoadSession,
    target: LoadTarget,
    ledger: Ledger,
    topic: TopicId,
    partition: Partition,
    chunk: Chunk,
) -> None:
    """Load a chunk and move the ledger behind it, or do neither.

    Raises LedgerMoved; DataAtRisk where other rows were loaded than the names say
    (LOAD_MISMATCH), or lines lack what upsert goes by (LINES_UNFIT); Transient where the outcome
    is unknown, which the ledger tells; what LoadSession raises.
    """
    try:
        session.run("BEGIN")
        # 1. The ledger: it is the lock, and refuses whoever comes second
        _move(session.run(ledger.move(topic, partition, chunk)), chunk)
        failpoint("load.lock")
        # 2. The rows
        if chunk.names:
            _check(session.run(target.copy(chunk.folder, chunk.names)), chunk)
        failpoint("load.copy")
        if target.upserts and chunk.names:
            _merge(session, target, partition, chunk)
        failpoint("load.merge")
        # 3. Both at once
        session.run("COMMIT")
        failpoint("load.commit")
    except MissingTable:  # the tables were seen before
        session.rollback()
        raise gone(target.location, "it, or a table of the loader, is missing or hidden") from None
    except RowferryError:
        session.rollback()
        raise


def _move(answer: Answer, chunk: Chunk) -> None:
    if answer.changed > 1:
        raise DataAtRisk(
            Code.LEDGER_UNFIT,
            f"the ledger has {answer.changed} rows for one partition",
            where=chunk.folder,
            advice="leave the one with the greatest NEXT_OFFSET",
        )
    if answer.changed != 1:
        raise LedgerMoved(Code.LOAD_DOWN, f"the ledger is not at {chunk.start} any more")


def _check(answer: Answer, chunk: Chunk) -> None:
    loaded = sum(int(row[_LOADED]) for row in answer.rows if len(row) > _LOADED)
    if loaded != chunk.rows:
        raise DataAtRisk(
            Code.LOAD_MISMATCH,
            f"COPY loaded {loaded} rows of files that have {chunk.rows} by their names",
            where=f"{chunk.folder} [{chunk.start}, {chunk.end})",
            advice="it was rolled back; run: rowferry verify",
        )


def _merge(session: LoadSession, target: LoadTarget, partition: Partition, chunk: Chunk) -> None:
    _refuse_unfit(session.run(target.unfit_lines()), chunk)
    for file, line in session.run(target.last_truncate()).rows:
        for statement in target.truncate(partition, str(file), int(line)):
            session.run(statement)
    session.run(target.merge())
    session.run(target.empty_staging())


def _refuse_unfit(answer: Answer, chunk: Chunk) -> None:
    """Lines that MERGE would pass over, while the ledger moves behind them."""
    [(without_metadata, without_key)] = answer.rows
    where = f"{chunk.folder} [{chunk.start}, {chunk.end})"
    if without_metadata:
        raise DataAtRisk(
            Code.LINES_UNFIT,
            f"{without_metadata} of {chunk.rows} lines lack the _op or the _partition that upsert "
            "goes by",
            where=where,
            advice="set ROWFERRY_METADATA as the receiver had it; lines that were staged without "
            "them need ROWFERRY_LOAD=append, or to be received again, by another ROWFERRY_GROUP "
            "under another prefix of ROWFERRY_STAGE",
        )
    if without_key:
        raise DataAtRisk(
            Code.LINES_UNFIT,
            f"{without_key} of {chunk.rows} lines lack the key, or a part of it",
            where=where,
            advice="name columns in ROWFERRY_LOAD_KEY that every line has (a delete has those of "
            "the message's key), or set ROWFERRY_LOAD=append",
        )
