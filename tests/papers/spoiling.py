"""What tests of the papers' specs do to a copy of them."""

from pathlib import Path


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    """Replaces the first `old`, which must be there."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
