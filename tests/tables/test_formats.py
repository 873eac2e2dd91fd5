"""Every table in every format, read back by parsers that share nothing with what wrote it."""

import csv
import io
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from palimpsest.papers.paper import read_papers
from palimpsest.tables.html import to_html
from palimpsest.tables.latex import tex, to_tex
from palimpsest.tables.model import LEGEND, NO_NUMBER, Cell, Head, Table
from palimpsest.tables.tables import all_tables
from palimpsest.tables.text import to_csv, to_markdown
from reported import FEW, Fake

IRREGULAR = [f"irregular-{low}-{low + 10}-any" for low in (20, 30, 40, 50)]
KINDS = [*FEW, *IRREGULAR, "strokes", "object", "square/pieced", "strokes/pieced"]
MADE = ["crfill", "crfill-baseline", "deepfill-v2", "deepfill-v2-cr", "deepfill-v2-psnet", "nearest-patches"]
MADE += ["tmad-nc1", "gm-srm", "gm-srm-base", "gm-bm"]
AWKWARD = '[Ours](x) & "theirs", 50 % | #1_{x} ~ é λ² $ *a* `b` <i>c</i> \\| d'


@dataclass(frozen=True)
class Read:
    """What one format says: `marks` is none where it has none."""

    corners: list[str]
    heads: list[str]  # group: text
    rows: list[list[str]]  # what heads a row, then its cells
    marks: list[list[str]] | None


def expected(table: Table) -> Read:
    rows = [[*lead, *(cell.text for cell in cells)] for lead, cells in table.lines]
    marks = [[cell.mark for cell in cells] for _, cells in table.rows]
    return Read(table.corners, [f"{head.group}: {head.text}" for head in table.heads], rows, marks)


class Grid(HTMLParser):
    """[(text, mark, columns)] of each row; what is in <small> is left out."""

    def __init__(self, page: str):
        super().__init__()
        self.rows: list[list[list]] = []
        self.cell: list | None = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell = ["", "", int(dict(attributes).get("colspan", 1))]
            self.rows[-1].append(self.cell)
        elif tag in ("b", "u") and self.cell:
            self.cell[1] = {"b": "best", "u": "second"}[tag]
        elif tag == "small":
            self.cell = None

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, text):
        if self.cell:
            self.cell[0] += text


def read_html(page: str, blocked: str = "metric") -> Read:
    (corner, *groups), lower, *lines = Grid(page).rows
    over = [text for text, _, columns in groups for _ in range(columns)]
    heads = [f"{group}: {text}" for group, (text, *_) in zip(over, lower, strict=True)]
    rows, marks, block = [], [], []
    for line in lines:
        if len(line) == 1:
            block = [line[0][0]]
            continue
        rows.append([*block, *(text for text, *_ in line)])
        marks.append([mark for _, mark, _ in line[1:]])
    return Read([*([blocked] if block else []), corner[0]], heads, rows, marks)


def read_csv(text: str, lead: int) -> Read:
    heads, *rows = csv.reader(io.StringIO(text))
    return Read(heads[:lead], heads[lead:], rows, None)


class MarkdownGrid(Grid):
    """The same of a table that came from Markdown; what came alive in a cell stands in its text."""

    def handle_starttag(self, tag, attributes):
        super().handle_starttag("b" if tag == "strong" else tag, attributes)
        if self.cell and tag not in ("td", "th", "strong", "u"):
            self.cell[0] += " " if tag == "br" else f"<{tag}>"


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def read_markdown(text: str, lead: int) -> Read:
    heads, *rows = MarkdownGrid(rendered(text)).rows
    marks = [[mark for _, mark, _ in row[lead:]] for row in rows]
    heads = [head for head, *_ in heads]
    return Read(heads[:lead], heads[lead:], [[cell for cell, *_ in row] for row in rows], marks)


STACKED = re.compile(r"\\begin\{tabular\}\[b\]\{@\{\}[clr]@\{\}\}(.*?)\\end\{tabular\}")
GROUP = re.compile(r"\\multicolumn\{(\d+)\}\{c\}\{(.*)\}")
TURNED = re.compile(r"\\smash\{\\rotatebox\[origin=c\]\{90\}\{(.*)\}\}")
MARKED = re.compile(r"\\(textbf|underline)\{(.*)\}")


def texts_of(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]


def read_tex_page(page: str, lead: int, blocked: str) -> Read:
    """One tabular, whose letters stay as LaTeX writes them."""
    page = STACKED.sub(lambda match: match[1].replace(r" \\ ", " "), page).replace("~", " ")
    top, *blocks = page.split("\\midrule\n")
    upper, rules, lower = top.split("\\toprule\n")[1].splitlines()
    assert rules.startswith(r"\cmidrule")
    groups = [GROUP.fullmatch(text) for text in texts_of(upper) if text]
    over = [match[2] for match in groups for _ in range(int(match[1]))]
    corners = texts_of(lower)[:lead]
    heads = [f"{group}: {text}" for group, text in zip(over, texts_of(lower)[lead:], strict=True)]
    rows, marks = [], []
    for block in blocks:
        lines = [texts_of(line) for line in block.split("\\bottomrule")[0].splitlines()]
        turned = [TURNED.fullmatch(line[0])[1] for line in lines if lead == 2 and line[0]]
        for line in lines:
            cells = [MARKED.fullmatch(cell) for cell in line[lead:]]
            kinds = {"textbf": "best", "underline": "second"}
            marks.append([kinds[match[1]] if match else "" for match in cells])
            bare = [match[2] if match else cell for match, cell in zip(cells, line[lead:], strict=True)]
            rows.append([*turned, line[lead - 1], *bare])
    return Read([corners[-1]] if lead == 1 else [blocked, corners[-1]], heads, rows, marks)


def read_tex(text: str, lead: int, blocked: str = "metric") -> Read:
    """A table's pages side by side."""
    pages = [read_tex_page(page, lead, blocked) for page in text.split("\\begin{table}")[1:]]
    first = pages[0]
    rows = [
        [*lines[0], *(cell for line in lines[1:] for cell in line[lead:])]
        for lines in zip(*(p.rows for p in pages), strict=True)
    ]
    marks = [[mark for line in lines for mark in line] for lines in zip(*(p.marks for p in pages), strict=True)]
    return Read(first.corners, [head for page in pages for head in page.heads], rows, marks)


def in_tex(read: Read) -> Read:
    """The same as LaTeX writes it."""
    heads = [": ".join(map(tex, head.split(": ", 1))) for head in read.heads]
    return replace(
        read, corners=[tex(c) for c in read.corners], heads=heads, rows=[[*map(tex, row)] for row in read.rows]
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory, shards, few_holes) -> list[Table]:
    """Every table of every paper: with results of a dozen runs, of another tool, on the papers' data, without value."""
    fake = Fake(tmp_path_factory.mktemp("formats"), shards, few_holes)
    for run in MADE:
        fake.add(run, kinds=KINDS)
    fake.write("patchmatch", psnr=float("inf"), tv_percent=float("nan"))
    fake.external("theirs", AWKWARD, kinds=KINDS)
    return all_tables(fake.measured)


def test_every_table_of_every_spec_is_there(tables):
    wanted = {f"{name}-{key}" for name, paper in read_papers().items() for key in paper.tables}
    assert wanted <= {table.key for table in tables} and len(tables) > len(wanted)
    shown = {cell.text for table in tables for _, cells in table.rows for cell in cells}
    assert shown >= {"not yet run", "missing", "undefined", "illegible", "did not fit", "–", "∞"}


def test_every_format_says_the_same_texts_heads_and_marks(tables):
    for table in tables:
        lead, wanted = len(table.corners), expected(table)
        assert read_html(to_html(table), table.blocked) == wanted, table.key
        assert read_markdown(to_markdown(table), lead) == wanted, table.key
        assert read_csv(to_csv(table), lead) == replace(wanted, marks=None), table.key
        assert read_tex(to_tex(table), lead, table.blocked) == in_tex(wanted), table.key


def test_the_comparison_sees_another_digit_and_another_mark(tables):
    table = next(table for table in tables if table.key == "deepfill-v1-1")
    assert read_html(to_html(table).replace("18.91", "18.92", 1)) != expected(table)
    assert read_tex(to_tex(table).replace(r"\textbf{18.91}", r"\underline{18.91}"), 1) != in_tex(expected(table))
    assert read_markdown(to_markdown(table).replace("**18.91**", "18.91"), 1) != expected(table)


def test_every_letter_of_the_tables_has_its_latex(tables):
    for table in tables:
        printed = [table.caption, table.legend, *(text for note in table.notes for text in note)]
        printed += [text for head in table.heads for text in (head.group, head.text)]
        printed += [text for lead, cells in table.lines for text in (*lead, *(cell.text for cell in cells))]
        lost = {letter for text in printed for letter in text if tex(letter) == "?" and letter != "?"}
        assert not lost, (table.key, lost)


def small(*cells: Cell, label="Ours", ranked="column") -> Table:
    heads = [Head("ours", str(place)) for place in range(len(cells))]
    return Table("a-1", "A table", heads, [(label, list(cells))], [("Code", "commit abc.")], ranked=ranked)


def test_the_legend_explains_what_occurs_and_nothing_else():
    assert small(Cell("1.0", "measured")).legend == ""
    said = small(Cell("not yet run", "missing"), Cell("2", "measured", mark="best"), ranked="row").legend
    assert said == "bold: the best number of its row; not yet run: the method has no results here yet."
    assert (
        small(NO_NUMBER, label="Theirs (external)").legend
        == f"–: no number to print; (external): {LEGEND['(external)']}."
    )
    for render in (to_html, to_markdown, to_tex):
        assert "no number to print" in render(small(NO_NUMBER))
        assert "no number to print" not in render(small(Cell("1", "measured")))


ALIVE = [
    "<img src=x onerror=alert(1)> & more",
    "[a](b)",
    "![a](b)",
    "`a`",
    "*a* __b__ ~~c~~",
    "a|b",
    "\\",
    "$x$",
    "&lt;",
]
ALIVE += ["# a", "## a", "- a", "+ a", "1. a", "12) a", "> a", "a\n\n# b", r"\|", "[^1]"]


@pytest.mark.parametrize("label", ALIVE)
def test_what_a_label_holds_is_not_alive_in_markdown(label):
    table = replace(small(Cell(label, "measured", mark="best"), label=label), caption=label, notes=[(label, label)])
    read, made, shown = read_markdown(to_markdown(table), 1), rendered(to_markdown(table)), " ".join(label.splitlines())
    assert (read.rows, read.marks) == ([[shown, shown]], [["best"]])
    assert f"<strong>{escape(shown)}</strong>" in made and f"<li>{escape(f'{shown}: {shown}')}</li>" in made


def test_every_word_in_place_of_a_number_is_in_the_legend(tables):
    for table in tables:
        words = {c.text for _, cells in table.rows for c in cells if c.status in ("missing", "illegible", "none")}
        assert all(f"{word}: {LEGEND[word]}" in table.legend for word in words), (table.key, words)


DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_every_table_stands_alone_in_a_paper(tables, tmp_path):
    for table in tables:
        (tmp_path / f"{table.key}.tex").write_text(to_tex(table))
    every = "\n".join(rf"\input{{{table.key}}}\clearpage" for table in tables)
    letters = "".join(letter for letter in map(chr, range(0x20, 0x2300)) if letter.isprintable())
    (tmp_path / "paper.tex").write_text(DOCUMENT % rf"{every}\sloppy {' '.join(map(tex, letters))}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert run.returncode == 0, log[-2000:]
    assert "Overfull" not in log, [line for line in log.splitlines() if "Overfull" in line]
