"""Checks of a Snowflake stage's surroundings: the login, the user, the role, the stage's kind."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from rowferry.config import Settings
from rowferry.config_snowflake import Login
from rowferry.errors import AccessDenied, Code, ConfigError
from rowferry.flow.stage.load_names import Place, literal, parse_place, quoted
from rowferry.flow.stage.snowflake_errors import translate
from rowferry.flow.stage.snowflake_location import Location, parse_location
from rowferry.flow.stage.snowflake_login import log_in
from rowferry.proof.checks import Finding, ok, problem, warning
from rowferry.snowflake_logins import login_of

SERVICE, LEGACY = "SERVICE", "LEGACY_SERVICE"
_SSE, _FULL = "INTERNAL NO CSE", "INTERNAL"
_POWERFUL = ("ACCOUNTADMIN", "SECURITYADMIN", "ORGADMIN", "SYSADMIN", "USERADMIN")
_TO_KEY_PAIR = "ALTER USER {} SET TYPE = SERVICE, and log in by a key pair: rowferry init"
_WORDS = {
    Login.PASSWORD: "by SNOWFLAKE_PASSWORD",
    Login.KEY_PAIR: "by a key pair",
    Login.ACCESS_TOKEN: "by a programmatic access token",
    Login.OAUTH: "by an OAuth access token",
    Login.CLIENT_CREDENTIALS: "by OAuth client credentials",
    Login.WORKLOAD_IDENTITY: "by the workload's identity",
}
_WHERE_WE_ARE = (
    "SELECT CURRENT_USER(), CURRENT_ROLE(), CURRENT_WAREHOUSE(), CURRENT_REGION(), "
    "CURRENT_DATABASE(), CURRENT_SCHEMA()"
)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Who and where the session is, as Snowflake says."""

    user: str
    role: str
    warehouse: str
    region: str
    database: str
    schema: str


def check_snowflake(settings: Settings) -> Iterator[Finding]:
    """Log in and look around. Raises AccessDenied and the like where that is refused."""
    from snowflake.connector.errors import Error

    location = parse_location(settings.stage or "")
    try:
        with closing(log_in(settings)) as session:
            found = _rows(session, _WHERE_WE_ARE)[0]
            here = Whereabouts(*(str(value or "") for value in found.values()))
            place = _full_place(location, here)
            login = login_of(settings)
            yield ok("snowflake.login", f"user {here.user} is logged in {_WORDS[login]}")
            yield from _user(session, login, here)
            yield role_finding(here.role)
            if settings.load != "off" and not here.warehouse:
                yield problem("snowflake.warehouse", _no_warehouse(here.role))
            yield from _grants(session, here, place)
            yield from _kind(session, place)
            yield cloud_finding(here.region)
    except Error as error:
        raise translate(error, location) from None


def user_finding(login: Login, user: str, kind: str) -> Finding:
    """What a user's TYPE means for its login: what is refused already, and what will be."""
    name, repair = "snowflake.user", _TO_KEY_PAIR.format(user)
    by_password = login is Login.PASSWORD
    if kind == SERVICE and by_password:
        return ok(
            name,
            "TYPE = SERVICE: SNOWFLAKE_PASSWORD holds a programmatic access token, for Snowflake "
            "refuses passwords of service users; mind the day when the token is over",
        )
    if kind == SERVICE:
        return ok(name, "TYPE = SERVICE, as a program's user should be")
    if kind == LEGACY:
        what = (
            "TYPE = LEGACY_SERVICE has ended between August and October 2026: Snowflake refuses "
            "its password, and makes it a SERVICE user"
        )
        return warning(name, what, repair)
    if by_password:
        what = (
            f"TYPE = {kind or 'PERSON'} and a password: Snowflake refuses it without a second "
            "factor since August to October 2026, except in trial and reader accounts"
        )
        return warning(name, what, repair)
    what = f"TYPE = {kind or 'PERSON'}: it can still be given a password"
    return warning(name, what, f"ALTER USER {user} SET TYPE = SERVICE")


def role_finding(role: str) -> Finding:
    """Whether the role may do more than it needs to."""
    if role in _POWERFUL:
        what = f"{role} may do far more than read and write a stage"
        return warning("snowflake.role", what, "set SNOWFLAKE_ROLE; rowferry init prints its SQL")
    return ok("snowflake.role", f"{role}, without secondary roles")


def cloud_finding(region: str) -> Finding:
    """What the account's cloud does to a PUT of a name that is there."""
    if "GCP" in region.upper():
        return warning(
            "stage.cloud",
            f"{region}: on Google Cloud PUT replaces a file whatever OVERWRITE says; Rowferry "
            "looks before each PUT, others may not",
            "give no other user WRITE on this stage",
        )
    return ok("stage.cloud", f"{region or 'unknown'}: PUT keeps a file that is there")


def kind_finding(kind: str, place: str) -> Finding:
    """What the stage's encryption means, by the TYPE that SHOW STAGES has."""
    if kind == _SSE:
        return ok("stage.encryption", "SNOWFLAKE_SSE: the same file has the same ETag each time")
    if kind == _FULL:
        return warning(
            "stage.encryption",
            "SNOWFLAKE_FULL: files are encrypted here, too, which costs CPU, and the same file "
            "has another ETag each time; Rowferry overwrites none, so each still loads once",
            "a new stage takes ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE'); it cannot be changed later",
        )
    what = f"a stage of TYPE {kind}, which PUT does not write to"
    advice = "CREATE STAGE … ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')"
    return problem("stage.encryption", ConfigError(Code.CONFIG, what, where=place, advice=advice))


def grants_finding(held: set[str], role: str, place: Place) -> Finding:
    """What the role has been granted on the stage by its name."""
    lacking = [] if "OWNERSHIP" in held else [p for p in ("READ", "WRITE") if p not in held]
    if not lacking:
        return ok("stage.grants", f"{role} has {' and '.join(sorted(held))} on {place.sql}")
    return warning(
        "stage.grants",
        f"{role} itself has no {' and no '.join(lacking)} on {place.sql}; it may inherit it",
        " ".join(f"GRANT {p} ON STAGE {place.sql} TO ROLE {quoted(role)};" for p in lacking),
    )


def _user(session: Any, login: Login, here: Whereabouts) -> Iterator[Finding]:
    rows = _seen(session, f"DESCRIBE USER {quoted(here.user)}")
    if rows is None:
        what = "the user's TYPE cannot be seen by its role"
        yield warning("snowflake.user", what, f"have somebody run DESCRIBE USER {here.user}")
        return
    properties = {str(row["property"]).upper(): str(row["value"] or "") for row in rows}
    kind = properties.get("TYPE", "").upper().removeprefix("NULL")
    yield user_finding(login, quoted(here.user), kind)


def _grants(session: Any, here: Whereabouts, place: Place) -> Iterator[Finding]:
    rows = _seen(session, f"SHOW GRANTS TO ROLE {quoted(here.role)}")
    if rows is None:
        return
    held = {
        str(row["privilege"]).upper()
        for row in rows
        if str(row["granted_on"]).upper() == "STAGE"
        and str(row["name"]).replace('"', "") == ".".join(place.parts)
    }
    yield grants_finding(held, here.role, place)


def _kind(session: Any, place: Place) -> Iterator[Finding]:
    name = place.parts[-1]
    like = f"SHOW STAGES LIKE {literal(name)} IN SCHEMA {place.schema}"
    rows = [row for row in _seen(session, like) or () if row["name"] == name]
    if rows:
        yield kind_finding(str(rows[0]["type"]).upper(), place.sql)


def _full_place(location: Location, here: Whereabouts) -> Place:
    parts = parse_place(location.place, "ROWFERRY_STAGE").parts
    return Place((*(here.database, here.schema)[: 3 - len(parts)], *parts))


def _no_warehouse(role: str) -> AccessDenied:
    return AccessDenied(
        Code.SF_AUTH,
        "loading needs a warehouse, and the session has none",
        where="SNOWFLAKE_WAREHOUSE",
        advice=f"set it, and GRANT USAGE ON WAREHOUSE … TO ROLE {quoted(role)}",
    )


def _seen(session: Any, statement: str) -> list[dict[str, Any]] | None:
    """The answer; None where the role may not see it."""
    from snowflake.connector.errors import ProgrammingError

    try:
        return _rows(session, statement)
    except ProgrammingError:
        return None


def _rows(session: Any, statement: str) -> list[dict[str, Any]]:
    with session.cursor() as cursor:
        cursor.execute(statement)
        names = [str(column[0]).lower() for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
