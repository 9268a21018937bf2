"""Escapes what names may smuggle into a terminal or a log: control and invisible characters."""


def printable(text: str, keep: str = "") -> str:
    """The text with every character that is not printable escaped, those in `keep` excepted."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
