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
from itertools import chain, groupby, islice, pairwise
from textwrap import wrap
from unicodedata import normalize


@dataclass(frozen=True)
class Cell:
    """What stands at one place, as printed."""

    text: str
    status: str  # published, measured, external, difference, data, missing, illegible, none
    number: float | None = None
    mark: str = ""  # best, second
    about: str = ""  # what it is and what it was measured on
    interval: str = ""  # and the count of pictures, shown on demand
    provenance: str = ""  # the part of the page that says what made it


NOTHING = Cell("–", "none")

LEGEND = {  # what stands in tables instead of, or beside, a number
    "bold": "the best number of {place}",
    "underlined": "the second best number of {place}",
    "not yet run": "this project has no result of the method yet",
    "no votes": "nobody has voted yet in the user study",
    "missing": "what was run did not measure this, or could not",
    "undefined": "the metric has no value on these pictures",
    "unsteady": "passes took so different times that seconds say little: the machine was busy",
    "does not fit": "more memory than this machine has",
    "did not fit": "more memory than the paper's machine had",
    "illegible": "published, but scrambled in the text at hand; no best is marked beside it",
    "–": "no number to print",
    "(external)": "pictures made elsewhere, measured here like all others",
    "(a stand-in)": "pictures other than the paper's, so that ours are not compared with the published numbers",
    "(other data)": "measured on the paper's pictures, where ours are measured on others",
}
PLACES = {"column": "its column", "block": "its column within its block", "row": "its row"}  # where the best is sought


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
    ranked: str = "column"  # of PLACES

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

    @property
    def legend(self) -> str:
        """What the words and marks mean that this table holds."""
        cells = [cell for _, row in self.rows for cell in row]
        found = {cell.text for cell in cells} | {MARKS[cell.mark] for cell in cells if cell.mark}
        heads = [self.caption, *chain.from_iterable((head.group, head.text) for head in self.heads)]
        heads += [label for label, _ in self.rows]
        found |= {word for word in LEGEND if word.startswith("(") and any(word in head for head in heads)}
        meant = [f"{word}: {meaning}" for word, meaning in legend(PLACES[self.ranked]).items() if word in found]
        return f"{'; '.join(meant)}." if meant else ""

    @property
    def explained(self) -> list[tuple[str, str]]:
        """The notes, with the legend."""
        return [*self.notes, *([("Legend", self.legend)] if self.legend else [])]


MARKS = {"best": "bold", "second": "underlined"}


def legend(place: str = "its column, or of its row where metrics are rows") -> dict[str, str]:
    """{word or mark: what it means}; without a place of all tables together."""
    return {word: meaning.format(place=place) for word, meaning in LEGEND.items()}


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
    text = f'<a href="#{escape(cell.provenance)}">{text}</a>' if cell.provenance else text
    title = f' title="{escape(cell.about)}"' if cell.about else ""
    interval = f'<small class="interval">{escape(cell.interval)}</small>' if cell.interval else ""
    names = _html_class(cell.status, "start" * starts, "words" * (not head.numeric))
    return f"<td{names}{title}>{text}{interval}</td>"


LETTERS = 7  # that a column of numbers has room for
NARROWEST = 12  # letters, of a group's line
GAP = 1.5  # letters
PAGE = 185  # letters that a page is wide; a wider table is continued, where its parts or groups allow it
UNEVEN = 1.15  # how much more than its share a page may hold
TALLEST = 0.72  # of a page's text


def to_tex(table: Table) -> str:
    """Table environments to \\input where booktabs and graphicx are loaded, made to fit the page."""
    grids = "\n".join(_tex_grid(part, number) for number, part in enumerate(_pages(table)))
    return f"% \\usepackage{{booktabs,graphicx}}\n{grids}\n"


def to_tex_notes(table: Table) -> str:
    """What the HTML says under a table but its legend, which stands in the table."""
    notes = "\n".join(rf"\emph{{{tex(term)}}}: {tex(text)}" for term, text in table.notes)
    return f"\\paragraph{{Notes to Table \\ref{{tab:{table.key}}}}} {{\\footnotesize\n{notes}\\par}}\n"


def _pages(table: Table) -> Iterator[Table]:
    """The table, or its parts on as few pages as are wide enough for them, about as much on each."""
    lead = sum(max(map(len, texts)) for texts in zip(*(heads for heads, _ in table.lines), strict=True))
    widths = [_letters(head, [row[i] for _, row in table.rows]) for i, head in enumerate(table.heads)]
    room = sum(widths) / max(1, math.ceil(sum(widths) / (PAGE - lead))) * UNEVEN
    starts, place = [0], 0
    for count in table.parts or [columns for _, columns in table.groups]:
        if sum(widths[starts[-1] : place + count]) > room and place > starts[-1]:
            starts.append(place)
        place += count
    for start, end in pairwise([*starts, len(table.heads)]):
        rows = [(label, cells[start:end]) for label, cells in table.rows]
        yield replace(table, heads=table.heads[start:end], rows=rows)


def _letters(head: Head, cells: list[Cell]) -> float:
    """How many digits' width a column takes, with the gap beside it."""
    texts = [*_lines(head.text, LETTERS), *(cell.text for cell in cells)]
    return max(map(len, texts)) + GAP


def _tex_grid(table: Table, number: int) -> str:
    """A table environment; where `number` is not 0, one that continues another."""
    lead = len(table.corners)
    upper = " & ".join(
        rf"\multicolumn{{{n}}}{{c}}{{{_stacked(group, max(NARROWEST, n * LETTERS))}}}" for group, n in table.groups
    )
    rules = "".join(
        rf"\cmidrule(lr){{{start + lead + 1}-{start + lead + n}}}"
        for start, (_, n) in zip(sorted(_starts(table)), table.groups, strict=True)
    )
    sides = ["r" if head.numeric else "l" for head in table.heads]
    lower = " & ".join(_stacked(head.text, LETTERS, side) for head, side in zip(table.heads, sides, strict=True))
    body = "\n\\midrule\n".join("\n".join(_tex_body(metric, rows)) for metric, rows in table.bodies)
    caption, label = (", continued", f"-{number + 1}") if number else ("", "")
    legend = (
        f"\n\\par\\smallskip\n\\parbox{{\\linewidth}}{{\\raggedright\\scriptsize {tex(table.legend)}}}"
        if table.legend
        else ""
    )
    return rf"""\begin{{table}}
\centering
\caption{{{tex(table.caption)}{caption}.}}
\label{{tab:{table.key}{label}}}
\footnotesize
\setlength{{\tabcolsep}}{{3pt}}
\resizebox*{{!}}{{\ifdim\totalheight>{TALLEST}\textheight {TALLEST}\textheight\else\totalheight\fi}}{{%
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{{"l" * lead}{"".join(sides)}}}
\toprule
{" &" * lead} {upper} \\
{rules}
{" & ".join([*[""] * (lead - 1), tex(table.corner)])} & {lower} \\
\midrule
{body}
\bottomrule
\end{{tabular}}}}}}{legend}
\end{{table}}"""


def _stacked(text: str, letters: int, side: str = "c") -> str:
    """A head in lines of no more letters than its columns have room for, where its words allow it."""
    lines = [tex(line) for line in _lines(text, letters)]
    if len(lines) == 1:
        return lines[0]
    stacked = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{stacked}\end{{tabular}}"


def _lines(text: str, letters: int) -> list[str]:
    """Text in lines of `letters` at most; a word stays whole, and an arrow with the word before it."""
    bound = text.replace(" ↓", "\u00a0↓").replace(" ↑", "\u00a0↑")
    return wrap(bound, letters, break_long_words=False, break_on_hyphens=False) or [""]


def _tex_body(metric: str, rows: list[tuple[str, list[Cell]]]) -> list[str]:
    """A line for each row; a block's metric is turned at the left of its middle one."""
    lines = [" & ".join([tex(label), *map(_tex_cell, cells)]) + r" \\" for label, cells in rows]
    turned = rf"\smash{{\rotatebox[origin=c]{{90}}{{{tex(metric)}}}}}"
    return [f"{turned if i == len(lines) // 2 else ''} & {line}" for i, line in enumerate(lines)] if metric else lines


def _tex_cell(cell: Cell) -> str:
    text = tex(cell.text)
    return {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(cell.mark, text)


GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi - pi rho varsigma sigma tau"
TEX = {
    **{chr(ord("α") + place): rf"$\{name}$" for place, name in enumerate(GREEK.split()) if name != "-"},
    **{digit: f"$^{value}$" for value, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "\\": r"\textbackslash{}",
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "\u00a0": "~",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "∂": r"$\partial$",
    "Σ": r"$\Sigma$",
    "√": r"$\surd$",
    "∞": r"$\infty$",
    "∝": r"$\propto$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "–": "--",
    "’": "'",
    "…": r"\ldots{}",
}


def tex(text: str) -> str:
    """Text for LaTeX; a letter that its fonts lack becomes a question mark."""
    return "".join(TEX.get(letter, letter if _in_fonts(letter) else "?") for letter in text)


ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"


def _in_fonts(letter: str) -> bool:
    """Whether LaTeX's first fonts, which come with every installation, have a letter of Latin."""
    base, *marks = normalize("NFD", letter)
    accented = letter < "\u0180" and " " <= base <= "~" and all(mark in ACCENTS for mark in marks)
    return accented or letter in "\nßæøœłÆØŒŁ£©"


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
    notes = [f"- {term}: {text}" for term, text in table.explained]
    return "\n".join([f"**{table.caption}**", "", *lines, "", *notes]) + "\n"


def _bar(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _markdown_cell(cell: Cell) -> str:
    return {"best": f"**{cell.text}**", "second": f"<u>{cell.text}</u>"}.get(cell.mark, cell.text)


FORMATS: dict[str, Callable[[Table], str]] = {"html": to_html, "tex": to_tex, "csv": to_csv, "md": to_markdown}
