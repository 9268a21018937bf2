"""The one error tree: what we retry, and what needs a person."""

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """Symbols of errors in logs, `--json` output and the reference (docs/errors.md)."""

    UNEXPECTED = "E_UNEXPECTED"
    CONFIG = "E_CONFIG"
    FENCED = "E_FENCED"
    LOCAL_RESOURCE = "E_LOCAL_RESOURCE"
    PG_CONN = "E_PG_CONN"
    PG_AUTH = "E_PG_AUTH"
    PG_HISTORY_DIVERGED = "E_PG_HISTORY_DIVERGED"
    PG_STANDBY = "E_PG_STANDBY"
    TABLE_GONE = "E_TABLE_GONE"
    TABLE_UNFIT = "E_TABLE_UNFIT"
    KAFKA_CONN = "E_KAFKA_CONN"
    KAFKA_AUTH = "E_KAFKA_AUTH"
    KAFKA_TXN = "E_KAFKA_TXN"
    TOPIC_GONE = "E_TOPIC_GONE"
    TOPIC_RECREATED = "E_TOPIC_RECREATED"
    TOPIC_UNFIT = "E_TOPIC_UNFIT"
    PROGRESS_UNREADABLE = "E_PROGRESS_UNREADABLE"
    SR_DOWN = "E_SR_DOWN"
    SR_AUTH = "E_SR_AUTH"
    SR_INCOMPATIBLE = "E_SR_INCOMPATIBLE"
    SR_ID_CONFLICT = "E_SR_ID_CONFLICT"
    UNREADABLE = "E_UNREADABLE"
    UNCARRIABLE = "E_UNCARRIABLE"
    TOO_LARGE = "E_TOO_LARGE"
    OFFSET_RESET = "E_OFFSET_RESET"
    REGISTER_UNREADABLE = "E_REGISTER_UNREADABLE"
    NO_COMMIT_BUT_FILES = "E_NO_COMMIT_BUT_FILES"
    PREFIX_OWNED = "E_PREFIX_OWNED"
    STAGE_DOWN = "E_STAGE_DOWN"
    STAGE_GONE = "E_STAGE_GONE"
    STAGE_CONFLICT = "E_STAGE_CONFLICT"
    SF_AUTH = "E_SF_AUTH"
    INCOMPLETE = "E_INCOMPLETE"
    LOAD_DOWN = "E_LOAD_DOWN"
    LOAD_MISMATCH = "E_LOAD_MISMATCH"
    LINES_UNFIT = "E_LINES_UNFIT"
    LEDGER_UNFIT = "E_LEDGER_UNFIT"
    TARGET_UNFIT = "E_TARGET_UNFIT"


class RowferryError(Exception):
    """An error with a symbol, a place and a repair.

    what: what happened, in one sentence, without a cell value or a secret.
    where: table, topic and partition, offset, file or host.
    advice: what the person can do now.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: Code, what: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.where, self.advice = code, what, where, advice

    def __str__(self) -> str:
        """One line: what, where, and what to do."""
        where = f" [{self.where}]" if self.where else ""
        advice = f" — {self.advice}" if self.advice else ""
        return f"{self.code}: {self.what}{where}{advice}"


class Transient(RowferryError):
    """We retry: for CONNECT_SECONDS before the first success, afterwards for ever."""

    exit_code = 6


class UnknownOutcome(Transient):
    """A commit or an abort whose outcome is unknown: start again from what is durable."""


class NoSpace(Transient):
    """A disk of this machine is full: what was spooled is given up, and built again later."""

    exit_code = 8


class NeedsPerson(RowferryError):
    """We stop, nothing is reset, and the message says what to do."""


class ConfigError(NeedsPerson):
    """Configuration or usage."""

    exit_code = 2


class AccessDenied(NeedsPerson):
    """Authentication or permission."""

    exit_code = 3


class DataAtRisk(NeedsPerson):
    """Going on could lose or repeat rows: a person decides."""

    exit_code = 4


class Fenced(NeedsPerson):
    """Another instance owns this pipeline now."""

    exit_code = 5


class RetryBudgetSpent(NeedsPerson):
    """The part was never reached within CONNECT_SECONDS."""

    exit_code = 6


class Unreadable(NeedsPerson):
    """A record or value that cannot be carried, and the policy is to stop."""

    exit_code = 7


class LocalResource(NeedsPerson):
    """Disk, memory or descriptors of this machine."""

    exit_code = 8
