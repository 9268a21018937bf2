"""Several processes that send: each is a whole sender, of tables that no other has."""

from rowferry.config import Settings


def worker_count(settings: Settings) -> int:
    """How many there are: no more than tables."""
    return min(settings.workers, len(settings.tables))


def own_share(settings: Settings, number: int) -> Settings:
    """The settings of the worker of a number, from 1: its share of the tables.

    All that a table needs is its own: its transactional id, its position, its topic. So it may
    have another worker at the next start, whose transactions then fence the older one's.
    """
    tables = settings.tables[number - 1 :: worker_count(settings)]
    return settings.model_copy(update={"tables": tables, "workers": 1})
