"""The whole fake: puts its parts together and is the handle that tests hold."""

import secrets
import ssl
from pathlib import Path
from typing import Any, Self

import trustme

from strict_snowflake.accounts import Account, User, UserType
from strict_snowflake.client_encryption import decrypt
from strict_snowflake.clock import Clock
from strict_snowflake.control import Control
from strict_snowflake.copy_statement import read_copy
from strict_snowflake.copying import Copying
from strict_snowflake.faults import Fault, Faults, Kind
from strict_snowflake.http_reply import Reply, Request
from strict_snowflake.load_history import LoadHistory
from strict_snowflake.parameters import as_understood, cut_short
from strict_snowflake.session_statements import SessionStatements
from strict_snowflake.sessions import Login, Session, Sessions
from strict_snowflake.stage_statements import StageStatements
from strict_snowflake.stages import Cloud, Encryption, FileView, Stage, Stages
from strict_snowflake.statements import read_statement, without_comments
from strict_snowflake.storage import Storage, split_path
from strict_snowflake.tables import Tables
from strict_snowflake.wire import Listener

ACCOUNT, DATABASE, SCHEMA, WAREHOUSE = "FAKEACCT", "ANALYTICS", "INGEST", "LOADING"
ROLE, STAGE = "LOADER", "PRODUCT_INGESTION_STAGE"
DEFAULT_MULTIPART_THRESHOLD = 209_715_200


class StrictSnowflake:
    """An account with one user, FERRY, one stage, and two ports on 127.0.0.1.

    The plain port is Snowflake's; the TLS port is the storage's (and Snowflake's too, for tests of
    TLS). Storage clients accept nothing but https, so a process that uploads needs `environment`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cloud: Cloud = Cloud.S3,
        encryption: Encryption = Encryption.FULL,
        multipart_threshold: int = DEFAULT_MULTIPART_THRESHOLD,
    ) -> None:
        self.clock, self.faults = Clock(), Faults()
        self.account, self.sessions = Account(ACCOUNT), Sessions(self.clock)
        self.stages = Stages(cloud, self.clock)
        self.user = self.account.add(
            User("FERRY", UserType.PERSON, secrets.token_hex(12), default_role=ROLE)
        )
        self.ca_file = folder / "strict-snowflake-ca.pem"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.serve_tls_for("127.0.0.1")
        self._storage = Storage(self.stages)
        self._plain = Listener(self._answer, self.faults)
        self._secure = Listener(self._answer, self.faults, self._tls)
        self._control = Control(
            self.account,
            self.sessions,
            self.faults,
            self.clock,
            self._run_statement,
            self._close_session,
        )
        history = LoadHistory(self.clock)
        self._tables = Tables(self.clock, history.forget)
        self._session_statements = SessionStatements(self.account, self.stages)
        self._stage_statements = StageStatements(
            self.stages,
            f"127.0.0.1:{self._secure.port}",
            multipart_threshold=multipart_threshold,
        )
        self._copying = Copying(
            self.stages, self._tables, history, contents, self._stage_statements.file_formats
        )
        self.create_stage(STAGE, encryption)

    @property
    def settings(self) -> dict[str, str]:
        """SNOWFLAKE_* for the user FERRY and its password."""
        return {
            "SNOWFLAKE_ACCOUNT": ACCOUNT,
            "SNOWFLAKE_USER": self.user.name,
            "SNOWFLAKE_PASSWORD": self.user.password or "",
            "SNOWFLAKE_WAREHOUSE": WAREHOUSE,
            "SNOWFLAKE_DATABASE": DATABASE,
            "SNOWFLAKE_SCHEMA": SCHEMA,
            "SNOWFLAKE_ROLE": ROLE,
            "SNOWFLAKE_HOST": "127.0.0.1",
            "SNOWFLAKE_PORT": str(self._plain.port),
            "SNOWFLAKE_PROTOCOL": "http",
        }

    @property
    def tls_settings(self) -> dict[str, str]:
        """The same, over https."""
        port = str(self._secure.port)
        return {**self.settings, "SNOWFLAKE_PORT": port, "SNOWFLAKE_PROTOCOL": "https"}

    @property
    def oauth_token_url(self) -> str:
        """Where client credentials are exchanged; plain, for the connector's code for it trusts
        only the CAs of its own bundle.
        """
        return f"http://127.0.0.1:{self._plain.port}/oauth/token-request"

    def serve_tls_for(self, name: str) -> None:
        """Show a certificate for this name from now on; the CA stays the same."""
        self._authority.issue_cert(name).configure_cert(self._tls)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs beside the settings: the CA, and no look for a cloud around it."""
        return {
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "SSL_CERT_FILE": str(self.ca_file),
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        }

    @property
    def logins(self) -> list[Login]:
        """Every attempt to log in, in order."""
        return list(self.sessions.logins)

    @property
    def lent_secrets(self) -> set[str]:
        """What no output of a client may show: the password, tokens, storage keys."""
        given = [self.user.password, *(t.secret for t in self.user.access_tokens)]
        given += [token.secret for token in self.user.oauth_tokens]
        for session in self.sessions.open_now():
            given += [session.token, session.master_token]
        return {secret for secret in given if secret} | self.stages.lent

    @property
    def locked_tables(self) -> frozenset[str]:
        """DATABASE.SCHEMA.TABLE of what open transactions have locked."""
        return self._tables.locked()

    @property
    def waiting_for_locks(self) -> int:
        """How many statements wait for a lock."""
        return self._tables.waiting

    def create_stage(
        self, name: str, encryption: Encryption = Encryption.FULL, *, owner: str = ROLE
    ) -> Stage:
        """A stage in ANALYTICS.INGEST that the role owns."""
        stage = self.stages.create((DATABASE, SCHEMA, name.upper()), encryption)
        stage.grants[owner] = {"READ", "WRITE", "OWNERSHIP"}
        return stage

    def stage(self, name: str = STAGE) -> Stage:
        return self.stages.get((DATABASE, SCHEMA, name.upper()))

    def drop_stage(self, name: str = STAGE) -> None:
        self.stages.drop((DATABASE, SCHEMA, name.upper()))

    def files(self, stage: str = STAGE) -> dict[str, FileView]:
        """The stage's files by name, without the stage's own name; see FileView."""
        found = self.stage(stage)
        with self.stages.lock:
            return {
                name: FileView(
                    stage=found.name,
                    name=name,
                    size=len(file.stored),
                    etag=file.etag,
                    md5=file.md5,
                    uploads=found.uploads[name],
                    stored=file.stored,
                    contents=contents(found, name),
                )
                for name, file in sorted(found.files.items())
            }

    def place(self, name: str, contents: bytes, stage: str = STAGE) -> None:
        """Lay a file on an SSE stage without a client, as another's leftover."""
        found = self.stage(stage)
        if found.encryption is Encryption.FULL:
            raise ValueError("only a client can write to a SNOWFLAKE_FULL stage")
        self.stages.write(found, name, contents, {})

    def release(self) -> None:
        """Hang up on those who wait in a black hole."""
        for listener in (self._plain, self._secure):
            listener.release()

    def close(self) -> None:
        """Hang up on all; raises what went wrong in the fake itself."""
        for listener in (self._plain, self._secure):
            listener.close()
        self._tables.close_all()
        errors = [*self._plain.errors, *self._secure.errors]
        if errors:
            raise BaseExceptionGroup("the strict Snowflake fake failed", errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, request: Request, fault: Fault | None) -> Reply | None:
        place = split_path(request.path)
        if place is None:
            return self._control.answer(request)
        if fault and fault.kind is Kind.REFUSE:
            return Reply(fault.options.get("status", 503))
        if fault and fault.kind is Kind.EXPIRED_CREDENTIALS:
            self.stages.expire_credentials()
        if fault and fault.kind is Kind.DROP_STAGE:
            stage = self.stages.in_bucket(place[1])
            if stage:
                self.stages.drop((stage.database, stage.schema, stage.name))
        loses = fault is not None and fault.kind is Kind.LOST_OBJECT
        reply = self._storage.answer(request, loses_object=loses)
        return None if fault and fault.kind is Kind.LOST_REPLY else reply

    def _run_statement(self, session: Session, body: dict[str, Any]) -> dict[str, Any]:
        sql = as_understood(session.parameters, without_comments(str(body["sqlText"])))
        return cut_short(
            session.parameters, self._run_understood(session, {**body, "sqlText": sql})
        )

    def _run_understood(self, session: Session, body: dict[str, Any]) -> dict[str, Any]:
        sql = str(body["sqlText"])
        statement = read_statement(sql)
        if statement is not None:
            return self._stage_statements.run(session, statement)
        copy = read_copy(sql)
        if copy is not None:
            stage = self._stage_statements.find(session, copy.source.stage, "READ")
            return self._copying.run(session, stage, copy)
        answer = self._session_statements.run(session, sql)
        return self._tables.run(session, body) if answer is None else answer

    def _close_session(self, session: Session) -> None:
        self._tables.close(session)


def contents(stage: Stage, name: str) -> bytes:
    """A file's contents as COPY would read them."""
    file = stage.files[name]
    if stage.encryption is Encryption.SSE:
        return file.stored
    return decrypt(stage.master_key, file.headers, file.stored)
