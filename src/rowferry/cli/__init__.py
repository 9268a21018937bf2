"""The command line: one file a command; nothing heavy is imported before a command runs."""

import sys


def main() -> None:
    """Run `rowferry` as the shell called it, and leave with its exit code."""
    from rowferry.cli.app import run

    sys.exit(run(sys.argv[1:]))
