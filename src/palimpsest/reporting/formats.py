"""One table model and its formats: HTML, LaTeX, CSV and Markdown.

A cell's text is decided before it comes here, so that no two formats can print different numbers.
"""

import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import groupby


@dataclass(frozen=True)
class Cell:
    """What stands at one place, as printed."""

    text: str
    status: str  # published, measured, external, difference, data, missing, illegible, none
    number: float | None = None
    mark: str = ""  # best, second
    about: str = ""  # what it is and what it was measured on
    interval: str = ""  # and the count of pictures, shown on demand


NOTHING = Cell("–", "none")


def printed(value: float, digits: int) -> str:
    """A measured number as printed everywhere."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "undefined" if math.isnan(value) else "∞"


@dataclass(frozen=True)
class Head:
    """A column's two levels of heads."""

    group: str
    text: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """One table, ready to be printed."""

    key: str
    caption: str
    heads: list[Head]
    rows: list[tuple[str, list[Cell]]]
    notes: list[tuple[str, str]]  # term, text
    corner: str = "method"  # the head of the rows

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(head, number of columns) of the upper level."""
        return [(group, len(list(heads))) for group, heads in groupby(self.heads, lambda head: head.group)]


INTERVALS = '<label class="intervals"><input type="checkbox"> show 95 % intervals and counts</label>'


def to_html(table: Table) -> str:
    """A fragment: the table in a box that scrolls, its notes under it."""
    upper = "".join(f'<th scope="colgroup" colspan="{n}">{escape(group)}</th>' for group, n in table.groups)
    starts = _starts(table)
    lower = "".join(
        f'<th scope="col"{_html_class("start" * (i in starts), "data" * (not head.numeric))}>{escape(head.text)}</th>'
        for i, head in enumerate(table.heads)
    )
    body = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(_html_cell(cell, i in starts) for i, cell in enumerate(cells))
        + "</tr>"
        for label, cells in table.rows
    )
    notes = "\n".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in table.notes)
    return f"""<div class="table" id="{table.key}">
{INTERVALS if any(cell.interval for _, cells in table.rows for cell in cells) else ""}
<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}">
<table>
<caption><span>{escape(table.caption)}</span></caption>
<thead>
<tr><th scope="col" rowspan="2">{escape(table.corner)}</th>{upper}</tr>
<tr>{lower}</tr>
</thead>
<tbody>
{body}
</tbody>
</table>
</div>
<dl class="notes">
{notes}
</dl>
</div>
"""


def _starts(table: Table) -> set[int]:
    """The first column of each group."""
    starts, place = set(), 0
    for _, count in table.groups:
        starts.add(place)
        place += count
    return starts


def _html_class(*names: str) -> str:
    return f' class="{joined}"' if (joined := " ".join(filter(None, names))) else ""


def _html_cell(cell: Cell, starts: bool) -> str:
    text = escape(cell.text)
    text = {"best": f"<b>{text}</b>", "second": f"<u>{text}</u>"}.get(cell.mark, text)
    title = f' title="{escape(cell.about)}"' if cell.about else ""
    interval = f'<small class="interval">{escape(cell.interval)}</small>' if cell.interval else ""
    return f"<td{_html_class(cell.status, 'start' if starts else '')}{title}>{text}{interval}</td>"


def to_tex(table: Table) -> str:
    """A table environment to \\input where booktabs and graphicx are loaded; narrowed where it is too wide."""
    upper = " & ".join(rf"\multicolumn{{{n}}}{{c}}{{{tex(group)}}}" for group, n in table.groups)
    rules = "".join(
        rf"\cmidrule(lr){{{start + 2}-{start + 1 + n}}}"
        for start, (_, n) in zip(sorted(_starts(table)), table.groups, strict=True)
    )
    lower = " & ".join(tex(head.text) for head in table.heads)
    body = "\n".join(" & ".join([tex(label), *map(_tex_cell, cells)]) + r" \\" for label, cells in table.rows)
    notes = "\n".join(rf"\emph{{{tex(term)}.}} {tex(text)}\par" for term, text in table.notes)
    columns = "".join("r" if head.numeric else "l" for head in table.heads)
    return rf"""\begin{{table}}[htbp]
\centering
\caption{{{tex(table.caption)}.}}
\label{{tab:{table.key}}}
\small
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{l{columns}}}
\toprule
 & {upper} \\
{rules}
{tex(table.corner)} & {lower} \\
\midrule
{body}
\bottomrule
\end{{tabular}}}}
\end{{table}}
\paragraph{{Notes to Table \ref{{tab:{table.key}}}.}} {{\footnotesize
{notes}
}}
"""


def _tex_cell(cell: Cell) -> str:
    text = tex(cell.text)
    return {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(cell.mark, text)


TEX = {
    "\\": r"\textbackslash{}",
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "²": r"$^2$",
    "∂": r"$\partial$",
    "Σ": r"$\Sigma$",
    "√": r"$\surd$",
    "σ": r"$\sigma$",
    "∞": r"$\infty$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "–": "--",
    "’": "'",
    "…": r"\ldots{}",
}


def tex(text: str) -> str:
    """Text for LaTeX; a letter that its fonts lack becomes a question mark."""
    return "".join(TEX.get(letter, letter if ord(letter) < 0x180 else "?") for letter in text)


def to_csv(table: Table) -> str:
    """One head line, one line a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([table.corner, *(f"{head.group}: {head.text}" for head in table.heads)])
    writer.writerows([label, *(cell.text for cell in cells)] for label, cells in table.rows)
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """A table for GitHub; notes as a list."""
    heads = [table.corner, *(f"{head.group}:<br>{head.text}" for head in table.heads)]
    rules = ["---", *("---:" if head.numeric else "---" for head in table.heads)]
    rows = [[label, *map(_markdown_cell, cells)] for label, cells in table.rows]
    lines = [" | ".join(["", *map(_bar, row), ""]).strip() for row in [heads, rules, *rows]]
    notes = [f"- {term}: {text}" for term, text in table.notes]
    return "\n".join([f"**{table.caption}**", "", *lines, "", *notes]) + "\n"


def _bar(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _markdown_cell(cell: Cell) -> str:
    return {"best": f"**{cell.text}**", "second": f"<u>{cell.text}</u>"}.get(cell.mark, cell.text)


FORMATS: dict[str, Callable[[Table], str]] = {"html": to_html, "tex": to_tex, "csv": to_csv, "md": to_markdown}
