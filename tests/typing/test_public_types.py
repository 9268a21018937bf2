"""What a user's type checker sees of the package, from outside of this checkout's settings."""

from pathlib import Path

from mypy import api

PROGRAM = Path(__file__).parent / "program.py"


def test_a_users_program_is_typed_as_the_page_says_and_a_wrong_one_is_noticed(
    tmp_path: Path,
) -> None:
    # GIVEN the program, and one that expects something else
    program = PROGRAM.read_text()
    wrong = program.replace("Generator[dict[str, Any]", "Generator[str")
    wrong = wrong.replace("  # type: ignore[call-arg]", "")
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "wrong.py").write_text(wrong)
    # WHEN mypy sees both
    own = ["--strict", "--config-file", "", "--cache-dir", str(tmp_path / "cache")]
    told, odd, _ = api.run([*own, *map(str, tmp_path.glob("*.py"))])
    # THEN it says what is wrong with the second: nothing is just Any
    assert odd == ""
    errors = [line for line in told.splitlines() if ": error: " in line]
    assert [line.rpartition("[")[2] for line in errors] == ["assert-type]", "call-arg]"], told
    assert all("wrong.py" in line for line in errors), told
