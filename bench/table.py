"""The results as a Markdown table, for the terminal and for the README."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COLUMNS = {
    "rows_per_second": ("rows/s", "{:,.0f}"),
    "cpu_us_per_row": ("CPU µs a row", "{:.2f}"),
    "rss_mb": ("peak RSS, MB", "{:,.0f}"),
    "p50_ms": ("p50, ms", "{:,.1f}"),
    "p99_ms": ("p99, ms", "{:,.1f}"),
    "cpu_percent": ("CPU, % of a core", "{:.1f}"),
    "idle_cpu_percent": ("idle, %", "{:.1f}"),
}


def table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Medians with their range in brackets, one line a subject."""
    used = [c for c in COLUMNS if any(c in f for m in found.values() for f in m.values())]
    head = ["measurement", "subject", *(COLUMNS[c][0] for c in used)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for measurement, subjects in found.items():
        for subject, figures in subjects.items():
            cells = [_cell(figures, column) for column in used]
            lines.append("| " + " | ".join([measurement, subject, *cells]) + " |")
    return "\n".join([*lines, "", machine()])


def _cell(figures: Mapping[str, Any], column: str) -> str:
    if column not in figures:
        return ""
    form = COLUMNS[column][1]
    text = form.format(figures[column])
    if f"{column}_min" in figures:
        low, high = form.format(figures[f"{column}_min"]), form.format(figures[f"{column}_max"])
        text += f" ({low} to {high})"
    return text


def machine() -> str:
    """Date, processor and versions: without them a rate says nothing."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    model = next((x.partition(":")[2].strip() for x in names if "model name" in x), "")
    day = datetime.now(UTC).date()
    cores = os.cpu_count()
    return (
        f"{day}, {model or platform.machine()}, {cores} cores, Python {platform.python_version()}."
    )
