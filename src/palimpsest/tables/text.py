"""Tables as plain text: CSV and Markdown."""

import csv
import io

from palimpsest import markdown
from palimpsest.markdown import plain
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
    heads = [*map(plain, table.corners), *(f"{plain(head.group)}:<br>{plain(head.text)}" for head in table.heads)]
    rules = [*["---"] * len(table.corners), *("---:" if head.numeric else "---" for head in table.heads)]
    rows = [[*map(plain, lead), *map(_marked, cells)] for lead, cells in table.lines]
    notes = [f"- {plain(term)}: {plain(text)}" for term, text in table.explained]
    return "\n".join([f"**{plain(table.caption)}**", "", *markdown.table(heads, rules, rows), "", *notes]) + "\n"


def _marked(cell: Cell) -> str:
    text = plain(cell.text)
    return {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(cell.mark, text)
