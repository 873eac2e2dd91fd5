"""Tables as HTML: a fragment of the page."""

from html import escape

from palimpsest.tables.model import Cell, Head, Table

SHORT = 24  # rows; a longer table scrolls within its box, under its heads
INTERVALS = '<label class="intervals"><input type="checkbox"> show 95 % intervals and counts</label>'


def to_html(table: Table) -> str:
    """A fragment: the table in a box that scrolls, its notes under it."""
    upper = "".join(f'<th scope="colgroup" colspan="{n}">{escape(group)}</th>' for group, n in table.groups)
    starts = table.starts
    lower = "".join(
        f'<th scope="col"{_class("start" * (i in starts), "words" * (not head.numeric))}>{escape(head.text)}</th>'
        for i, head in enumerate(table.heads)
    )
    box = _class("scroll", "tall" * (len(table.rows) > SHORT))
    bodies = "\n".join(_body(table, metric, rows) for metric, rows in table.bodies)
    notes = "\n".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in table.notes)
    meant = f'<p class="legend">{escape(table.legend)}</p>' if table.legend else ""
    return f"""<div class="table" id="{table.key}">
{INTERVALS if any(cell.interval for _, cells in table.rows for cell in cells) else ""}
<div{box} role="region" tabindex="0" aria-label="{escape(table.caption)}">
<table>
<caption><span>{escape(table.caption)}</span></caption>
<thead>
<tr><th scope="col" rowspan="2">{escape(table.corner)}</th>{upper}</tr>
<tr>{lower}</tr>
</thead>
{bodies}
</table>
</div>
{meant}
<details><summary>Notes: data, protocol, metrics</summary>
<dl class="notes">
{notes}
</dl>
</details>
</div>
"""


def _body(table: Table, metric: str, rows: list[tuple[str, list[Cell]]]) -> str:
    """The rows of one block, under its metric where there is one."""
    starts = table.starts
    places = [(head, i in starts) for i, head in enumerate(table.heads)]
    lines = [
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(_cell(cell, *place) for cell, place in zip(cells, places, strict=True))
        + "</tr>"
        for label, cells in rows
    ]
    if metric:
        wide = f'<th scope="rowgroup" colspan="{len(table.heads) + 1}"><span>{escape(metric)}</span></th>'
        lines.insert(0, f'<tr class="block">{wide}</tr>')
    return "\n".join(["<tbody>", *lines, "</tbody>"])


def _class(*names: str) -> str:
    return f' class="{joined}"' if (joined := " ".join(filter(None, names))) else ""


def _cell(cell: Cell, head: Head, starts: bool) -> str:
    text = escape(cell.text)
    text = {"best": f"<b>{text}</b>", "second": f"<u>{text}</u>"}.get(cell.mark, text)
    text = f'<a href="#{escape(cell.provenance)}">{text}</a>' if cell.provenance else text
    title = f' title="{escape(cell.about)}"' if cell.about else ""
    interval = f'<small class="interval">{escape(cell.interval)}</small>' if cell.interval else ""
    names = _class(cell.status, "start" * starts, "words" * (not head.numeric))
    return f"<td{names}{title}>{text}{interval}</td>"
