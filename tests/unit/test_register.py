"""The register's grammar and rules, as tables."""

import pytest

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.receive.register import (
    LONGEST_METADATA,
    Boundary,
    Register,
    chain,
    end_of_chain,
    parse,
)
from rowferry.model import Offset

ID = "AbC-_123"


def boundary(start: int, end: int, rows: int | None = None) -> Boundary:
    return Boundary(Offset(start), Offset(end), end - start if rows is None else rows)


def register(position: int, *planned: Boundary) -> Register:
    return Register(ID, "f0f0f0f0", Offset(position), planned)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (register(0), f"rf1|t={ID}|f=f0f0f0f0|b="),
        (register(7, boundary(7, 10)), f"rf1|t={ID}|f=f0f0f0f0|b=3"),
        (register(7, boundary(7, 11, 3), boundary(11, 12, 0)), f"rf1|t={ID}|f=f0f0f0f0|b=4.3,1.0"),
    ],
)
def test_a_register_is_what_its_text_says(given: Register, text: str) -> None:
    assert given.metadata == text
    assert parse(given.position, text, "orders/0") == given


@pytest.mark.parametrize(
    "text",
    ["", "rf2|t=AbC-_123|f=1|b=", "rf1|t=short|f=1|b=", f"rf1|t={ID}|f=1|b=1,", "someone else's"]
    + [
        f"rf1|t={ID}|f=1|b={ends}"
        for ends in ("0", "-1", "1.x", "1..2", "1 ,2", "\u0661", "9" * 5000)
    ],
)
def test_what_we_did_not_write_is_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(DataAtRisk) as refused:
        parse(Offset(5), text, "orders/0")
    assert refused.value.code is Code.REGISTER_UNREADABLE
    assert "orders/0" in str(refused.value)


def test_files_follow_on_each_other_or_are_not_planned() -> None:
    planned = register(5).plan(boundary(5, 8))
    for wrong in (boundary(9, 12), boundary(7, 12), boundary(8, 8)):
        with pytest.raises(ValueError, match="does not follow"):
            planned.plan(wrong)


def test_a_decided_file_may_have_its_rows_counted_anew_where_it_is() -> None:
    planned = register(0, boundary(0, 3), boundary(3, 9, 2), boundary(9, 11))
    recounted = register(0, boundary(0, 3), boundary(3, 9, 5), boundary(9, 11))
    assert planned.decide(boundary(3, 9, 5)) == recounted
    assert planned.decide(boundary(0, 3)) == planned
    assert planned.decide(boundary(11, 12)) == planned.plan(boundary(11, 12))
    with pytest.raises(ValueError, match="does not follow"):
        planned.decide(boundary(3, 8))


def test_the_position_moves_behind_completed_files_only() -> None:
    planned = register(0, boundary(0, 3), boundary(3, 9), boundary(9, 11))
    assert planned.complete(2) == register(9, boundary(9, 11))
    assert planned.complete(0) == planned
    assert planned.complete(3) == register(11)
    assert planned.frontier == 11


def test_a_register_that_the_broker_would_refuse_says_so() -> None:
    wide = register(0)
    while wide.fits:
        start = wide.frontier
        wide = wide.plan(boundary(start, start + 1_000_000, 999_999))
    assert len(wide.metadata) > LONGEST_METADATA
    assert len(wide.planned) > 250


@pytest.mark.parametrize(
    ("planned", "staged", "taken", "there"),
    [
        # nothing planned, nothing there
        ([], [], [], []),
        # planned, and not there: kept
        ([(0, 5), (5, 9)], [], [(0, 5), (5, 9)], []),
        # planned and there, out of order: kept, and known to be there
        ([(0, 5), (5, 9)], [(5, 9)], [(0, 5), (5, 9)], [(5, 9)]),
        # there and not planned: adopted, also behind what is planned
        ([], [(0, 5)], [(0, 5)], [(0, 5)]),
        ([(0, 5)], [(5, 9), (9, 12)], [(0, 5), (5, 9), (9, 12)], [(5, 9), (9, 12)]),
        # plan and stage disagree: the stage wins, and what was planned on the lost end goes
        ([(0, 5), (5, 9)], [(0, 7)], [(0, 7)], [(0, 7)]),
        ([(0, 5), (5, 9)], [(0, 5, 4)], [(0, 5, 4), (5, 9)], [(0, 5, 4)]),
    ],
)
def test_plan_and_stage_become_one_chain(
    planned: list[tuple[int, int]],
    staged: list[tuple[int, ...]],
    taken: list[tuple[int, ...]],
    there: list[tuple[int, ...]],
) -> None:
    files = [boundary(*item) for item in staged]
    found, present = chain(
        register(0, *(boundary(*item) for item in planned)),
        lambda position: [file for file in files if file.start == position],
        "orders/0",
    )
    assert found == register(0, *(boundary(*item) for item in taken))
    assert present == {boundary(*item) for item in there}


def test_two_files_that_start_at_one_offset_are_refused() -> None:
    with pytest.raises(DataAtRisk) as refused:
        chain(register(3), lambda _: [boundary(3, 5), boundary(3, 6)], "orders/0")
    assert refused.value.code is Code.PREFIX_OWNED


def test_the_names_prove_a_position_only_without_gap_and_overlap() -> None:
    assert end_of_chain([boundary(5, 9), boundary(0, 5)], "orders/0") == 9
    for wrong in ([boundary(0, 5), boundary(6, 9)], [boundary(0, 5), boundary(4, 9)]):
        with pytest.raises(DataAtRisk) as refused:
            end_of_chain(wrong, "orders/0")
        assert refused.value.code is Code.INCOMPLETE
