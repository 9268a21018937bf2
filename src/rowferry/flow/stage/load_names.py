"""Names and texts in Snowflake's SQL, quoted, so that no name of ours can change a statement."""

import re
from dataclasses import dataclass

from rowferry.errors import Code, ConfigError

_LOWER = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_PART = r'"(?:[^"]|"")+"|[^".]+'
_PLACE = re.compile(rf"(?:{_PART})(?:\.(?:{_PART})){{0,2}}")
_FILLED_IN = re.compile(r"(\{schema\}|\{table\}|\{topic\})")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_BESIDE = "_STAGING"

Parts = tuple[str, ...]


def quoted(name: str) -> str:
    """An identifier, exactly as it is."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text; Snowflake's literals take a backslash as an escape."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def folded(name: str) -> str:
    """`price` → `PRICE`, so that unquoted queries find it; `Price` and `unit price` stay."""
    return name.upper() if _LOWER.fullmatch(name) else name


@dataclass(frozen=True, slots=True)
class Place:
    """A table, as `table`, `schema.table` or `database.schema.table`; names without quotes."""

    parts: Parts

    @property
    def sql(self) -> str:
        """As it stands in a statement."""
        return ".".join(quoted(part) for part in self.parts)

    @property
    def schema(self) -> str:
        """The schema as it stands in a statement; "" for the session's."""
        return ".".join(quoted(part) for part in self.parts[:-1])

    @property
    def staging(self) -> "Place":
        """The table beside it, which holds rows within a transaction only."""
        return self.beside(self.parts[-1] + _BESIDE)

    def beside(self, name: str) -> "Place":
        """Another name in the same schema."""
        return Place((*self.parts[:-1], name))


def parse_place(template: str, setting: str, **values: str) -> Place:
    """A place from a setting, `{schema}`, `{table}` and `{topic}` filled in.

    Text in double quotes stays as it is, other text of the template is upper case, as Snowflake
    takes it; what is filled in is folded(). Raises ConfigError.
    """
    if not _PLACE.fullmatch(template):
        raise ConfigError(
            Code.CONFIG, f"{setting}: not table, schema.table or database.schema.table"
        )
    parts = tuple(_filled(part, values) for part in re.findall(_PART, template))
    if not all(_NAME.fullmatch(part) for part in parts):
        raise ConfigError(Code.CONFIG, f"{setting}: not a name that Snowflake takes")
    return Place(parts)


def _filled(part: str, values: dict[str, str]) -> str:
    is_exact = part.startswith('"')
    text = part[1:-1].replace('""', '"') if is_exact else part
    pieces = _FILLED_IN.split(text)
    return "".join(
        values.get(piece[1:-1], piece)
        if is_exact and _FILLED_IN.fullmatch(piece)
        else folded(values[piece[1:-1]])
        if _FILLED_IN.fullmatch(piece)
        else (piece if is_exact else piece.upper())
        for piece in pieces
    )
