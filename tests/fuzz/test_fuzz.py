"""Hostile bytes for minutes: nothing but a clear refusal comes of them, in bounded memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.targets import TARGETS

pytestmark = pytest.mark.soak

TESTS = Path(__file__).parents[1]
# The corpus goes on from round to round; atheris's own tracing takes 16 KB of memory an input
# (the same inputs without it: none), so that one long round would meet the limit.
ROUNDS = 20
ROUND_SECONDS = 30
MOST_MEGABYTES = 1200
LONGEST_INPUT = 8192


@pytest.mark.timeout(2 * ROUNDS * ROUND_SECONDS)
@pytest.mark.parametrize("target", TARGETS)
def test_hostile_bytes_are_refused_or_read_the_same_both_ways(target: str, tmp_path: Path) -> None:
    flags = [
        f"-max_total_time={ROUND_SECONDS}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-max_len={LONGEST_INPUT}",
        "-timeout=20",
    ]
    for _ in range(ROUNDS):
        ended = subprocess.run(
            [sys.executable, "-m", "fuzz", target, str(tmp_path), *flags],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
        assert ended.returncode == 0, (failed, ended.stderr[-4000:])
        assert "Done" in ended.stderr
