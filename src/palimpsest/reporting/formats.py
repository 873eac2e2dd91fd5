"""One table model and its formats: HTML, LaTeX, CSV and Markdown.

A cell's text is decided before it comes here, so that no two formats can print different numbers.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html import escape
from itertools import groupby, islice, pairwise
from textwrap import wrap


@dataclass(frozen=True)
class Cell:
    """What stands at one place, as printed."""

    text: str
    status: str  # published, measured, external, difference, data, missing, illegible, none
    number: float | None = None
    mark: str = ""  # best, second
    about: str = ""  # what it is and what it was measured on
    interval: str = ""  # and the count of pictures, shown on demand
    trail: str = ""  # run/hole/metric of a number that was measured on pictures


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
    blocks: list[tuple[str, int]] = field(default_factory=list)  # metric, number of its rows; none but in wide tables
    parts: list[int] = field(default_factory=list)  # numbers of columns that stand on one page together

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(head, number of columns) of the upper level."""
        return [(group, len(list(heads))) for group, heads in groupby(self.heads, lambda head: head.group)]

    @property
    def bodies(self) -> Iterator[tuple[str, list[tuple[str, list[Cell]]]]]:
        """Each block's metric and rows; without blocks "" and all rows."""
        rows = iter(self.rows)
        for metric, count in self.blocks or [("", len(self.rows))]:
            yield metric, list(islice(rows, count))

    @property
    def lines(self) -> Iterator[tuple[list[str], list[Cell]]]:
        """What heads each row, its block's metric first, and the row's cells."""
        for metric, rows in self.bodies:
            for label, cells in rows:
                yield [metric, label] if metric else [label], cells

    @property
    def corners(self) -> list[str]:
        """The heads of what heads a row."""
        return ["metric", self.corner] if self.blocks else [self.corner]


SHORT = 24  # rows; a longer table scrolls within its box, under its heads
INTERVALS = '<label class="intervals"><input type="checkbox"> show 95 % intervals and counts</label>'


def to_html(table: Table) -> str:
    """A fragment: the table in a box that scrolls, its notes under it."""
    upper = "".join(f'<th scope="colgroup" colspan="{n}">{escape(group)}</th>' for group, n in table.groups)
    starts = _starts(table)
    lower = "".join(
        f'<th scope="col"{_html_class("start" * (i in starts), "words" * (not head.numeric))}>{escape(head.text)}</th>'
        for i, head in enumerate(table.heads)
    )
    box = _html_class("scroll", "tall" * (len(table.rows) > SHORT))
    bodies = "\n".join(_html_body(table, metric, rows) for metric, rows in table.bodies)
    notes = "\n".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in table.notes)
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
<dl class="notes">
{notes}
</dl>
</div>
"""


def _html_body(table: Table, metric: str, rows: list[tuple[str, list[Cell]]]) -> str:
    """The rows of one block, under its metric where there is one."""
    starts = _starts(table)
    places = [(head, i in starts) for i, head in enumerate(table.heads)]
    lines = [
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(_html_cell(cell, *place) for cell, place in zip(cells, places, strict=True))
        + "</tr>"
        for label, cells in rows
    ]
    if metric:
        wide = f'<th scope="rowgroup" colspan="{len(table.heads) + 1}"><span>{escape(metric)}</span></th>'
        lines.insert(0, f'<tr class="block">{wide}</tr>')
    return "\n".join(["<tbody>", *lines, "</tbody>"])


def _starts(table: Table) -> set[int]:
    """The first column of each group."""
    starts, place = set(), 0
    for _, count in table.groups:
        starts.add(place)
        place += count
    return starts


def _html_class(*names: str) -> str:
    return f' class="{joined}"' if (joined := " ".join(filter(None, names))) else ""


def _html_cell(cell: Cell, head: Head, starts: bool) -> str:
    text = escape(cell.text)
    text = {"best": f"<b>{text}</b>", "second": f"<u>{text}</u>"}.get(cell.mark, text)
    text = f'<a href="#trail/{escape(cell.trail)}">{text}</a>' if cell.trail else text
    title = f' title="{escape(cell.about)}"' if cell.about else ""
    interval = f'<small class="interval">{escape(cell.interval)}</small>' if cell.interval else ""
    names = _html_class(cell.status, "start" * starts, "words" * (not head.numeric))
    return f"<td{names}{title}>{text}{interval}</td>"


LETTERS = 7  # that a column of numbers has room for
NARROWEST = 12  # letters, of a head's line
WIDEST = 20  # columns; a table with more is continued in LaTeX, where its parts allow it


def to_tex(table: Table) -> str:
    """Table environments to \\input where booktabs and graphicx are loaded, made to fit the page; then the notes."""
    grids = "\n".join(_tex_grid(part, number) for number, part in enumerate(_pages(table)))
    notes = "\n".join(rf"\emph{{{tex(term)}.}} {tex(text)}\par" for term, text in table.notes)
    return rf"""{grids}
\paragraph{{Notes to Table \ref{{tab:{table.key}}}.}} {{\footnotesize
{notes}
}}
"""


def _pages(table: Table) -> Iterator[Table]:
    """The table, or as many of its parts together as a page is wide enough for."""
    starts, place = [0], 0
    for count in table.parts:
        if place + count - starts[-1] > WIDEST and place > starts[-1]:
            starts.append(place)
        place += count
    for start, end in pairwise([*starts, len(table.heads)]):
        rows = [(label, cells[start:end]) for label, cells in table.rows]
        yield replace(table, heads=table.heads[start:end], rows=rows)


def _tex_grid(table: Table, number: int) -> str:
    """A table environment; where `number` is not 0, one that continues another."""
    lead = len(table.corners)
    upper = " & ".join(rf"\multicolumn{{{n}}}{{c}}{{{_tex_group(group, n)}}}" for group, n in table.groups)
    rules = "".join(
        rf"\cmidrule(lr){{{start + lead + 1}-{start + lead + n}}}"
        for start, (_, n) in zip(sorted(_starts(table)), table.groups, strict=True)
    )
    lower = " & ".join(tex(head.text) for head in table.heads)
    body = "\n\\midrule\n".join("\n".join(_tex_body(metric, rows)) for metric, rows in table.bodies)
    columns = "".join("r" if head.numeric else "l" for head in table.heads)
    caption, label = (", continued", f"-{number + 1}") if number else ("", "")
    return rf"""\begin{{table}}[htbp]
\centering
\caption{{{tex(table.caption)}{caption}.}}
\label{{tab:{table.key}{label}}}
\small
\resizebox*{{!}}{{\ifdim\totalheight>0.8\textheight 0.8\textheight\else\totalheight\fi}}{{%
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{{"l" * lead}{columns}}}
\toprule
{" &" * lead} {upper} \\
{rules}
{" & ".join([*[""] * (lead - 1), tex(table.corner)])} & {lower} \\
\midrule
{body}
\bottomrule
\end{{tabular}}}}}}
\end{{table}}"""


def _tex_group(group: str, columns: int) -> str:
    """A group's head in lines that are no wider than its columns, lest its last column take what is left over."""
    lines = wrap(group, max(NARROWEST, columns * LETTERS), break_long_words=False)
    stacked = r" \\ ".join(map(tex, lines))
    return rf"\shortstack{{{stacked}}}" if len(lines) > 1 else stacked


def _tex_body(metric: str, rows: list[tuple[str, list[Cell]]]) -> list[str]:
    """A line for each row; a block's metric is turned at the left of its middle one."""
    lines = [" & ".join([tex(label), *map(_tex_cell, cells)]) + r" \\" for label, cells in rows]
    turned = rf"\smash{{\rotatebox[origin=c]{{90}}{{{tex(metric)}}}}}"
    return [f"{turned if i == len(lines) // 2 else ''} & {line}" for i, line in enumerate(lines)] if metric else lines


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
    writer.writerow([*table.corners, *(f"{head.group}: {head.text}" for head in table.heads)])
    writer.writerows([*lead, *(cell.text for cell in cells)] for lead, cells in table.lines)
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """A table for GitHub; notes as a list."""
    heads = [*table.corners, *(f"{head.group}:<br>{head.text}" for head in table.heads)]
    rules = [*["---"] * len(table.corners), *("---:" if head.numeric else "---" for head in table.heads)]
    rows = [[*lead, *map(_markdown_cell, cells)] for lead, cells in table.lines]
    lines = [" | ".join(["", *map(_bar, row), ""]).strip() for row in [heads, rules, *rows]]
    notes = [f"- {term}: {text}" for term, text in table.notes]
    return "\n".join([f"**{table.caption}**", "", *lines, "", *notes]) + "\n"


def _bar(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _markdown_cell(cell: Cell) -> str:
    return {"best": f"**{cell.text}**", "second": f"<u>{cell.text}</u>"}.get(cell.mark, cell.text)


FORMATS: dict[str, Callable[[Table], str]] = {"html": to_html, "tex": to_tex, "csv": to_csv, "md": to_markdown}
