"""Statements about the session, its user and its grants, answered without an engine."""

import re
from collections.abc import Callable
from typing import Any

from strict_snowflake.accounts import Account, User, fingerprint, read_public_key
from strict_snowflake.results import TEXT, rows_answer, status_answer
from strict_snowflake.sessions import Session
from strict_snowflake.stages import Cloud, SqlError, Stages
from strict_snowflake.statements import IDENTIFIER, QUALIFIED, identifiers, options

_I = re.IGNORECASE
_CALL = r"CURRENT_(ROLE|USER|WAREHOUSE|ACCOUNT|REGION|DATABASE|SCHEMA|VERSION)\(\)"
_CALLS = re.compile(rf"SELECT\s+{_CALL}(?:\s+AS\s+\w+)?(?:\s*,\s*{_CALL}(?:\s+AS\s+\w+)?)*", _I)
_SET = re.compile(r"ALTER\s+SESSION\s+SET\s+(?P<pairs>.*)", _I | re.DOTALL)
_UNSET = re.compile(r"ALTER\s+SESSION\s+UNSET\s+(?P<names>.*)", _I | re.DOTALL)
_USE = re.compile(rf"USE\s+(?P<kind>ROLE|WAREHOUSE|SECONDARY\s+ROLES)\s+(?P<name>{IDENTIFIER})", _I)
_DESCRIBE_USER = re.compile(rf"DESC(?:RIBE)?\s+USER\s+(?P<user>{IDENTIFIER})", _I)
_GRANTS = re.compile(
    rf"SHOW\s+GRANTS\s+(?:ON\s+STAGE\s+(?P<stage>{QUALIFIED})|TO\s+ROLE\s+(?P<role>{IDENTIFIER}))",
    _I,
)
REGIONS = {
    Cloud.S3: "AWS_US_EAST_1",
    Cloud.AZURE: "AZURE_WESTEUROPE",
    Cloud.GCS: "GCP_EUROPE_WEST4",
    Cloud.GCS_TOKEN: "GCP_EUROPE_WEST4",
}
GRANT_COLUMNS = [
    (n, TEXT) for n in ("created_on", "privilege", "granted_on", "name", "grantee_name")
]


class SessionStatements:
    """`run` gives the `data` of the answer, or None for a statement of another kind."""

    def __init__(self, account: Account, stages: Stages) -> None:
        self._account, self._stages = account, stages
        self._readers: list[Callable[[Session, str], dict[str, Any] | None]] = [
            self._calls,
            self._set,
            self._use,
            self._describe_user,
            self._grants,
        ]

    def run(self, session: Session, sql: str) -> dict[str, Any] | None:
        for reader in self._readers:
            answer = reader(session, sql)
            if answer is not None:
                return answer
        return None

    def _calls(self, session: Session, sql: str) -> dict[str, Any] | None:
        if not _CALLS.fullmatch(sql):
            return None
        values = {
            "ROLE": session.role,
            "USER": session.user,
            "WAREHOUSE": session.warehouse,
            "ACCOUNT": self._account.name,
            "REGION": REGIONS[self._stages.cloud],
            "DATABASE": session.database,
            "SCHEMA": session.schema,
            "VERSION": "10.0.0",
        }
        called = [name.upper() for name in re.findall(_CALL, sql, _I)]
        columns = [(f"CURRENT_{name}()", TEXT) for name in called]
        return rows_answer(columns, [[values[name] for name in called]])

    def _set(self, session: Session, sql: str) -> dict[str, Any] | None:
        done = status_answer("Statement executed successfully.")
        if match := _SET.fullmatch(sql):
            session.parameters.update(options(match["pairs"]))
            session.autocommit = session.parameters.get("AUTOCOMMIT", "TRUE").upper() == "TRUE"
            return done
        if match := _UNSET.fullmatch(sql):
            names = {name.strip() for name in match["names"].upper().split(",")}
            own = {n: value for n, value in session.parameters.items() if n not in names}
            session.parameters = {**self._account.parameters, **own}
            return done
        return None

    def _use(self, session: Session, sql: str) -> dict[str, Any] | None:
        match = _USE.fullmatch(sql)
        if match is None:
            return None
        name = identifiers(match["name"])[0]
        if match["kind"].upper() == "ROLE":
            if name not in session.roles:
                raise SqlError(
                    "003013",
                    "42501",
                    f"Requested role '{name}' is not assigned to the executing user.",
                )
            session.role = name
        elif match["kind"].upper() == "WAREHOUSE":
            session.warehouse = name
        return status_answer("Statement executed successfully.")

    def _describe_user(self, _: Session, sql: str) -> dict[str, Any] | None:
        match = _DESCRIBE_USER.fullmatch(sql)
        if match is None:
            return None
        name = identifiers(match["user"])[0]
        user = self._account.find(name)
        if user is None:
            raise SqlError(
                "002003",
                "02000",
                f"SQL compilation error:\nUser '{name}' does not exist or not authorized.",
            )
        columns = [(n, TEXT) for n in ("property", "value", "default", "description")]
        return rows_answer(columns, [(p, v, "null", "") for p, v in _properties(user)])

    def _grants(self, _: Session, sql: str) -> dict[str, Any] | None:
        match = _GRANTS.fullmatch(sql)
        if match is None:
            return None
        stage = identifiers(match["stage"])[-1] if match["stage"] else None
        role = identifiers(match["role"])[0] if match["role"] else None
        rows = [
            ("", privilege, "STAGE", s.qualified, grantee)
            for s in self._stages.all()
            for grantee, privileges in sorted(s.grants.items())
            for privilege in sorted(privileges)
            if stage in (None, s.name) and role in (None, grantee)
        ]
        return rows_answer(GRANT_COLUMNS, rows)


def _properties(user: User) -> list[tuple[str, str]]:
    keys = {
        "RSA_PUBLIC_KEY_FP": user.rsa_public_key,
        "RSA_PUBLIC_KEY_2_FP": user.rsa_public_key_2,
    }
    prints = [
        (name, fingerprint(read_public_key(text)) if text else "null")
        for name, text in keys.items()
    ]
    return [
        ("NAME", user.name.upper()),
        ("TYPE", str(user.type)),
        ("DISABLED", str(user.disabled).lower()),
        ("DEFAULT_ROLE", user.default_role),
        ("HAS_PASSWORD", str(user.password is not None).lower()),
        *prints,
    ]
