"""Fixtures of the strict Snowflake fake; its rules are in docs/snowflake-fake.md."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strict_snowflake import Cloud, Encryption, StrictSnowflake

MakeSnowflake = Callable[..., StrictSnowflake]


@pytest.fixture
def make_snowflake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeSnowflake]:
    """Start fakes with options: cloud, encryption, multipart_threshold.

    This process is given the fake's environment; a child process needs `fake.environment`.
    """
    started: list[StrictSnowflake] = []

    def make(**options: Any) -> StrictSnowflake:
        fake = StrictSnowflake(tmp_path, **options)
        started.append(fake)
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        return fake

    yield make
    for fake in started:
        fake.close()


@pytest.fixture
def strict_snowflake(make_snowflake: MakeSnowflake) -> StrictSnowflake:
    """The fake as most tests want it: S3-like, client-side encryption, one user with a password."""
    return make_snowflake(cloud=Cloud.S3, encryption=Encryption.FULL)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector's storage client retries at once, not after 1, 2, 4, 8, 16 seconds."""
    from snowflake.connector.storage_client import SnowflakeStorageClient

    monkeypatch.setattr(SnowflakeStorageClient, "SLEEP_UNIT", 0.001)


def connect(fake: StrictSnowflake, **options: Any) -> Any:
    """The real connector on the fake, as FERRY with its password unless the options say else."""
    from snowflake.connector import connect

    settings = {
        name.removeprefix("SNOWFLAKE_").lower(): value for name, value in fake.settings.items()
    }
    deadlines = {"login_timeout": 10, "network_timeout": 20}
    return connect(**{**settings, **deadlines, "port": int(settings["port"]), **options})
