"""How many values went through Python one by one, of which column and why."""

from collections import Counter


class Fallbacks(Counter[tuple[str, str]]):
    """Values by column and cause: "union", or "long array". column: the one at work."""

    column: str = ""

    def note(self, cause: str, values: int) -> None:
        """Count some of the column at work."""
        self[self.column, cause] += values

    def taken(self) -> list[tuple[str, str, int]]:
        """Column, cause and values since the last time."""
        found = [(column, cause, values) for (column, cause), values in self.items()]
        self.clear()
        return found
