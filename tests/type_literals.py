"""Boundary values of every PostgreSQL type, as literals, for the tests that carry them around."""

import hashlib

NINES = "9" * 38
LONG = "1234567890" * 100
DENSE = "".join(hashlib.sha512(bytes([n])).hexdigest() for n in range(80))  # 10 kB, toasted as is

# a column a type; values between bars; '' is the empty text
LITERALS: dict[str, list[str]] = {
    pg_type: ["" if value == "''" else value for value in text.split(" | ")]
    for pg_type, text in {
        "boolean": "true | false",
        "smallint": "0 | 1 | -1 | 32767 | -32768",
        "integer": "0 | -1 | 2147483647 | -2147483648",
        "bigint": "0 | -1 | 9007199254740993 | 9223372036854775807 | -9223372036854775808",
        "oid": "0 | 4294967295",
        "real": "0 | -0 | 1 | 0.1 | 3.4028235e38 | 1e-45 | 16777217 | 1.17549435e-38 | NaN | "
        "Infinity | -Infinity",
        "double precision": "0 | -0 | 0.1 | 1e22 | 123456789012345678 | 5e-324 | "
        "1.7976931348623157e308 | -2.2250738585072014e-308 | NaN | Infinity | -Infinity",
        "numeric(10,2)": "0 | 0.01 | -0.01 | 0.10 | 99999999.99 | -99999999.99 | 10000 | -1",
        "numeric(4,4)": "0 | 0.0001 | -0.9999",
        "numeric(4,0)": "0 | 9999 | -1",
        "numeric(1,0)": "0 | 9 | -9",
        "numeric(5,1)": "0 | 9999.9 | -9999.9 | 1000",
        "numeric(18,6)": "999999999999.999999 | -999999999999.999999 | 0.000001",
        "numeric(19,3)": "9999999999999999.999 | -0.001 | 0",
        "numeric(38,0)": f"{NINES} | -{NINES} | 0 | 10000000000000000000000000000",
        "numeric(38,10)": f"{NINES[:28]}.{NINES[:10]} | -0.0000000001 | 1",
        "numeric(38,38)": f"0.{NINES} | -0.{NINES} | 0",
        "numeric(60,20)": f"{'9' * 40}.{'9' * 20} | -{'9' * 40}.{'9' * 20} | -0.5 | 0",
        "numeric(76,0)": f"{'9' * 76} | -{'9' * 76} | 1",
        "numeric(100,20)": f"{'9' * 80}.{'9' * 20} | -0.00000000000000000001",
        "numeric(3,-2)": "12300 | -99900",
        "numeric(2,5)": "0.00099 | -0.00001",
        "numeric": f"0 | 0.000 | {LONG} | -{LONG}.{LONG} | 1e-100 | NaN | Infinity | -Infinity",
        "money": "0 | -0.01 | 92233720368547758.07 | -92233720368547758.08",
        "text": "'' | a | q\"u\\o/te | \x01\x1f\x7f\t\n\r\b\f | \u2028\u2029é😀 | "
        f"{'x' * 100_000} | {DENSE} | '",
        "varchar(10)": "'' | ä |  trailing ",
        "char(5)": "'' | ab | abcde",
        "name": "public | Ünï",
        '"char"': "a | \\377 | ''",
        "citext": "Ab | ''",
        "bytea": f"'' | \\x00 | \\x0001 | \\xff00fe | \\x{'ab' * 5000} | \\x{'00' * 4} | "
        f"\\x{DENSE}",
        "uuid": "00000000-0000-0000-0000-000000000000 | f81d4fae-7dec-11d0-a765-00a0c91e6bff",
        "json": '{"a" : 1,\n "b":[1.50, null]} | "\\ud83d\\ude00" | 1e400 | null',
        "jsonb": '{"a": 1, "b": [1.50, null]} | "\\"" | 1e400 | null',
        "date": "1970-01-01 | 2000-02-29 | 0001-01-01 | 9999-12-31 | 10000-01-01 | infinity | "
        "0001-12-31 BC | 0044-03-15 BC | 4713-01-01 BC | 5874897-12-31 | -infinity",
        "time": "00:00:00 | 23:59:59.999999 | 24:00:00 | 12:34:56.000001",
        "timetz": "00:00:00+00 | 24:00:00-15:59 | 12:34:56.000001+05:30",
        "timestamp": "1970-01-01 00:00:00 | 1969-12-31 23:59:59.999999 | "
        "9999-12-31 23:59:59.999999 | 10000-01-01 | 0001-01-01 | "
        "0001-12-31 23:59:59.999999 BC | 4713-01-01 BC | 294247-01-10 04:00:54.775806 | "
        "infinity | -infinity | 2026-11-24 12:34:56.789012",
        "timestamptz": "1970-01-01 00:00:00+14 | 0001-01-01 00:00:00+00 | 4713-01-01 BC | "
        "294247-01-10 04:00:54.775806+00 | infinity | -infinity | "
        "2026-11-24 12:34:56.7+05:30",
        "interval": "0 | 1 year 2 mons -3 days 04:05:06.789 | -178000000 years | infinity | "
        "-1 mons +1 day -00:00:00.000001",
        "inet": "10.0.0.1 | 10.0.0.1/8 | ::1 | fe80::1/64",
        "cidr": "10.0.0.0/8 | ::/0",
        "macaddr": "08:00:2b:01:02:03",
        "macaddr8": "08:00:2b:01:02:03:04:05",
        "bit(5)": "10101 | 00000",
        "varbit": "'' | 1 | " + "0" * 70,
        "int4range": "empty | [1,10) | (,) | [5,)",
        "int8range": "[-9223372036854775808,9223372036854775807) | (,0)",
        "numrange": f"[1.5,2.50] | empty | [-Infinity,{LONG}]",
        "daterange": "[0044-03-15 BC,infinity) | empty | [2026-01-01,2026-12-31]",
        "tsrange": '["294276-12-31 23:59:59.999999",] | [-infinity,"2026-01-01 00:00:00")',
        "tstzrange": '["2026-01-01 00:00:00+00",infinity) | empty',
        "int8multirange": "{} | {[1,3),[7,)}",
        "int4multirange": "{} | {[-2147483648,0)} | {(,)}",
        "nummultirange": "{[1.50,2.5],(3,4)}",
        "datemultirange": "{[2026-01-01,2026-02-01),[2026-03-01,)}",
        "tsmultirange": '{["2026-01-01 00:00:00","2026-01-02 00:00:00"]} | {}',
        "tstzmultirange": '{["2026-01-01 00:00:00+00",infinity)} | {}',
        "tsvector": "'a' 'fat':3A 'c''d' | ''",
        "tsquery": "'fat' & !'rat':A*",
        "point": "(1.5,-2) | (NaN,Infinity)",
        "line": "{1,2,3}",
        "lseg": "[(0,0),(1,1)]",
        "box": "(1,1),(0,0)",
        "path": "[(0,0),(1,1)] | ((0,0),(1,1))",
        "polygon": "((0,0),(1,1),(1,0))",
        "circle": "<(0,0),5>",
        "pg_lsn": "0/0 | FFFFFFFF/FFFFFFFF",
        "xid8": "18446744073709551615",
        "xid": "3 | 4294967295",
        "cid": "0 | 4294967295",
        "tid": "(0,1) | (4294967295,65535)",
        "pg_snapshot": "10:20:10,14,15",
        "txid_snapshot": "10:20:10,14,15",
        "refcursor": "cursor | ''",
        "aclitem": "postgres=r*w/postgres | =U/postgres",
        "int2vector": "'' | 1 -2 3",
        "oidvector": "'' | 1 4294967295",
        "regclass": "pg_class",
        "regcollation": '"C"',
        "regconfig": "english",
        "regdictionary": "simple",
        "regnamespace": "public | pg_catalog",
        "regoper": "|/",
        "regoperator": "+(integer,integer) | 0",
        "regproc": "now",
        "regprocedure": "sum(integer) | -",
        "regrole": "postgres",
        "regtype": "integer | character varying[]",
        "jsonpath": '$."a"[*]?(@ > 1)',
        "ltree": "Top.Science.Astronomy | ''",
        "lquery": "Top.*{0,2}.sport*@%",
        "ltree[]": "{a.b,NULL}",
        "cube": "(0) | (1, 2, 3),(4.5, -6, NaN)",
        "seg": "1 | ~6.50 .. 7",
        "isbn": "978-0-393-04002-9",
        "vector(3)": "[1,2.5,-0.1]",
        "hstore": '\'\' | a=>1 | a=>NULL,"b c"=>"q\\"u" | k=>😀',
        "mood": 'happy | so "so"',
        "price": "0.01 | 999.99",
        "short_text": "ab | ''",
        "citext[]": "{Ab,NULL}",
        "integer[]": f"{{}} | {{1}} | {{NULL}} | {{1,NULL,-3}} | {{{'7,' * 999}7}}",
        "integer[][]": "{} | {{1,2},{3,NULL}} | {{1},{2},{3}}",
        "smallint[]": "{-32768,NULL,32767}",
        "bigint[]": "{-9223372036854775808,NULL,9223372036854775807}",
        "real[]": "{3.4028235e+38,NaN,-0,1e-45}",
        "time[]": "{24:00:00,NULL,00:00:00}",
        "timestamp[]": '{"4713-01-01 00:00:00 BC",NULL,-infinity}',
        "timetz[]": "{24:00:00-15:59,NULL}",
        "xid8[]": "{18446744073709551615}",
        "int8multirange[]": '{"{[1,3),[7,)}",NULL}',
        "text[]": '{} | {a,NULL,"NULL","q\\"u,{}",""} | {😀}',
        "text[][][]": "{{{a,b}},{{c,d}}} | {}",
        "numeric(10,2)[]": "{1.50,-0.01,NULL} | {}",
        "numeric[]": "{1.500,NaN,NULL,-0.0001,1e40} | {}",
        "money[]": "{1.50,NULL}",
        "boolean[]": "{t,f,NULL}",
        "double precision[]": "{NaN,-Infinity,0.1}",
        "timestamptz[]": "{infinity,2026-01-01 00:00:00+00,0044-03-15 00:00:00+00 BC}",
        "date[]": "{2026-01-01,NULL,infinity}",
        "uuid[]": "{00000000-0000-0000-0000-000000000000,NULL}",
        "bytea[]": '{"\\\\x00ff",NULL,""}',
        "jsonb[]": '{"{\\"a\\": 1}",NULL}',
        "interval[]": "{1 day,NULL}",
        "inet[]": "{10.0.0.1,::1}",
        "mood[]": "{happy,NULL}",
        "int4range[]": '{"[1,2)",empty}',
        "hstore[]": '{"a=>1",NULL}',
        "price[]": "{0.01,NULL}",
        "short_text[]": "{ab,NULL}",
        "cheap": "0.01 | 999.99",
        "labels": "{a,NULL} | {}",
        "spot": '(1,"x",1.50)',
        "place": '(1,"a ""q"" b",1.50) | (,,) | (2,,)',
        "bill": "(1.500,a) | (NaN,) | (,)",
        "bill[]": '{"(1.500,a)",NULL,"(NaN,)"} | {}',
        "trip": '("(1,a,1.50)","1 day","{1,2}") | (,,) | ("(,,)",,{})',
        "place[]": '{"(1,a,1.50)",NULL,"(,,)"} | {}',
        "trip[]": '{"(\\"(1,a,1.50)\\",\\"1 day\\",\\"{1,2}\\")"}',
    }.items()
}

WITHOUT_EQUALITY = {"json", "point", "line", "lseg", "box", "path", "polygon", "circle"}
WITHOUT_EQUALITY |= {"pg_snapshot", "txid_snapshot", "jsonpath", "refcursor", "xml"}
WITHOUT_EQUALITY |= {"lquery"}

# what only PostgreSQL's own text form holds: for columns that are carried `as = "string"`
AS_TEXT = {
    "numeric(10,2)": ["NaN", "-99999999.99"],
    "timestamp": ["294276-12-31 23:59:59.999999", "infinity", "4713-01-01 00:00:00 BC"],
    "timestamptz": ["294276-12-31 23:59:59.999999+00", "0044-03-15 00:00:00+00 BC"],
    "integer[]": ["[0:1]={1,2}", "{{1},{2}}", "[-1:0][2:3]={{1,NULL},{3,4}}"],
    "bytea": ["\\x00ff", ""],
    "bigint": ["-9223372036854775808"],
}

# of no type that a person can give a value of: the server's own statistics and parse trees
WITHOUT_LITERALS = {"gtsvector", "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list"}
WITHOUT_LITERALS |= {"pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"}

PREPARATION = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE EXTENSION cube; CREATE EXTENSION seg; CREATE EXTENSION isn; CREATE EXTENSION vector;
CREATE TYPE mood AS ENUM ('happy', 'so "so"');
CREATE DOMAIN price AS numeric(5,2) CHECK (VALUE > 0);
CREATE DOMAIN short_text AS varchar(5);
CREATE TYPE place AS (id integer, "the name" text, cost numeric(10,2));
CREATE DOMAIN cheap AS price; CREATE DOMAIN labels AS text[]; CREATE DOMAIN spot AS place;
CREATE TYPE bill AS (amount numeric, note text);
CREATE TYPE trip AS (origin place, length interval, stops integer[]);
"""
