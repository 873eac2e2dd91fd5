"""Numbers and names in English sentences."""

from collections.abc import Sequence


def number_of(count: int, noun: str) -> str:
    """1 picture, 2 pictures."""
    return f"{count} {noun}{'s' if count != 1 else ''}"


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
