"""Random values of every PostgreSQL type, as literals that a person could have written."""

import datetime as dt
import ipaddress
import json
from collections.abc import Callable
from decimal import Decimal

from hypothesis import strategies as st

Texts = st.SearchStrategy[str]

PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(PLAIN, max_size=40)
WORD = st.text("abcdefgXYZ_09", min_size=1, max_size=8)
NAME = st.text("abcdefgh", min_size=1, max_size=6)
FIRST, LAST = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001
MOMENT = st.datetimes(FIRST, LAST).map(lambda moment: moment.isoformat(" "))
LATER = st.sampled_from(["294246-12-31 23:59:59.999999", "infinity", "-infinity"])
EARLIER = (
    st.datetimes(FIRST, dt.datetime(4712, 12, 31))  # noqa: DTZ001
    .map(lambda moment: f"{moment.isoformat(' ')} BC")
    .filter(lambda text: "-02-29" not in text)
)
FLOAT = st.floats(allow_nan=False).map(repr) | st.sampled_from(["NaN", "Infinity", "-Infinity"])
REAL = st.floats(width=32, allow_nan=False).map(repr) | st.sampled_from(["NaN", "Infinity", "-0"])
FINITE = st.floats(-1e300, 1e300).map(repr)


def whole(least: int, most: int) -> Texts:
    return st.integers(least, most).map(str) | st.sampled_from([str(least), str(most)])


def decimal(precision: int, scale: int) -> Texts:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda n: f"{n}e-{scale}")


def signed(bits: int) -> Texts:
    return whole(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def date_of(moment: str) -> str:
    return moment.replace(" BC", "").split(" ")[0] + (" BC" if moment.endswith("BC") else "")


def time_of(time: dt.time) -> str:
    return time.isoformat("microseconds")


DATE = (MOMENT | EARLIER).map(date_of) | st.sampled_from(["infinity", "-infinity", "5874897-12-31"])
TIME = st.times().map(time_of) | st.just("24:00:00")
NUMERIC = st.sampled_from(["NaN", "Infinity", "-Infinity"]) | st.builds(
    "{}{}.{}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 10**60),
    st.text("0123456789", min_size=1, max_size=60),
)
INTERVAL = st.builds(
    "{} years {} mons {} days {} microseconds".format,
    *(st.integers(-9999, 9999), st.integers(-99, 99), st.integers(-99999, 99999)),
    st.integers(-(10**15), 10**15),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE.map(float) | st.text(PLAIN, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)
BYTES = st.binary(max_size=60).map(lambda octets: f"\\x{octets.hex()}")
ADDRESS = st.ip_addresses().map(str) | st.builds(
    "{}/{}".format, st.ip_addresses(v=4), st.integers(0, 32)
)
NETWORK = st.tuples(st.ip_addresses(), st.integers(0, 32)).map(
    lambda pair: str(ipaddress.ip_network(pair, strict=False))
)


def span(values: Texts, order: Callable[[str], object]) -> Texts:
    """A range between two values, open, closed or without one of its ends."""

    def between(pair: tuple[str, str], ends: str) -> str:
        low, high = sorted(pair, key=order)  # type: ignore[arg-type]
        return f'{ends[0]}"{low}","{high}"{ends[1]}'

    bounds = st.sampled_from(["[]", "()", "[)", "(]"])
    open_ended = values.map(lambda low: f'["{low}",)') | values.map(lambda high: f'(,"{high}")')
    return st.builds(between, st.tuples(values, values), bounds) | open_ended | st.just("empty")


def many(ranges: Texts) -> Texts:
    return st.lists(ranges, max_size=3).map(lambda each: "{" + ",".join(each) + "}")


def quoted(text: str | None, null: str = "NULL") -> str:
    if text is None:
        return null
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def array(values: Texts) -> Texts:
    items = st.lists(st.none() | values, max_size=4)
    return items.map(lambda each: "{" + ",".join(map(quoted, each)) + "}")


def composite(*fields: Texts) -> Texts:
    parts = st.tuples(*(st.none() | field for field in fields))
    return parts.map(lambda each: "(" + ",".join(quoted(part, "") for part in each) + ")")


HSTORE = st.dictionaries(TEXT, st.none() | TEXT, max_size=3).map(
    lambda pairs: ",".join(f"{quoted(key)}=>{quoted(value)}" for key, value in pairs.items())
)
TIMESTAMP = MOMENT | EARLIER | LATER
ZONED = TIMESTAMP.map(lambda text: text if "infinity" in text else stamped(text))
POINT = st.builds("({},{})".format, FINITE, FINITE)
DAY = MOMENT.map(date_of)
INT4 = st.integers(-(2**30), 2**30).map(str)


def stamped(text: str) -> str:
    return text.replace(" BC", "+00 BC") if text.endswith("BC") else f"{text}+00"


RANDOM: dict[str, Texts] = {
    "boolean": st.sampled_from(["true", "false"]),
    "smallint": signed(16),
    "integer": signed(32),
    "bigint": signed(64),
    "oid": whole(0, 2**32 - 1),
    "real": REAL,
    "double precision": FLOAT,
    "numeric(10,2)": decimal(10, 2),
    "numeric(38,10)": decimal(38, 10),
    "numeric(76,40)": decimal(76, 40),
    "numeric(100,20)": decimal(100, 20),
    "numeric(5,-2)": st.integers(-99999, 99999).map(lambda n: f"{n}00"),
    "numeric": NUMERIC,
    "money": signed(64).map(lambda n: str(Decimal(n).scaleb(-2))),
    "text": TEXT,
    "varchar(20)": st.text(PLAIN, max_size=20),
    "char(8)": st.text(PLAIN, max_size=8),
    "citext": TEXT,
    "bytea": BYTES,
    "uuid": st.uuids().map(str),
    "json": JSON.map(lambda value: json.dumps(value, ensure_ascii=False)),
    "jsonb": JSON.map(json.dumps).filter(lambda text: "\\u0000" not in text),
    "date": DATE,
    "time": TIME,
    "timetz": st.builds("{}{:+03d}:{:02d}".format, TIME, st.integers(-14, 14), st.integers(0, 59)),
    "timestamp": TIMESTAMP,
    "timestamptz": ZONED,
    "interval": INTERVAL,
    "inet": ADDRESS,
    "cidr": NETWORK,
    "macaddr": st.binary(min_size=6, max_size=6).map(bytes.hex),
    "macaddr8": st.binary(min_size=8, max_size=8).map(bytes.hex),
    "bit(12)": st.text("01", min_size=12, max_size=12),
    "varbit": st.text("01", max_size=80),
    "int4range": span(INT4, int),
    "int8range": span(st.integers(-(2**62), 2**62).map(str), int),
    "numrange": span(decimal(20, 6), lambda text: int(text.partition("e")[0])),
    "daterange": span(DAY, str),
    "tsrange": span(MOMENT, str),
    "tstzrange": span(MOMENT.map(stamped), str),
    "int4multirange": many(span(INT4, int)),
    "datemultirange": many(span(DAY, str)),
    "tsvector": st.lists(WORD, max_size=5).map(" ".join),
    "tsquery": st.lists(WORD, min_size=1, max_size=4).map(" & ".join),
    "point": POINT,
    "box": st.builds("{},{}".format, POINT, POINT),
    "circle": st.builds("<{},{}>".format, POINT, st.floats(0, 1e300).map(repr)),
    "path": st.lists(POINT, min_size=1, max_size=4).map(lambda each: f"[{','.join(each)}]"),
    "pg_lsn": st.builds("{:X}/{:X}".format, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    "xid8": whole(0, 2**64 - 1),
    "ltree": st.lists(WORD, max_size=5).map(".".join),
    "hstore": HSTORE,
    "mood": st.sampled_from(["happy", 'so "so"']),
    "price": st.integers(1, 99999).map(lambda n: f"{n}e-2"),
    "integer[]": array(signed(32)),
    "integer[][]": st.lists(st.tuples(signed(32), st.just("NULL") | signed(32)), max_size=3).map(
        lambda rows: "{" + ",".join("{" + ",".join(row) + "}" for row in rows) + "}"
    ),
    "text[]": array(TEXT),
    "numeric[]": array(NUMERIC),
    "numeric(10,2)[]": array(decimal(10, 2)),
    "timestamptz[]": array(ZONED),
    "bytea[]": array(BYTES),
    "hstore[]": array(HSTORE),
    "place": composite(signed(32), TEXT, decimal(10, 2)),
    "place[]": array(composite(signed(32), TEXT, decimal(10, 2))),
    "trip": composite(composite(signed(32), TEXT, decimal(10, 2)), INTERVAL, array(signed(32))),
}
