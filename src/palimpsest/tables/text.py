"""Tables as plain text: CSV and Markdown."""

import csv
import io
import re
from html import escape

from palimpsest.tables.model import Cell, Table


def to_csv(table: Table) -> str:
    """One head line, one line a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.corners, *(f"{head.group}: {head.text}" for head in table.heads)])
    writer.writerows([*lead, *(cell.text for cell in cells)] for lead, cells in table.lines)
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """A table for GitHub; notes as a list."""
    heads = [*map(_plain, table.corners), *(f"{_plain(head.group)}:<br>{_plain(head.text)}" for head in table.heads)]
    rules = [*["---"] * len(table.corners), *("---:" if head.numeric else "---" for head in table.heads)]
    rows = [[*map(_plain, lead), *map(_marked, cells)] for lead, cells in table.lines]
    lines = [" | ".join(["", *map(_bar, row), ""]).strip() for row in [heads, rules, *rows]]
    notes = [f"- {_plain(term)}: {_plain(text)}" for term, text in table.explained]
    return "\n".join([f"**{_plain(table.caption)}**", "", *lines, "", *notes]) + "\n"


def _plain(text: str) -> str:
    """Text whose HTML shows as it is written."""
    return escape(text, quote=False)


def _bar(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _marked(cell: Cell) -> str:
    text = _plain(cell.text)
    return {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(cell.mark, text)
