"""Stages and their files: names, bytes, ETags, privileges, and the keys that open them."""

import base64
import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from enum import StrEnum

from strict_snowflake.clock import Clock

CREDENTIAL_SECONDS = 3600


class Cloud(StrEnum):
    """Whose storage holds the account's internal stages."""

    S3 = "S3"
    AZURE = "AZURE"
    GCS = "GCS"  # with presigned URLs, which 4.x clients cannot ask whether a file is there
    GCS_TOKEN = "GCS_TOKEN"  # with access tokens, as newer accounts have it


class Encryption(StrEnum):
    """ENCRYPTION = (TYPE = …) of CREATE STAGE; FULL, the default, encrypts in the client too."""

    FULL = "SNOWFLAKE_FULL"
    SSE = "SNOWFLAKE_SSE"


class SqlError(Exception):
    """A statement that fails, with the code, SQLSTATE and words that the client is told."""

    def __init__(self, code: str, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.code, self.sqlstate, self.message = code, sqlstate, message


@dataclass(frozen=True)
class FileView:
    """A file as a test may look at it; `uploads` counts the times the name was written."""

    stage: str
    name: str
    size: int
    etag: str
    md5: str
    uploads: int
    stored: bytes
    contents: bytes  # decrypted


@dataclass
class StoredFile:
    """A file as the storage keeps it; headers are the client's metadata, in lower case."""

    name: str
    stored: bytes
    etag: str
    modified_at: float
    headers: dict[str, str]

    @property
    def md5(self) -> str:
        return hashlib.md5(self.stored, usedforsecurity=False).hexdigest()


@dataclass
class Stage:
    """An internal named stage; `bucket` is new with each creation."""

    database: str
    schema: str
    name: str
    encryption: Encryption
    temporary: bool = False
    file_format: dict[str, str] = field(default_factory=dict)
    bucket: str = field(default_factory=lambda: "sfc-" + secrets.token_hex(6))
    files: dict[str, StoredFile] = field(default_factory=dict)
    uploads: dict[str, int] = field(default_factory=dict)
    grants: dict[str, set[str]] = field(default_factory=dict)
    master_key: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(16)).decode()
    )

    @property
    def qualified(self) -> str:
        return f"{self.database}.{self.schema}.{self.name}"

    def require(self, role: str, privilege: str) -> None:
        """A role without any privilege is told the stage does not exist; one with too few, that."""
        held = self.grants.get(role, set())
        if not held:
            raise not_there(self.qualified)
        if privilege not in held:
            raise SqlError(
                "003001",
                "42501",
                "SQL access control error:\n"
                f"Insufficient privileges to operate on stage '{self.name}'",
            )


def not_there(qualified: str) -> SqlError:
    return SqlError(
        "002003",
        "02000",
        f"SQL compilation error:\nStage '{qualified}' does not exist or not authorized.",
    )


class Stages:
    """All stages of the account, and the temporary credentials handed out for them."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self.cloud = cloud
        self._clock = clock
        self._stages: dict[tuple[str, str, str], Stage] = {}
        self._credentials: dict[str, tuple[str, float]] = {}  # token -> bucket, expiry
        self._writes = 0
        self.lent: set[str] = set()  # all tokens ever, also those that are over
        self.lock = threading.RLock()

    def create(
        self, where: tuple[str, str, str], encryption: Encryption, *, temporary: bool = False
    ) -> Stage:
        """Create or replace: a replaced stage starts empty, elsewhere."""
        with self.lock:
            self._stages[where] = Stage(*where, encryption, temporary)
            return self._stages[where]

    def drop(self, where: tuple[str, str, str]) -> bool:
        with self.lock:
            return self._stages.pop(where, None) is not None

    def find(self, where: tuple[str, str, str]) -> Stage | None:
        with self.lock:
            return self._stages.get(where)

    def get(self, where: tuple[str, str, str]) -> Stage:
        """The stage, or the error that Snowflake gives for none."""
        stage = self.find(where)
        if stage is None:
            raise not_there(".".join(where))
        return stage

    def all(self) -> list[Stage]:
        with self.lock:
            return [self._stages[where] for where in sorted(self._stages)]

    def in_bucket(self, bucket: str) -> Stage | None:
        with self.lock:
            return next((s for s in self._stages.values() if s.bucket == bucket), None)

    def write(
        self, stage: Stage, name: str, stored: bytes, headers: dict[str, str], parts: int = 1
    ) -> StoredFile:
        """Store a whole file; its ETag is of the content on S3, of the write elsewhere."""
        with self.lock:
            self._writes += 1
            digest = hashlib.md5(stored, usedforsecurity=False).hexdigest()
            if self.cloud is not Cloud.S3:
                etag = f"0x{self._writes:016X}"
            elif parts == 1:
                etag = digest
            else:
                etag = f"{digest}-{parts}"
            file = StoredFile(name, stored, etag, self._clock.now(), headers)
            stage.files[name] = file
            stage.uploads[name] = stage.uploads.get(name, 0) + 1
            return file

    def lend(self, stage: Stage) -> str:
        """A token that opens the stage's bucket for an hour."""
        token = secrets.token_hex(20)
        with self.lock:
            self.lent.add(token)
            self._credentials[token] = (stage.bucket, self._clock.now() + CREDENTIAL_SECONDS)
        return token

    def opens(self, token: str, bucket: str) -> bool:
        """Whether a token was lent for this bucket and is still good."""
        with self.lock:
            lent_for, expires_at = self._credentials.get(token, ("", 0.0))
        return lent_for == bucket and self._clock.now() < expires_at

    def expire_credentials(self) -> None:
        with self.lock:
            self._credentials.clear()
