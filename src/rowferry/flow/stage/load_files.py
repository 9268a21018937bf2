"""The loader's look at the stage, in its own session: which files are there, and since when."""

from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime

from rowferry.flow.stage.load_ledger import Candidate
from rowferry.flow.stage.load_names import literal
from rowferry.flow.stage.load_session import LoadSession, MissingTable
from rowferry.flow.stage.names import parse_name
from rowferry.flow.stage.snowflake_location import Location, gone

_NAMES_IN_A_PATTERN = 100
_CLOCKS_SECONDS = 60.0  # by which our clock and Snowflake's may differ


def staged_files(session: LoadSession, location: Location, prefix: str) -> list[Candidate]:
    """Our files whose names begin with the prefix, relative to the stage's."""
    try:
        rows = session.run(f"LIST {location.sql(prefix)}").rows
    except MissingTable as error:
        raise gone(location, error.what) from None
    found = []
    for listed, size, _, modified, *_ in rows:
        name = location.relative(str(listed))
        named = parse_name(name) if name is not None and name.startswith(prefix) else None
        if name is not None and named is not None:
            put_at = parsedate_to_datetime(str(modified)).timestamp()
            found.append(Candidate(name, named, int(size), put_at))
    return found


def removable(
    files: Iterable[Candidate], loaded_to: int, put_seconds: float, now: float
) -> Iterator[Candidate]:
    """Those that are loaded, and so old that no upload of theirs can still be under way.

    Such an upload would bring a removed file back.
    """
    barrier = now - put_seconds - _CLOCKS_SECONDS
    return (f for f in files if f.named.end <= loaded_to and f.put_at < barrier)


def remove(
    session: LoadSession, location: Location, folder: str, files: Iterable[Candidate]
) -> int:
    """Remove files of a folder, many in a statement, by their whole names; says how many."""
    chosen = list(files)
    for first in range(0, len(chosen), _NAMES_IN_A_PATTERN):
        some = chosen[first : first + _NAMES_IN_A_PATTERN]
        names = "|".join(f.name.rpartition("/")[2].replace(".", "[.]") for f in some)
        pattern = literal(f".*/({names})")
        session.run(f"REMOVE {location.sql(folder)} PATTERN = {pattern}")
    return len(chosen)
