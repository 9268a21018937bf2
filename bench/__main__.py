"""`python -m bench [PART …] [--readme] [--json]`: measure the parts named, or all."""

import argparse
import importlib
import json
import sys
from typing import Any

from bench import page
from bench.table import table

PARTS = ("codec", "send", "receive", "latency", "growth", "end_to_end")
BY_NAME_ONLY = ("lines",)  # behind a decision, and no part of the comparison with others


def main() -> None:
    """Run the parts one after another; the table, and with --json one object as last line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *PARTS, *BY_NAME_ONLY], help="which; none: all but lines"
    )
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the table")
    parser.add_argument("--runs", type=int, default=5, help="counted runs; medians are shown")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--readme", action="store_true", help="write the README's table, too")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    for part in asked.parts or PARTS:
        print(f"{part} …", file=sys.stderr)
        found |= importlib.import_module(f"bench.{part}").run(asked.rows, asked.runs)
    print(table(found))
    if asked.readme:
        page.write(found)
    if asked.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
