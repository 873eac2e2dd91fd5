"""Tables as plain text: CSV and Markdown."""

import csv
import io
import re

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
    heads = [*table.corners, *(f"{head.group}:<br>{head.text}" for head in table.heads)]
    rules = [*["---"] * len(table.corners), *("---:" if head.numeric else "---" for head in table.heads)]
    rows = [[*lead, *map(_marked, cells)] for lead, cells in table.lines]
    lines = [" | ".join(["", *map(_bar, row), ""]).strip() for row in [heads, rules, *rows]]
    notes = [f"- {term}: {text}" for term, text in table.explained]
    return "\n".join([f"**{table.caption}**", "", *lines, "", *notes]) + "\n"


def _bar(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _marked(cell: Cell) -> str:
    return {"best": f"**{cell.text}**", "second": f"<u>{cell.text}</u>"}.get(cell.mark, cell.text)
