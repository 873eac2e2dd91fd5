"""Tables: a paper's spec, its published numbers and our results → one model → HTML, LaTeX, CSV and Markdown.

A cell's text is decided once, here, so that no two formats can print different numbers.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from html import escape
from itertools import groupby

from palimpsest.papers import spec
from palimpsest.papers.spec import Column as ColumnSpec
from palimpsest.papers.spec import Condition, Metric, Metrics, Paper, Place, Row, TableSpec, Values
from palimpsest.reporting.results import Measured, Pictures

SMOKE = (
    "Profile tiny trains narrow networks on small pictures, of a handful of photographs, for a short time. Its numbers "
    "prove that the pipeline works and say nothing about the methods."
)


@dataclass(frozen=True)
class Cell:
    """What stands at one place, as printed."""

    text: str
    status: str  # published, measured, difference, data, missing, illegible, none
    number: float | None = None
    mark: str = ""  # best, second
    about: str = ""  # what it is and what it was measured on


NOTHING = Cell("–", "none")


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

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(head, number of columns) of the upper level."""
        return [(group, len(list(heads))) for group, heads in groupby(self.heads, lambda head: head.group)]


@dataclass(frozen=True)
class Context:
    """What every cell of a table may be asked about."""

    paper: str
    number: str
    values: Values
    metrics: Metrics
    measured: Measured


@dataclass(frozen=True)
class Printed:
    """One column: its heads, how a row's cell is had, and the metric by which its cells are ranked."""

    head: Head
    cell: Callable[[Row], Cell]
    metric: Metric | None = None


def all_tables(measured: Measured, commit: str) -> list[Table]:
    """Every table of every paper."""
    metrics, values = spec.read_metrics(), spec.read_values()
    tables = []
    for key in spec.names():
        paper = spec.read_paper(key, metrics, values)
        tables += [paper_table(key, paper, number, metrics, values, measured, commit) for number in paper.tables]
        tables += [parameter_table(key, paper, measured, commit)] if paper.parameters else []
    return tables


def paper_table(
    key: str, paper: Paper, number: str, metrics: Metrics, values: Values, measured: Measured, commit: str
) -> Table:
    """A paper's table in its own order, published and ours beside each other."""
    layout = paper.tables[number]
    context = Context(key, number, values, metrics, measured)
    columns = [column for condition in layout.data for column in _columns(context, layout, condition)]
    grid = [_ranked(column.metric, [column.cell(row) for row in layout.rows]) for column in columns]
    rows = [(row.label, list(cells)) for row, cells in zip(layout.rows, zip(*grid, strict=True), strict=True)]
    return Table(
        key=f"{key}-{number}",
        caption=_caption(paper, number, layout, measured),
        heads=[column.head for column in columns],
        rows=rows,
        notes=list(_notes(context, layout, commit)),
    )


def parameter_table(key: str, paper: Paper, measured: Measured, commit: str) -> Table:
    """The paper's claim about the size of its networks beside the parameters that were counted."""
    layout = paper.parameters
    scales = {"counted at the paper's scale": "parameters_at_paper_scale"}
    if measured.profile != "paper":
        scales[f"counted in profile {measured.profile}"] = "parameters"
    heads = [Head("published", "generator"), *(Head(group, network) for group in scales for network in layout.networks)]
    rows = []
    for row in layout.rows:
        counts = [_count(measured, row.run, scale, network) for scale in scales.values() for network in layout.networks]
        rows.append((row.label, [Cell(row.published, "published") if row.published else NOTHING, *counts]))
    notes = [
        ("Claim", f"{layout.claim} {layout.remark}"),
        ("Legend", LEGEND["none"]),
        ("Code", f"commit {commit}."),
    ]
    return Table(f"{key}-parameters", f"{paper.label}: {layout.title}", heads, rows, notes)


def _count(measured: Measured, run: str, scale: str, network: str) -> Cell:
    if run not in measured.runs:
        return Cell("missing", "missing", about=f"run {run}: not in params.yaml")
    count = getattr(measured.runs[run], scale).get(network)
    return NOTHING if count is None else Cell(f"{count:,}", "measured", count, about=f"{network} of {run}")


def _columns(context: Context, layout: TableSpec, condition: Condition) -> Iterator[Printed]:
    pictures = context.measured.pictures(condition.slot)
    same = pictures.dataset == condition.dataset
    prefix = f"{condition.mask}{' ' + condition.ratio if condition.ratio else ''}: " if len(layout.data) > 1 else ""
    published = f"{prefix}published{'' if same else ' (other data)'}, {condition.label}"
    ours = f"{prefix}ours on {pictures.dataset}"
    for name in layout.published:
        metric = context.metrics[name]
        yield Printed(Head(published, metric.head), lambda row, n=name: _published(context, condition, n, row), metric)
    yield Printed(
        Head(f"{prefix}ours", "measured on", numeric=False), lambda row: _data(context, condition, pictures, row)
    )
    for group in layout.measured:
        for column in group.columns:
            metric = context.metrics[column.metric]
            head = Head(f"{ours}, {group.group}", metric.head)
            yield Printed(head, lambda row, c=column: _measured(context, condition, pictures, c, row), metric)
        for column in group.columns:
            if same and column.compares:
                head = Head(f"{prefix}ours − published, {group.group}", context.metrics[column.metric].head)
                yield Printed(head, lambda row, c=column: _difference(context, condition, pictures, c, row))


def _published(context: Context, condition: Condition, metric: str, row: Row) -> Cell:
    place = (context.paper, context.number, condition.dataset, condition.mask, condition.ratio, row.method, metric)
    value = context.values.get(Place(*place))
    if value is None:
        return Cell("–", "none", about="not in the paper")
    if not value.legible:
        return Cell("illegible", "illegible", about=value.note)
    if not value.text:
        return Cell("–", "none", about=value.note)
    return Cell(value.text, "published", value.number, about=f"published, measured on {condition.label}")


def _data(context: Context, condition: Condition, pictures: Pictures, row: Row) -> Cell:
    """What a row's numbers were measured on, or the run that is missing."""
    run = row.run_on(condition.slot)
    if run is None or run in context.measured.results:
        return Cell(pictures.dataset if run else "–", "data" if run else "none")
    return Cell(f"missing ({run})", "missing", about=f"run {run}: {context.measured.absent.get(run, 'not run')}")


def _measured(context: Context, condition: Condition, pictures: Pictures, column: ColumnSpec, row: Row) -> Cell:
    run = row.run_on(condition.slot)
    if run is None:
        return Cell("–", "none", about=f"no run on {pictures.dataset}")
    value = context.measured.value(run, condition.hole, column.metric)
    if value is None:
        return Cell("missing", "missing", about=f"run {run}: {context.measured.absent.get(run, 'not measured')}")
    if math.isnan(value):
        return Cell("undefined", "missing", about=f"run {run} has no number here")
    text = f"{value:.{context.metrics[column.metric].digits}f}" if math.isfinite(value) else "∞"
    about = f"run {run} on {pictures.dataset}, {condition.hole} holes, mean of {pictures.images} pictures"
    return Cell(text, "measured", value, about=about)


def _difference(context: Context, condition: Condition, pictures: Pictures, column: ColumnSpec, row: Row) -> Cell:
    ours = _measured(context, condition, pictures, column, row)
    theirs = _published(context, condition, column.published, row)
    if ours.number is None:
        return ours
    if theirs.number is None:
        return replace(theirs, status="none")
    digits = context.metrics[column.metric].digits
    difference = ours.number - theirs.number
    text = f"{difference:+.{digits}f}" if math.isfinite(difference) else "∞"
    return Cell(text, "difference", difference, about=f"{ours.about}, less the published {theirs.text}")


def _ranked(metric: Metric | None, cells: list[Cell]) -> list[Cell]:
    """The cells of one column with the best and the second best number marked; numbers that print alike tie."""
    if metric is None:
        return cells
    values = [None if cell.number is None else round(cell.number, metric.digits) for cell in cells]
    order = sorted({value for value in values if value is not None}, reverse=metric.direction == "higher")
    marks = dict(zip(order, ("best", "second"), strict=False))
    return [replace(cell, mark=marks.get(value, "")) for cell, value in zip(cells, values, strict=True)]


def _caption(paper: Paper, number: str, layout: TableSpec, measured: Measured) -> str:
    datasets = [(measured.pictures(condition.slot).dataset, condition.dataset) for condition in layout.data]
    places = dict.fromkeys(ours if ours == theirs else f"{ours} (a stand-in)" for ours, theirs in datasets)
    return f"{paper.label}, Table {number}, regenerated on {' and '.join(places)}: {layout.title}"


LEGEND = {
    "marks": "Bold is the best and underlined the second best number of a column, published and ours each for itself.",
    "none": "– stands where there is no number to print.",
    "missing": "missing stands where the named run has no result under the present settings.",
    "illegible": "illegible marks a published number that the source text scrambles.",
}


def _notes(context: Context, layout: TableSpec, commit: str) -> Iterator[tuple[str, str]]:
    measured, metrics = context.measured, context.metrics
    columns = [(group.group, column) for group in layout.measured for column in group.columns]
    if measured.profile == "tiny":
        yield "Smoke run", SMOKE
    pictures = {condition.slot: measured.pictures(condition.slot) for condition in layout.data}
    for shown in dict.fromkeys(pictures.values()):
        yield "Data", f"{shown}; profile {measured.profile}."
    for hole, images in dict.fromkeys((c.hole, pictures[c.slot].images) for c in layout.data):
        yield "Holes", f"{hole}, a fixed one for each picture, {images} in all."
    for condition in layout.data:
        if (dataset := pictures[condition.slot].dataset) != condition.dataset:
            text = f"{dataset} stands in for the paper's data, {condition.label}: no difference is computed."
            yield "Stand-in", text
        else:
            compared = "; ".join(
                f"{metrics[c.metric].label}, {group}: {'compared' if c.compares else 'not compared'}, {c.reason}"
                for group, c in columns
            )
            yield "Comparison", f"{compared}."
    yield "Protocol", " ".join(layout.protocol)
    for group, column in columns:
        yield f"{metrics[column.metric].label}, {group}", metrics[column.metric].definition
    yield "Legend", " ".join(LEGEND.values())
    runs = dict.fromkeys(run for row in layout.rows for c in layout.data if (run := row.run_on(c.slot)))
    prints = [
        f"{run} {measured.results[run].settings[:12]}"
        if run in measured.results
        else f"{run} {measured.absent.get(run, 'not run')}"
        for run in runs
    ]
    yield "Settings", f"fingerprint of each run: {', '.join(prints)}."
    yield "Code", f"commit {commit}."


def to_html(table: Table) -> str:
    """A fragment: the table in a box that scrolls, its notes under it."""
    upper = "".join(f'<th scope="colgroup" colspan="{n}">{escape(group)}</th>' for group, n in table.groups)
    starts = _starts(table)
    lower = "".join(
        f'<th scope="col"{_html_class("start" if i in starts else "")}>{escape(head.text)}</th>'
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
<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}">
<table>
<caption><span>{escape(table.caption)}</span></caption>
<thead>
<tr><th scope="col" rowspan="2">method</th>{upper}</tr>
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
    return f"<td{_html_class(cell.status, 'start' if starts else '')}{title}>{text}</td>"


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
method & {lower} \\
\midrule
{body}
\bottomrule
\end{{tabular}}}}

\vspace{{1ex}}
\begin{{minipage}}{{\linewidth}}\footnotesize
{notes}
\end{{minipage}}
\end{{table}}
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
    "σ": r"$\sigma$",
    "∞": r"$\infty$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "–": "--",
    "’": "'",
}


def tex(text: str) -> str:
    """Text for LaTeX; a letter that its fonts lack becomes a question mark."""
    return "".join(TEX.get(letter, letter if ord(letter) < 0x180 else "?") for letter in text)


def to_csv(table: Table) -> str:
    """One head line, one line a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", *(f"{head.group}: {head.text}" for head in table.heads)])
    writer.writerows([label, *(cell.text for cell in cells)] for label, cells in table.rows)
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """A table for GitHub; notes as a list."""
    heads = ["method", *(f"{head.group}:<br>{head.text}" for head in table.heads)]
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


def summary(measured: Measured) -> dict:
    """What was run: the profile, and the pictures that stand in each slot."""
    return {"profile": measured.profile, "data": {slot: asdict(measured.pictures(slot)) for slot in measured.slots}}
