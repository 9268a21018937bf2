"""Snowflake's own requests: log in, renew, heartbeat, run a statement, OAuth tokens."""

import base64
import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from strict_snowflake.accounts import Account, Refused, User
from strict_snowflake.clock import Clock
from strict_snowflake.faults import Fault, Faults, Kind, Place
from strict_snowflake.http_reply import BlackHole, Reply, Request, failure, json_reply
from strict_snowflake.sessions import MASTER_SECONDS, SESSION_SECONDS, Session, Sessions
from strict_snowflake.stages import SqlError

OAUTH_TOKEN_SECONDS = 600
DATABASES = ("ANALYTICS",)
Statements = Callable[[Session, dict[str, Any]], dict[str, Any]]


class Control:
    """One method a request; run_statement carries out a query-request's body for a session."""

    def __init__(
        self,
        account: Account,
        sessions: Sessions,
        faults: Faults,
        clock: Clock,
        run_statement: Statements,
        on_close: Callable[[Session], None],
    ) -> None:
        self._account, self._sessions = account, sessions
        self._faults, self._clock = faults, clock
        self._run_statement, self._on_close = run_statement, on_close
        self._answered: dict[str, Reply] = {}
        self._routes: dict[str, Callable[[Request], Reply | None]] = {
            "/session/v1/login-request": self._login,
            "/session/token-request": self._renew,
            "/session/heartbeat": self._heartbeat,
            "/session": self._close,
            "/queries/v1/query-request": self._query,
            "/queries/v1/abort-request": lambda _: json_reply({"success": True, "data": None}),
            "/telemetry/send": lambda _: json_reply({"success": True, "data": "Log Received"}),
            "/oauth/token-request": self._oauth_token,
        }

    def answer(self, request: Request) -> Reply | None:
        """The answer; None to close the connection without one."""
        route = self._routes.get(request.path.rstrip("/"))
        if route is None:
            return Reply(404, b"no such endpoint in this fake")
        try:
            return route(request)
        except Refused as refused:
            return failure(refused.code, refused.message)

    def _login(self, request: Request) -> Reply:
        data = _document(request)["data"]
        name = str(data.get("LOGIN_NAME") or "")
        kind = str(data.get("AUTHENTICATOR") or "SNOWFLAKE")
        try:
            fault = self._faults.take(Place.LOGIN, text=name)
            if fault and fault.kind is Kind.LOGIN_BLACK_HOLE:
                self._sessions.record(name, kind, "no answer")
                raise BlackHole
            if fault and fault.kind is Kind.UNAVAILABLE:
                self._sessions.record(name, kind, str(fault.options.get("status", 503)))
                return Reply(fault.options.get("status", 503))
            user, roles = self._authenticate(data, fault)
            session = self._sessions.open(_new_session(user, roles, data, request.query))
            session.parameters = {**self._account.parameters, **session.parameters}
        except Refused as refused:
            self._sessions.record(name, kind, refused.code)
            raise
        self._sessions.record(name, kind, None)
        return json_reply(
            {"data": _login_answer(session), "success": True, "code": None, "message": None}
        )

    def _authenticate(
        self, data: dict[str, Any], fault: Fault | None
    ) -> tuple[User, frozenset[str]]:
        if fault:
            options = fault.options
            raise Refused(options.get("code", "390144"), options.get("message", "Refused."))
        return self._account.authenticate(data, self._clock.now())

    def _renew(self, request: Request) -> Reply:
        try:
            session = self._sessions.renew(_token(request))
        except Refused as refused:
            # 5.x reads whatever stands in `data` as new tokens
            return failure(refused.code, refused.message, has_data=False)
        data = {
            "sessionToken": session.token,
            "masterToken": session.master_token,
            "validityInSecondsST": SESSION_SECONDS,
            "validityInSecondsMT": MASTER_SECONDS,
            "masterValidityInSeconds": MASTER_SECONDS,
            "sessionId": session.session_id,
        }
        return json_reply({"data": data, "success": True, "code": None, "message": None})

    def _heartbeat(self, request: Request) -> Reply:
        self._sessions.heartbeat(self._sessions.find(_token(request)))
        return json_reply({"data": None, "success": True, "code": None, "message": None})

    def _close(self, request: Request) -> Reply:
        session = self._sessions.find(_token(request))
        self._sessions.close(session)
        self._on_close(session)
        return json_reply({"data": None, "success": True, "code": None, "message": None})

    def _query(self, request: Request) -> Reply | None:
        session = self._sessions.find(_token(request))
        body = _document(request)
        sql = str(body["sqlText"])
        # A repeated request id is the retry of a request whose answer was lost: it runs once.
        request_id = request.query.get("requestId", "")
        if request_id in self._answered:
            return self._answered[request_id]
        fault = self._faults.take(Place.QUERY, text=sql)
        kind = fault.kind if fault else None
        if kind is Kind.QUERY_LATE:
            raise BlackHole(lambda: self._run(session, body))
        early = self._early(fault)
        if early is not None:
            return early
        reply = self._run(session, body)
        if request_id:
            self._answered[request_id] = reply
        if kind is Kind.QUERY_SILENT:
            raise BlackHole
        return None if kind is Kind.QUERY_LOST_REPLY else reply

    def _run(self, session: Session, body: dict[str, Any]) -> Reply:
        try:
            data = self._run_statement(session, body)
        except SqlError as error:
            return failure(error.code, error.message, sqlstate=error.sqlstate)
        place = {
            "finalDatabaseName": session.database,
            "finalSchemaName": session.schema,
            "finalWarehouseName": session.warehouse,
            "finalRoleName": session.role,
        }
        return json_reply(
            {"data": {**place, **data}, "success": True, "code": None, "message": None}
        )

    def _early(self, fault: Fault | None) -> Reply | None:
        """The answer that a fault gives before the statement is run."""
        if fault is None or fault.kind in (Kind.QUERY_LOST_REPLY, Kind.QUERY_SILENT):
            return None
        options = fault.options
        if fault.kind is Kind.QUERY_BLACK_HOLE:
            raise BlackHole
        if fault.kind is Kind.QUERY_UNAVAILABLE:
            return Reply(options.get("status", 503))
        if fault.kind is Kind.QUERY_FAILED:
            return failure(
                options.get("code", "000603"),
                options.get("message", "SQL execution internal error."),
                sqlstate=options.get("sqlstate", "XX000"),
            )
        self._sessions.expire(master=fault.kind is Kind.MASTER_EXPIRED)
        raise Refused("390112", "Your session has expired. Please login again.")

    def _oauth_token(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body.decode()))
        basic = request.headers.get("authorization", "").removeprefix("Basic ")
        client, _, secret = base64.b64decode(basic).decode().partition(":")
        client = client or form.get("client_id", "")
        secret = secret or form.get("client_secret", "")
        if form.get("grant_type") != "client_credentials":
            return json_reply({"error": "unsupported_grant_type"}, 400)
        expires_at = self._clock.now() + OAUTH_TOKEN_SECONDS
        try:
            token = self._account.issue_oauth_token(
                (client, secret), form.get("scope", ""), expires_at
            )
        except Refused as refused:
            return json_reply({"error": refused.code, "error_description": refused.message}, 401)
        return json_reply(
            {"access_token": token, "token_type": "Bearer", "expires_in": OAUTH_TOKEN_SECONDS}
        )


def _new_session(
    user: User, roles: frozenset[str], data: dict[str, Any], query: dict[str, str]
) -> Session:
    """Raises Refused 390189 for a role that is not the user's."""
    role = query.get("roleName", user.default_role).upper()
    if role not in {r.upper() for r in roles}:
        raise Refused(
            "390189",
            f"Role '{role}' specified in the connect string does not exist or not authorized. "
            "Contact your local system administrator, or attempt to login with another role.",
        )
    parameters = data.get("SESSION_PARAMETERS") or {}
    database = _upper(query.get("databaseName"))
    if database not in DATABASES:  # the login succeeds, without a place
        database = None
    return Session(
        user=user.name.upper(),
        role=role,
        database=database,
        schema=_upper(query.get("schemaName")) if database else None,
        warehouse=_upper(query.get("warehouse")),
        roles=frozenset(r.upper() for r in roles),
        client_major=int(str(data.get("CLIENT_APP_VERSION") or "4").partition(".")[0]),
        autocommit=str(parameters.get("AUTOCOMMIT", True)).upper() == "TRUE",
        parameters={name.upper(): str(value) for name, value in parameters.items()},
    )


def _login_answer(session: Session) -> dict[str, Any]:
    return {
        "token": session.token,
        "masterToken": session.master_token,
        "validityInSeconds": SESSION_SECONDS,
        "masterValidityInSeconds": MASTER_SECONDS,
        "displayUserName": session.user,
        "serverVersion": "10.0.0",
        "sessionId": session.session_id,
        "parameters": [
            {"name": "AUTOCOMMIT", "value": session.autocommit},
            {"name": "CLIENT_TELEMETRY_ENABLED", "value": False},
            {"name": "CLIENT_SESSION_KEEP_ALIVE", "value": False},
            {"name": "TIMEZONE", "value": "Etc/UTC"},
        ],
        "sessionInfo": {
            "databaseName": session.database,
            "schemaName": session.schema,
            "warehouseName": session.warehouse,
            "roleName": session.role,
        },
    }


def _upper(name: str | None) -> str | None:
    return name.upper() if name else None


def _document(request: Request) -> dict[str, Any]:
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    document = json.loads(body)
    if not isinstance(document, dict):
        raise TypeError("a request's body is a JSON object")
    return document


def _token(request: Request) -> str:
    found = re.search(r'Token="([^"]*)"', request.headers.get("authorization", ""))
    return found[1] if found else ""
