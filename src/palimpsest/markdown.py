"""Markdown as GitHub reads it: text that shows as it is written, and tables."""

import re
from collections.abc import Iterable, Sequence
from html import escape

MARKS = re.compile(r"[\\`*_~\[\]|$]")  # letters that mean something wherever they stand
FIRST = re.compile(r"^(#{0,5}|\d+)([#+.)-])(?=\s|$)")  # what begins a heading or a list


def plain(text: str) -> str:
    """Text on one line that shows as it is written."""
    quiet = MARKS.sub(r"\\\g<0>", escape(" ".join(text.splitlines()), quote=False))
    return FIRST.sub(r"\1\\\2", quiet)


def table(head: Sequence[str], rules: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Its lines; the cells are in Markdown already."""
    return [f"| {' | '.join(row)} |" for row in (head, rules, *rows)]
