"""Numbers in English sentences."""


def number_of(count: int, noun: str) -> str:
    """1 picture, 2 pictures."""
    return f"{count} {noun}{'s' if count != 1 else ''}"
