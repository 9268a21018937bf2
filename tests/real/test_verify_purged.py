"""Files that were removed because they are loaded are told apart from files that are missing."""

from typing import Any

import pytest

from fix_load import Quay
from rowferry.config import Settings
from rowferry.proof.verify import Verification, verify

pytestmark = pytest.mark.real

UPLOADS_END_SECONDS = 120 + 61  # PUT_SECONDS, and what two clocks may differ


def names_of(settings: Settings) -> Verification:
    return verify(settings, deep=False)


def counts(found: Verification) -> dict[str, Any]:
    named = {name: getattr(found, name) for name in ("files", "gaps", "purged")}
    return {name: count for name, count in named.items() if count}


def test_what_the_ledger_has_is_purged_and_what_it_has_not_is_a_gap(quay: Quay) -> None:
    # GIVEN two files that are loaded and removed, and one that is staged after them
    quay.create(partitions=2)
    quay.stage({"id": 1}, {"id": 2})
    quay.stage({"id": 3}, partition=1)
    quay.commit()
    assert quay.load(purge=True).files == 2
    quay.fake.clock.advance(seconds=UPLOADS_END_SECONDS)
    assert quay.load(purge=True).removed == 2
    quay.stage({"id": 4})
    quay.commit()
    # THEN the ledger tells so
    found = names_of(quay.settings())
    assert (counts(found), found.findings) == ({"files": 1, "purged": 3}, ())
    # WHEN the group says of more that it is staged, THEN that is missing
    quay.commit(p0=4)
    found = names_of(quay.settings())
    assert counts(found) == {"files": 1, "purged": 3, "gaps": 1}
    assert "no file has offsets [3, 4)" in found.findings[0]
    # AND without the ledger each of them is, and it is said why
    for reason in ({"load": "off"}, {"load_ledger": "no_such_table"}):
        found = names_of(quay.settings(**reason))
        assert counts(found) == {"files": 1, "gaps": 3}
    assert "the ledger cannot be read (a table is missing" in found.findings[-1]
