"""Whatever is in the environment and the files: settings, or one report with exit code 2."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rowferry.config import Settings, environment_name, is_secret
from rowferry.errors import ConfigError
from rowferry.sources import load_settings

NAMES = st.sampled_from([environment_name(name) for name in Settings.model_fields]) | st.from_regex(
    r"ROWFERRY_[A-Z_]{1,12}", fullmatch=True
)
# What an environment variable can hold: no NUL, no lone surrogate.
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
LIKELY = VALUES | st.sampled_from(["1", "0", "-1", "1e9", "true", "full", "a.b", "@s/p", "file:x"])


def settings_or_problems(folder: str, environ: dict[str, str]) -> Settings | list[str]:
    try:
        required = ("stage",) if environ else ()
        return load_settings(environ=environ, folder=Path(folder), required=required).settings
    except ConfigError as error:
        return str(error).splitlines()


@given(environ=st.dictionaries(NAMES, LIKELY, min_size=1, max_size=12))
def test_any_environment_gives_settings_or_one_report(environ: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        got = settings_or_problems(folder, environ)
    if isinstance(got, Settings):
        known = {environment_name(name) for name in Settings.model_fields}
        assert {name for name in environ if name.startswith("ROWFERRY_")} <= known
        assert got.stage
    else:
        count = len(got) - 1
        assert got[0] == f"E_CONFIG: {count} setting{'s' if count > 1 else ''} to repair:"


@given(toml=st.text(max_size=60), dotenv=st.text(max_size=60))
def test_any_file_gives_settings_or_one_report(toml: str, dotenv: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("rowferry.toml", toml), (".env", dotenv)):
            (Path(folder) / name).write_text(text, encoding="utf-8", errors="surrogatepass")
            (Path(folder) / name).chmod(0o600)
        got = settings_or_problems(folder, {})
    assert isinstance(got, Settings) or got[0].startswith("E_CONFIG: ")


@given(
    secret=st.text(st.characters(categories=("L", "N")), min_size=12, max_size=30).map(
        "§{}".format
    ),
    name=st.sampled_from([name for name in Settings.model_fields if is_secret(name)]),
    other=st.dictionaries(NAMES, LIKELY, max_size=4),
)
def test_no_report_repeats_a_secret(secret: str, name: str, other: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = {**other, environment_name(name): secret}
        try:
            shown = str(load_settings(environ=environ, folder=Path(folder)).settings)
        except ConfigError as error:
            shown = str(error)
    assert secret not in shown
