"""ISO 8601 texts → days and microseconds since 1970, whatever the year.

Apart from the product's own formatting on purpose: what is proved must not be proved by itself.
"""

import re
from functools import lru_cache

_DATE = re.compile(r"(?P<year>[+-]?\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)")
_TIME = re.compile(
    r"(?P<sign>-?)(?P<hour>\d{2,}):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?"
)
_PG_ZONE = re.compile(r"[+-](?P<hours>\d\d)(?::?\d\d)*$")
_SECONDS_A_DAY = 86_400
_MICROS, _NANOS = 6, 9  # digits of a fraction
_PER_SECOND = {_MICROS: 1_000_000, _NANOS: 1_000_000_000}
_INFINITE_DAYS = {"-infinity": -(1 << 31), "infinity": (1 << 31) - 1}
_INFINITE = {"-infinity": -(1 << 63), "infinity": (1 << 63) - 1}
INFINITIES = tuple(_INFINITE.values())


@lru_cache(maxsize=10_000)  # most rows of a table share few days
def days_of(text: str) -> int:
    """Days since 1970 in the Gregorian calendar, year 0 being 1 BC. Raises ValueError."""
    if text in _INFINITE_DAYS:
        return _INFINITE_DAYS[text]
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("not a date")
    year, month, day = (int(found[part]) for part in ("year", "month", "day"))
    # Count from 1 March, so that a leap day ends its year: 365 days a year and the leap days,
    # then 153 days in each five months from March on.
    if month <= 2:  # noqa: PLR2004 - January and February belong to the year before
        year, month = year - 1, month + 12
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * (month - 3) + 2) // 5 + day - 1 - 719_468


def micros_of_day(text: str) -> int:
    """Microseconds since midnight; 24:00:00 is a time, others' are longer. Raises ValueError."""
    return _ticks_of_day(text, _MICROS)


def micros_of(text: str) -> int:
    """Microseconds since 1970 of a timestamp, UTC or without zone. Raises ValueError."""
    return _ticks_of(text, _MICROS)


def nanos_of(text: str) -> int:
    """Nanoseconds since 1970, as micros_of()."""
    return _ticks_of(text, _NANOS)


def _ticks_of(text: str, digits: int) -> int:
    if text in _INFINITE:
        return _INFINITE[text]
    day, _, clock = text.partition("T")
    midnight = days_of(day) * _SECONDS_A_DAY * _PER_SECOND[digits]
    return midnight + _ticks_of_day(clock.removesuffix("Z"), digits)


def _ticks_of_day(text: str, digits: int) -> int:
    found = _TIME.fullmatch(text)
    fraction = (found["fraction"] or "0").ljust(digits, "0") if found else ""
    if found is None or len(fraction) > digits:
        raise ValueError("not a time")
    hour, minute, second = (int(found[part]) for part in ("hour", "minute", "second"))
    ticks = ((hour * 60 + minute) * 60 + second) * _PER_SECOND[digits] + int(fraction)
    return -ticks if found["sign"] else ticks


def iso_of_postgres(text: str) -> str:
    """PostgreSQL's ISO style of a session in UTC → ISO 8601. Raises ValueError."""
    text, is_bc = text.removesuffix(" BC"), text.endswith(" BC")
    zone = _PG_ZONE.search(text) if ":" in text else None
    if zone is not None:
        if zone["hours"] != "00":
            raise ValueError("a zone other than UTC")
        text = text[: zone.start()]
    if is_bc:
        year, _, rest = text.partition("-")
        text = f"{1 - int(year):05d}-{rest}" if int(year) > 1 else f"0000-{rest}"
    return text.replace(" ", "T")
