"""Rates and latencies of Rowferry beside those of others, all in one run on the same parts."""
