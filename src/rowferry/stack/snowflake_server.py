"""The Snowflake emulator's process: fakesnow's server, with what it lacks put in front.

It adds LIST and REMOVE of a path, GET, PUT that keeps an existing file and says SKIPPED, whole
uploads, and a login that looks at the password. The answers have the shape that Snowflake's own
connector expects; a store is reached as it reaches Google's, by an address signed beforehand.
Known to differ from Snowflake: CREATE TABLE IF NOT EXISTS forgets which files an existing table has
loaded, a PUT of several files by wildcard keeps those that exist but says UPLOADED, and stages are
not encrypted. Run as `python -m rowferry.stack.snowflake_server CONFIGURATION.json`.
"""

import gzip
import json
import os
import secrets
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fakesnow.server as server  # noqa: PLR0402 - the package has a function of this name
import uvicorn
from fakesnow.instance import FakeSnow
from fakesnow.transforms import stage as fakesnow_stage
from snowflake.connector.errors import ProgrammingError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rowferry.stack.ports import HOST
from rowferry.stack.snowflake_answers import Whereabouts, answer
from rowferry.stack.stage_files import (
    StageFolder,
    StageStatement,
    parse_statement,
    unquote_stage,
    uploaded_name,
)

Answer = dict[str, Any]
WRONG_LOGIN = ("390100", "Incorrect username or password was specified.")


class Emulator:
    """The routes in front of fakesnow's. One process; uploads are whole or absent."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._configuration = configuration
        self._user, self._password = configuration["user"], configuration["password"]
        self._root = Path(configuration["folder"]) / "stage"
        self._half = Path(configuration["folder"]) / "uploading"
        for folder in (self._root, self._half):
            folder.mkdir(parents=True, exist_ok=True)
        fakesnow_stage.LOCAL_BUCKET_PATH = str(self._root)
        databases = Path(configuration["folder"]) / "databases"
        databases.mkdir(exist_ok=True)
        server.shared_fs = FakeSnow(db_path=databases)
        # A PUT asks twice, the second time for the address of each of its files (it may have named
        # them by a wildcard): that question must not be answered by "skipped".
        self._uploading: set[tuple[str, Path]] = set()

    def application(self) -> Starlette:
        """Ours first, then fakesnow's own."""
        routes = [
            Route("/session/v1/login-request", self.login, methods=["POST"]),
            Route("/queries/v1/query-request", self.query, methods=["POST"]),
            Route("/store/{path:path}", self.upload, methods=["PUT"]),
            Route("/store/{path:path}", self.download, methods=["GET"]),
            Route("/telemetry/send", _accepted, methods=["POST"]),
        ]
        return Starlette(routes=[*routes, *server.routes])

    async def login(self, request: Request) -> Response:
        """Let in who knows the password."""
        data = (await _body(request))["data"]
        same = secrets.compare_digest(str(data.get("PASSWORD")), self._password)
        if str(data.get("LOGIN_NAME")).upper() == self._user.upper() and same:
            return await server.login_request(request)
        code, message = WRONG_LOGIN
        return JSONResponse({"data": {}, "code": code, "message": message, "success": False})

    async def query(self, request: Request) -> Response:
        """Answer statements on stages here, all others by fakesnow."""
        body = await _body(request)
        token = server.to_token(request)
        about = self._about_itself(body["sqlText"], token)
        if about is not None:
            return JSONResponse({"data": about, "code": None, "message": None, "success": True})
        statement = parse_statement(body["sqlText"])
        if statement is None:
            unquoted = unquote_stage(body["sqlText"])
            if unquoted != body["sqlText"]:
                _replace_body(request, {**body, "sqlText": unquoted})
            return await server.query_request(request)
        if token not in server.sessions:
            return await server.query_request(request)  # which says so
        try:
            data = await run_in_threadpool(self._carry_out, statement, token, request)
        except ProgrammingError as error:
            code = f"{error.errno:06d}"
            told = {"errorCode": code, "sqlState": error.sqlstate}
            return JSONResponse(
                {"data": told, "code": code, "message": error.msg, "success": False}
            )
        return JSONResponse({"data": data, "code": None, "message": None, "success": True})

    def _about_itself(self, text: str, token: str) -> Answer | None:
        if token not in server.sessions:
            return None
        session, given = server.sessions[token], self._configuration
        here = Whereabouts(
            given["user"],
            given["role"],
            given["warehouse"],
            session.database,
            session.schema,
            given["stage"],
        )
        found = answer(text, here)
        return None if found is None else _rowset(found[0], found[1])

    async def upload(self, request: Request) -> Response:
        """Keep an uploaded file: whole, or not at all."""
        target = self._stored(request)
        if target is None:
            return Response(status_code=400)
        body = await request.body()
        if "keep" not in request.query_params or not target.exists():
            half = self._half / secrets.token_hex(8)
            half.write_bytes(body)
            target.parent.mkdir(parents=True, exist_ok=True)
            half.replace(target)
        self._uploading = {(t, path) for t, path in self._uploading if path != target}
        return Response()

    async def download(self, request: Request) -> Response:
        """Give a file back."""
        target = self._stored(request)
        if target is None or not target.is_file():
            return Response(status_code=404)
        return FileResponse(target)

    def _stored(self, request: Request) -> Path | None:
        path = (self._root / request.path_params["path"]).resolve()
        return path if path.is_relative_to(self._root.resolve()) else None

    def _carry_out(self, statement: StageStatement, token: str, request: Request) -> Answer:
        location = self._locate(statement.stage, token)
        folder = StageFolder(self._root.joinpath(*location), location[-1])
        pattern = statement.options.get("PATTERN")
        if statement.verb == "LIST":
            rows = folder.rows(statement.path, pattern)
            return _rowset(("name", "size", "md5", "last_modified"), rows)
        if statement.verb == "REMOVE":
            return _rowset(("name", "result"), folder.remove(statement.path, pattern))
        if statement.verb == "PUT":
            return self._put(statement, folder, token, request)
        names, addresses = [], []
        for name, path in folder.matching(statement.path, pattern):
            names.append(f"{location[-1].lower()}/{name}")
            addresses.append(self._address(path, request))
        return {
            "command": "DOWNLOAD",
            "src_locations": names,
            "presignedUrls": addresses,
            "localLocation": statement.file,
            "stageInfo": {"locationType": "GCS", "location": "store/", "creds": {}},
            "parallel": 4,
        }

    def _put(
        self, statement: StageStatement, folder: StageFolder, token: str, request: Request
    ) -> Answer:
        name = uploaded_name(statement)
        target = folder.target(statement.path, name)
        if target is None:
            raise ProgrammingError(msg="The path leaves the stage.", errno=1003, sqlstate="42000")
        overwrites = statement.flag("OVERWRITE", default=False)
        asked_before = any(
            whose == token and (path == target or fnmatchcase(str(target), str(path)))
            for whose, path in list(self._uploading)
        )
        if target.exists() and not overwrites and not asked_before:
            source = Path(statement.file)
            size = str(source.stat().st_size) if source.is_file() else "0"
            kind = "GZIP" if name.endswith(".gz") else "NONE"
            row = (source.name, name, size, "0", kind, kind, "SKIPPED", "")
            return _rowset(PUT_COLUMNS, [row])
        self._uploading.add((token, target))
        return {
            "command": "UPLOAD",
            "src_locations": [statement.file],
            "stageInfo": {
                "locationType": "GCS",
                "location": "store/",
                "creds": {},
                "presignedUrl": self._address(target, request) + ("" if overwrites else "?keep=1"),
            },
            "parallel": 4,
            "autoCompress": statement.flag("AUTO_COMPRESS", default=True),
            "sourceCompression": statement.options.get("SOURCE_COMPRESSION", "auto_detect"),
            "overwrite": overwrites,
        }

    def _address(self, path: Path, request: Request) -> str:
        stored = quote(path.relative_to(self._root).as_posix())
        return f"{request.url.scheme}://{request.url.netloc}/store/{stored}"

    def _locate(self, stage: str, token: str) -> tuple[str, str, str]:
        """Database, schema and name of a stage that exists."""
        session = server.sessions[token]
        location = fakesnow_stage.parts_from_var(
            stage, current_database=session.database, current_schema=session.schema
        )
        lookup = (
            "SELECT 1 FROM _fs_global._fs_information_schema._fs_stages "
            "WHERE database_name = ? AND schema_name = ? AND name = ?"
        )
        duck = server.shared_fs.duck_conn.cursor()
        if duck.execute(lookup, list(location)).fetchone() is None:
            raise fakesnow_stage.not_found_error(".".join(location))
        return location


PUT_COLUMNS = (
    *("source", "target", "source_size", "target_size"),
    *("source_compression", "target_compression", "status", "message"),
)


def _rowset(columns: tuple[str, ...], rows: list[Any]) -> Answer:
    """A result in the connector's JSON form; sizes are numbers, the rest is text."""
    return {
        "queryResultFormat": "json",
        "rowtype": [_column(name) for name in columns],
        "rowset": [list(row) for row in rows],
        "total": len(rows),
        "returned": len(rows),
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
    }


def _column(name: str) -> Answer:
    kind: Answer = (
        {"type": "fixed", "precision": 38, "scale": 0, "length": None}
        if name.endswith("size")
        else {"type": "text", "precision": None, "scale": None, "length": 16777216}
    )
    return {"name": name, "nullable": True, "byteLength": None, **kind}


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def _replace_body(request: Request, body: dict[str, Any]) -> None:
    """Put another body in a request that was read: Starlette keeps what it read."""
    text = json.dumps(body).encode()
    zipped = request.headers.get("Content-Encoding") == "gzip"
    request._body = gzip.compress(text) if zipped else text  # noqa: SLF001 - it has no setter


async def _accepted(_request: Request) -> Response:
    return JSONResponse({"success": True})


def main() -> None:
    """Serve until told to stop."""
    configuration = json.loads(Path(sys.argv[1]).read_text())
    emulator = Emulator(configuration)
    session = server.shared_fs.connect(configuration["database"], configuration["schema"])
    session.cursor().execute(f"CREATE STAGE IF NOT EXISTS {configuration['stage']}")
    os.umask(0o077)
    uvicorn.run(emulator.application(), host=HOST, port=configuration["port"], log_level="warning")


if __name__ == "__main__":
    main()
