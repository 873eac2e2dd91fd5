"""Tables as LaTeX, made to fit the page, and text for LaTeX."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from textwrap import wrap
from unicodedata import normalize

from palimpsest.tables.model import Cell, Head, Table

LETTERS = 7  # of a head in a column of numbers
NARROWEST = 12  # letters, of a group's line
GAP = 1.5  # letters
PAGE = 185  # letters that a page is wide; a wider table goes on to the next, where its parts or groups allow it
UNEVEN = 1.15  # how much more than its share a page may hold
TALLEST = 0.72  # of a page's text


def to_tex(table: Table) -> str:
    """Table environments to \\input where booktabs and graphicx are loaded, made to fit the page."""
    grids = "\n".join(_grid(part, number) for number, part in enumerate(_pages(table)))
    return f"% \\usepackage{{booktabs,graphicx}}\n{grids}\n"


def to_tex_notes(table: Table) -> str:
    """The notes of a table; its legend is in the table itself."""
    notes = "\n".join(rf"\emph{{{tex(term)}}}: {tex(text)}" for term, text in table.notes)
    return f"\\paragraph{{Notes to Table \\ref{{tab:{table.key}}}}} {{\\footnotesize\n{notes}\\par}}\n"


def _pages(table: Table) -> Iterator[Table]:
    """The table, or its parts on as few pages as can hold them, about equally full."""
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


def _grid(table: Table, number: int) -> str:
    """A table environment; where `number` is not 0, one that continues another."""
    lead = len(table.corners)
    upper = " & ".join(
        rf"\multicolumn{{{n}}}{{c}}{{{_stacked(group, max(NARROWEST, n * LETTERS))}}}" for group, n in table.groups
    )
    rules = "".join(
        rf"\cmidrule(lr){{{start + lead + 1}-{start + lead + n}}}"
        for start, (_, n) in zip(table.starts, table.groups, strict=True)
    )
    sides = ["r" if head.numeric else "l" for head in table.heads]
    lower = " & ".join(_stacked(head.text, LETTERS, side) for head, side in zip(table.heads, sides, strict=True))
    body = "\n\\midrule\n".join("\n".join(_body(metric, rows)) for metric, rows in table.bodies)
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
    """A head broken into lines that fit its columns, where its words allow it."""
    lines = [tex(line) for line in _lines(text, letters)]
    if len(lines) == 1:
        return lines[0]
    stacked = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{stacked}\end{{tabular}}"


def _lines(text: str, letters: int) -> list[str]:
    """Text in lines of `letters` at most; a word stays whole, and an arrow with the word before it."""
    bound = text.replace(" ↓", "\u00a0↓").replace(" ↑", "\u00a0↑")
    return wrap(bound, letters, break_long_words=False, break_on_hyphens=False) or [""]


def _body(metric: str, rows: list[tuple[str, list[Cell]]]) -> list[str]:
    """A line for each row; a block's metric is turned at the left of its middle one."""
    lines = [" & ".join([tex(label), *map(_cell, cells)]) + r" \\" for label, cells in rows]
    turned = rf"\smash{{\rotatebox[origin=c]{{90}}{{{tex(metric)}}}}}"
    return [f"{turned if i == len(lines) // 2 else ''} & {line}" for i, line in enumerate(lines)] if metric else lines


def _cell(cell: Cell) -> str:
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
    "[": "{[}",  # which after a line's end would be a length
    "*": "{*}",
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
    "≠": r"$\neq$",
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
    """Whether LaTeX's default fonts, which come with every installation, have a letter."""
    base, *marks = normalize("NFD", letter)
    accented = letter < "\u0180" and " " <= base <= "~" and all(mark in ACCENTS for mark in marks)
    return accented or letter in "\nßæøœłÆØŒŁ£©"
