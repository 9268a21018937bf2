"""Carries out the statements about stages, with Snowflake's answers and refusals."""

import re
from email.utils import formatdate
from functools import singledispatchmethod
from pathlib import PurePosixPath
from typing import Any

from strict_snowflake import statements as st
from strict_snowflake.results import FIXED, TEXT, query_id, rows_answer, status_answer
from strict_snowflake.sessions import Session
from strict_snowflake.stage_info import StageInfo
from strict_snowflake.stages import Cloud, Encryption, SqlError, Stage, Stages, StoredFile

LIST_COLUMNS = [("name", TEXT), ("size", FIXED), ("md5", TEXT), ("last_modified", TEXT)]
SHOW_COLUMNS = [
    (name, TEXT)
    for name in (
        "created_on",
        "name",
        "database_name",
        "schema_name",
        "url",
        "owner",
        "type",
        "cloud",
    )
]


class StageStatements:
    """`run` gives the `data` of the answer; authority is the storage's host:port."""

    def __init__(self, stages: Stages, authority: str, *, multipart_threshold: int) -> None:
        self._stages = stages
        self._info = StageInfo(stages, authority)
        self.file_formats: dict[str, dict[str, str]] = {}
        self._threshold = multipart_threshold

    def run(self, session: Session, statement: st.Statement) -> dict[str, Any]:
        return self._run(statement, session)

    @singledispatchmethod
    def _run(self, statement: Any, session: Session) -> dict[str, Any]:  # noqa: ARG002
        raise TypeError(statement)

    @_run.register
    def _put(self, put: st.Put, session: Session) -> dict[str, Any]:
        stage = self.find(session, put.to.stage, "WRITE")
        info = self._info.of(session, stage, put.to.path)
        if self._stages.cloud is Cloud.GCS:
            folder = put.to.path.rstrip("/")
            name = PurePosixPath(put.source).name
            info["presignedUrl"] = self._info.presigned_url(
                stage, f"{folder}/{name}" if folder else name
            )
        return {
            "command": "UPLOAD",
            "src_locations": [put.source],
            "stageInfo": info,
            "encryptionMaterial": _material(stage),
            "overwrite": put.overwrite,
            "autoCompress": put.auto_compress,
            "sourceCompression": put.source_compression,
            "parallel": 4,
            "threshold": self._threshold,
            "clientShowEncryptionParameter": True,
            "queryId": query_id(),
            "operation": "Node",
        }

    @_run.register
    def _get(self, get: st.Get, session: Session) -> dict[str, Any]:
        stage = self.find(session, get.source.stage, "READ")
        files = matching(stage, get.source.path, get.pattern)
        material = _material(stage)
        data: dict[str, Any] = {
            "command": "DOWNLOAD",
            "src_locations": [file.name for file in files],
            "localLocation": get.folder,
            "stageInfo": self._info.of(session, stage, ""),
            "encryptionMaterial": [material] * len(files) if material else [],
            "parallel": 4,
            "queryId": query_id(),
        }
        if self._stages.cloud is Cloud.GCS:
            data["presignedUrls"] = [self._info.presigned_url(stage, file.name) for file in files]
        return data

    @_run.register
    def _list(self, command: st.ListFiles, session: Session) -> dict[str, Any]:
        stage = self.find(session, command.source.stage, "READ")
        rows = [
            (
                f"{stage.name.lower()}/{file.name}",
                len(file.stored),
                file.md5 if self._stages.cloud is not Cloud.S3 else file.etag,
                formatdate(file.modified_at, usegmt=True),
            )
            for file in matching(stage, command.source.path, command.pattern)
        ]
        return rows_answer(LIST_COLUMNS, rows)

    @_run.register
    def _remove(self, command: st.Remove, session: Session) -> dict[str, Any]:
        stage = self.find(session, command.source.stage, "WRITE")
        gone = matching(stage, command.source.path, command.pattern)
        with self._stages.lock:
            for file in gone:
                stage.files.pop(file.name, None)
        rows = [(f"{stage.name.lower()}/{file.name}", "removed") for file in gone]
        return rows_answer([("name", TEXT), ("result", TEXT)], rows)

    @_run.register
    def _create(self, command: st.CreateStage, session: Session) -> dict[str, Any]:
        where = self.resolve(session, command.stage)
        if self._stages.find(where) and not command.replace:
            if command.if_not_exists:
                return status_answer(f"{where[-1]} already exists, statement succeeded.")
            raise SqlError(
                "002002",
                "42710",
                f"SQL compilation error:\nObject '{'.'.join(where)}' already exists.",
            )
        stage = self._stages.create(where, command.encryption, temporary=command.temporary)
        stage.file_format = command.file_format
        stage.grants[session.role] = {"READ", "WRITE", "OWNERSHIP"}
        return status_answer(f"Stage area {where[-1]} successfully created.")

    @_run.register
    def _create_format(self, command: st.CreateFileFormat, _: Session) -> dict[str, Any]:
        self.file_formats[command.name[-1]] = command.options
        return status_answer(f"File format {command.name[-1]} successfully created.")

    @_run.register
    def _drop(self, command: st.DropStage, session: Session) -> dict[str, Any]:
        where = self.resolve(session, command.stage)
        if self._stages.find(where) is None and command.if_exists:
            return status_answer(
                f"Drop statement executed successfully ({where[-1]} already dropped)."
            )
        self._stages.get(where).require(session.role, "OWNERSHIP")
        self._stages.drop(where)
        return status_answer(f"{where[-1]} successfully dropped.")

    @_run.register
    def _describe(self, command: st.DescribeStage, session: Session) -> dict[str, Any]:
        stage = self.find(session, command.stage, "READ")
        columns = [
            (name, TEXT)
            for name in (
                "parent_property",
                "property",
                "property_type",
                "property_value",
                "property_default",
            )
        ]
        rows = [
            ("STAGE_LOCATION", "URL", "String", "", ""),
            ("STAGE_FILE_FORMAT", "TYPE", "String", "CSV", "CSV"),
            ("DIRECTORY", "ENABLE", "Boolean", "false", "false"),
            ("STAGE_ENCRYPTION", "TYPE", "String", str(stage.encryption), ""),
        ]
        return rows_answer(columns, rows)

    @_run.register
    def _show(self, command: st.ShowStages, session: Session) -> dict[str, Any]:
        like = re.escape(command.like or "%").replace("%", ".*").replace("_", ".")
        kind = {Encryption.FULL: "INTERNAL", Encryption.SSE: "INTERNAL NO CSE"}
        rows = [
            ("", s.name, s.database, s.schema, "", "", kind[s.encryption], None)
            for s in self._stages.all()
            if s.grants.get(session.role) and re.fullmatch(like, s.name, re.IGNORECASE)
        ]
        return rows_answer(SHOW_COLUMNS, rows)

    @_run.register
    def _grant(self, command: st.GrantOnStage, session: Session) -> dict[str, Any]:
        stage = self.find(session, command.stage, "OWNERSHIP")
        held = stage.grants.setdefault(command.role, set())
        if command.revokes:
            held -= command.privileges
            return status_answer("Statement executed successfully.")
        if "WRITE" in command.privileges and "READ" not in held | command.privileges:
            raise SqlError(
                "003001",
                "42501",
                "SQL access control error:\nREAD must be granted before WRITE on a stage.",
            )
        held |= command.privileges
        return status_answer("Statement executed successfully.")

    def resolve(self, session: Session, name: tuple[str, ...]) -> tuple[str, str, str]:
        """The full name of a stage, from the session's place. Raises SqlError 090105."""
        if len(name) < 3 and not session.database:
            raise SqlError(
                "090105",
                "22000",
                "Cannot perform the operation. This session does not have a current database. "
                "Call 'USE DATABASE', or use a qualified name.",
            )
        if len(name) < 2 and not session.schema:
            raise SqlError(
                "090106",
                "22000",
                "Cannot perform the operation. This session does not have a current schema. "
                "Call 'USE SCHEMA', or use a qualified name.",
            )
        place = (session.database or "", session.schema or "")
        full = (*place[: 3 - len(name)], *name)
        return full[0], full[1], full[2]

    def find(self, session: Session, name: tuple[str, ...], privilege: str) -> Stage:
        """The stage of a name, for a session that holds the privilege."""
        stage = self._stages.get(self.resolve(session, name))
        stage.require(session.role, privilege)
        return stage


def matching(stage: Stage, prefix: str, pattern: str | None) -> list[StoredFile]:
    """Files whose names begin with the path; PATTERN is for the whole path, as Snowflake's is."""
    files = [stage.files[name] for name in sorted(stage.files) if name.startswith(prefix)]
    if pattern is None:
        return files
    return [f for f in files if re.fullmatch(pattern, f"{stage.name.lower()}/{f.name}")]


def _material(stage: Stage) -> dict[str, Any] | None:
    if stage.encryption is Encryption.SSE:
        return None
    return {
        "queryStageMasterKey": stage.master_key,
        "queryId": query_id(),
        "smkId": "92019681909886",
    }
