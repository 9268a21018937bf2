"""A shop that trades in `products`: the traffic of the demo and of the tests.

What was committed is known exactly: a trigger keeps each version of a row in
`shop.product_versions`, in the transaction that makes it, so that a rollback, whole or to a
savepoint, takes it back.
"""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Any

from rowferry.stop import Stop

AUDIT = """
CREATE SCHEMA shop;
CREATE TABLE shop.product_versions (
  version           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product           products NOT NULL,
  xid               xid8 NOT NULL DEFAULT pg_current_xact_id()
);
INSERT INTO shop.product_versions (product) SELECT products FROM products;
CREATE FUNCTION shop.keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO shop.product_versions (product) VALUES (NEW);
  RETURN NULL;
END $$;
CREATE TRIGGER keep_version AFTER INSERT OR UPDATE ON products
  FOR EACH ROW EXECUTE FUNCTION shop.keep_version();
"""
MORE_ROWS = """
INSERT INTO products
  SELECT 'B' || lpad(n::text, 8, '0'), 'Tea no. ' || n, 'Category ' || n %% 12,
         (n::bigint * 7919 %% 100000)::numeric / 100, now() - (n %% 86400) * interval '1 second'
  FROM generate_series(1, %s) AS n
"""
INSERT = "INSERT INTO products (product_id, name, category, price) VALUES (%s, %s, %s, %s)"
UPDATE = (
    "UPDATE products SET price = %s, name = %s, updated_timestamp = now() WHERE product_id = %s"
)
SEED_ROWS = 30
MOST_KEYS = 500  # a writer's own keys, so that rows change several times
LATE_SECONDS = (0.2, 3.0)
NEW, TAKEN_BACK = 0.4, 0.5  # shares of inserts, and of savepoints that are rolled back to
IDLE_UNTIL = 0.8  # of the trading time, until the idle transaction writes


@dataclass(frozen=True, slots=True)
class Traffic:
    """How the shop trades: the pace is over all writers; None is as fast as it goes."""

    writers: int = 4
    changes_per_second: float | None = None
    seed: int = 0
    prepared: bool = False  # two-phase commits; needs max_prepared_transactions


@dataclass(frozen=True, slots=True)
class Takings:
    """What a time of trading did. `versions`: row versions that were committed."""

    versions: int
    transactions: int
    rolled_back: int
    late: int
    with_savepoints: int
    prepared: int


class Shop:
    """A shop on the database of `dsn`, whose user may create tables and a schema there."""

    def __init__(self, dsn: str, traffic: Traffic | None = None) -> None:
        self._dsn, self._traffic = dsn, traffic or Traffic()

    def open(self, rows: int = 0) -> int:
        """Make the table with its thirty rows and `rows` more; how many there are."""
        first_rows = (resources.files("rowferry.stack") / "products.sql").read_text("utf-8")
        with self._connection() as cursor:
            cursor.execute(first_rows)
            if rows:
                cursor.execute(MORE_ROWS, (rows,))
            cursor.execute(AUDIT)
            cursor.execute("ANALYZE products")
        return SEED_ROWS + rows

    def trade(self, seconds: float, stop: Stop | None = None) -> Takings:
        """Let all writers work for this long, or until the stop; every transaction is ended.

        One transaction more says `SELECT now()` at the start and writes only late.
        """
        stop = stop or Stop()
        traffic = self._traffic
        with ThreadPoolExecutor(traffic.writers + 1) as pool:
            until = time.monotonic() + seconds
            working = [
                pool.submit(self._write, number, until, stop) for number in range(traffic.writers)
            ]
            working.append(pool.submit(self._write_late, seconds * IDLE_UNTIL, stop))
            done: Counter[str] = sum((work.result() for work in working), Counter())
        return Takings(**{name: done[name] for name in Takings.__dataclass_fields__})

    def committed(self) -> int:
        """Row versions committed since the shop opened, its first rows included."""
        with self._connection() as cursor:
            cursor.execute("SELECT count(*) FROM shop.product_versions")
            [count] = cursor.fetchone()
            return int(count)

    def _write(self, number: int, until: float, stop: Stop) -> Counter[str]:
        traffic = self._traffic
        pace = (traffic.changes_per_second or 0) / traffic.writers
        with self._connection() as cursor:
            writer = Writer(cursor, number, traffic, stop)
            began, versions = time.monotonic(), 0
            while time.monotonic() < until and not stop.requested:
                versions += writer.transact()
                if pace:
                    ahead = versions / pace - (time.monotonic() - began)
                    stop.wait(min(ahead, until - time.monotonic()))
            return writer.done

    def _write_late(self, seconds: float, stop: Stop) -> Counter[str]:
        """BEGIN; SELECT now(); wait; then write with the time of the beginning."""
        with self._connection() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT now()")
            stop.wait(seconds)
            cursor.execute(INSERT, (f"L{random.getrandbits(40)}", "Late tea", "Late", "1.05"))
            cursor.execute(UPDATE, ("3.50", "Late again", "S0007"))
            cursor.execute("COMMIT")
        return Counter(versions=2, transactions=1, late=1)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        import psycopg2

        connection = psycopg2.connect(self._dsn)
        connection.autocommit = True  # BEGIN and COMMIT are said where they are meant
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class Writer:
    """One session: transactions of several kinds, chosen by a generator with a seed."""

    def __init__(self, cursor: Any, number: int, traffic: Traffic, stop: Stop) -> None:
        self._cursor, self._number, self._stop = cursor, number, stop
        self._random = random.Random(f"{traffic.seed}/{number}")  # noqa: S311 - traffic, no secret
        self._keys: list[str] = []
        self._made = 0
        self.done: Counter[str] = Counter()
        kinds: dict[Callable[[], int], int] = {
            self._one_row: 60,
            self._several_rows: 15,
            self._late: 6,
            self._savepoints: 10,
            self._rolled_back: 8,
            self._hot_row: 5,
        }
        if traffic.prepared:
            kinds[self._prepared] = 4
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def transact(self) -> int:
        """One transaction of some kind; the row versions it committed."""
        [kind] = self._random.choices(self._kinds, self._weights)
        versions = kind()
        self.done["transactions"] += 1
        self.done["versions"] += versions
        return versions

    def _change(self) -> int:
        """Insert a row, or update one that only this writer touches."""
        if len(self._keys) < MOST_KEYS and (not self._keys or self._random.random() < NEW):
            self._made += 1
            key = f"W{self._number}-{self._made:06d}-{time.time_ns():x}"
            self._cursor.execute(INSERT, (key, f"Tea {self._made}", "New", self._price()))
            self._keys.append(key)
        else:
            self._update(self._random.choice(self._keys))
        return 1

    def _update(self, key: str) -> None:
        self._cursor.execute(UPDATE, (self._price(), f"Tea {self._random.random()}", key))

    def _price(self) -> str:
        return f"{self._random.randrange(10**7) / 100:.2f}"

    def _one_row(self) -> int:
        return self._change()

    def _several_rows(self) -> int:
        with self._transaction():
            return sum(self._change() for _ in range(self._random.randint(2, 20)))

    def _late(self) -> int:
        with self._transaction():
            versions = sum(self._change() for _ in range(self._random.randint(1, 5)))
            self._stop.wait(self._random.uniform(*LATE_SECONDS))
        self.done["late"] += 1
        return versions

    def _savepoints(self) -> int:
        with self._transaction():
            versions = self._change()
            for _ in range(self._random.randint(1, 4)):
                self._cursor.execute("SAVEPOINT step")
                kept = list(self._keys)
                changes = self._change() + self._change()
                if self._random.random() < TAKEN_BACK:
                    self._cursor.execute("ROLLBACK TO step")
                    self._keys = kept
                else:
                    self._cursor.execute("RELEASE step")
                    versions += changes
        self.done["with_savepoints"] += 1
        return versions

    def _rolled_back(self) -> int:
        kept = list(self._keys)
        self._cursor.execute("BEGIN")
        for _ in range(self._random.randint(1, 10)):
            self._change()
        self._cursor.execute("ROLLBACK")
        self._keys = kept
        self.done["rolled_back"] += 1
        return 0

    def _hot_row(self) -> int:
        """A row that all writers change; alone in its transaction, so that none waits in a ring."""
        with self._transaction():
            self._update(f"S{self._random.randint(1, SEED_ROWS):04d}")
            self._stop.wait(self._random.uniform(0, 0.05))
        return 1

    def _prepared(self) -> int:
        name = f"shop-{self._number}-{time.time_ns():x}"
        self._cursor.execute("BEGIN")
        versions = self._change() + self._change()
        self._cursor.execute("PREPARE TRANSACTION %s", (name,))
        self._stop.wait(self._random.uniform(*LATE_SECONDS) / 2)
        self._cursor.execute("COMMIT PREPARED %s", (name,))
        self.done["prepared"] += 1
        return versions

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._cursor.execute("BEGIN")
        yield
        self._cursor.execute("COMMIT")
