"""`python -m rowferry`: the same as `rowferry`."""

from rowferry.cli import main

main()
