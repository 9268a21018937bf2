"""Java programs start with their secrets out of sight, and quickly where they were trained."""

from pathlib import Path

from rowferry.stack import java

PROGRAM = java.Program((Path("a.jar"), Path("b.jar")), ("-Xmx64m", "-Dx=1"), ("org.example.Main",))


def test_passwords_are_in_a_file_of_our_own_and_not_in_the_command(tmp_path: Path) -> None:
    file = tmp_path / "args"
    words = java.command(PROGRAM, file, ["--password", 'se"cr\\et'])
    assert words == (java.java(), f"@{file}")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().splitlines() == [
        '"-Xmx64m"',
        '"-Dx=1"',
        '"-cp"',
        '"a.jar:b.jar"',
        '"org.example.Main"',
        '"--password"',
        '"se\\"cr\\\\et"',
    ]


def test_a_trained_cache_is_used_and_a_missing_one_is_not(tmp_path: Path) -> None:
    assert java.aot_flags(PROGRAM, tmp_path, None) == ()
    trained = java.aot_file(PROGRAM, tmp_path)
    trained.parent.mkdir()
    trained.touch()
    assert java.aot_flags(PROGRAM, tmp_path, None) == (f"-XX:AOTCache={trained}",)
    half = tmp_path / "half"
    assert java.aot_flags(PROGRAM, tmp_path, half) == (f"-XX:AOTCacheOutput={half}",)


def test_a_cache_belongs_to_jars_and_flags_but_not_to_properties() -> None:
    same = java.Program(PROGRAM.jars, ("-Xmx64m", "-Dx=2"), PROGRAM.main)
    other = java.Program(PROGRAM.jars, ("-Xmx65m", "-Dx=1"), PROGRAM.main)
    newer = java.Program((Path("a2.jar"),), PROGRAM.flags, PROGRAM.main)
    assert same.key() == PROGRAM.key()
    assert len({PROGRAM.key(), other.key(), newer.key()}) == 3
