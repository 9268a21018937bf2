"""Run the fake by itself: prints its settings as NAME=value lines, and ends with its input."""

import argparse
import sys
import tempfile
from pathlib import Path

from strict_snowflake.server import StrictSnowflake
from strict_snowflake.stages import Cloud, Encryption


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", type=Cloud, choices=list(Cloud), default=Cloud.S3)
    parser.add_argument(
        "--encryption", type=Encryption, choices=list(Encryption), default=Encryption.FULL
    )
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        StrictSnowflake(Path(folder), cloud=given.cloud, encryption=given.encryption) as fake,
    ):
        for name, value in {**fake.settings, **fake.environment}.items():
            print(f"{name}={value}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
