"""What the emulator says about itself, where fakesnow has no answer: user, role, region, grants."""

import re
from dataclasses import dataclass

REGION = "LOCAL"
_CALL = r"CURRENT_(?:USER|ROLE|WAREHOUSE|REGION|DATABASE|SCHEMA)\(\)"
_CALLS = re.compile(rf"\s*SELECT\s+{_CALL}(?:\s*,\s*{_CALL})*\s*;?\s*", re.IGNORECASE)
_USER = re.compile(r"\s*DESC(?:RIBE)?\s+USER\s+[\w\"]+\s*;?\s*", re.IGNORECASE)
_GRANTS = re.compile(r"\s*SHOW\s+GRANTS\s+TO\s+ROLE\s+[\w\"]+\s*;?\s*", re.IGNORECASE)
GRANT_COLUMNS = ("created_on", "privilege", "granted_on", "name", "granted_to", "grantee_name")

Rows = list[tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of the session that asks; its role owns the stage."""

    user: str
    role: str
    warehouse: str
    database: str | None
    schema: str | None
    stage: str


def answer(text: str, here: Whereabouts) -> tuple[tuple[str, ...], Rows] | None:
    """Columns and rows; None for a statement of another kind."""
    if _CALLS.fullmatch(text):
        names = [call.upper() for call in re.findall(_CALL, text, re.IGNORECASE)]
        values: dict[str, str | None] = {
            "CURRENT_USER()": here.user,
            "CURRENT_ROLE()": here.role,
            "CURRENT_WAREHOUSE()": here.warehouse,
            "CURRENT_REGION()": REGION,
            "CURRENT_DATABASE()": here.database,
            "CURRENT_SCHEMA()": here.schema,
        }
        return tuple(names), [tuple(values[name] for name in names)]
    if _USER.fullmatch(text):
        properties: Rows = [("NAME", here.user, None, ""), ("TYPE", "PERSON", None, "")]
        return ("property", "value", "default", "description"), properties
    if _GRANTS.fullmatch(text):
        name = f"{here.database}.{here.schema}.{here.stage}".upper()
        return GRANT_COLUMNS, [("", "OWNERSHIP", "STAGE", name, "ROLE", here.role)]
    return None
