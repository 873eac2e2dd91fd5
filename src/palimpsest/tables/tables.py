"""Tables: a paper's spec, its published numbers and our results become one model; a cell's text is decided here."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby

from palimpsest.config.yaml import section
from palimpsest.metrics.aggregate import Aggregate
from palimpsest.papers.metrics import REGIONS, Metric, Metrics, read_metrics
from palimpsest.papers.paper import Paper, read_papers
from palimpsest.papers.tables import (
    Blocks,
    Comparison,
    Condition,
    Hyperparameters,
    Part,
    Row,
    Study,
    TableSpec,
    Timed,
    Timings,
    WideSpec,
)
from palimpsest.papers.tables import Column as ColumnSpec
from palimpsest.papers.values import Place, Values, read_values
from palimpsest.results.measured import NOT_MEASURED, Measured, Pictures, at_hand
from palimpsest.study.polls import (
    Poll,
    published_votes,
    read_polls,
    study_columns,
    study_notes,
    vote_notes,
    votes_column,
)
from palimpsest.tables.cost import DEVICES, claims_table, cost_cell, machine, not_yet_run, timing_table
from palimpsest.tables.formats import NOTHING, Cell, Head, Table, printed

SMOKE = (
    "Profile tiny trains narrow networks on small pictures, of a handful of photographs, for a short time. Its numbers "
    "prove that the pipeline works and say nothing about the methods."
)


@dataclass(frozen=True)
class Context:
    """What every cell of a table may be asked about."""

    paper: str
    label: str  # the paper's
    number: str
    layout: Comparison  # each condition's slot is that whose pictures are shown
    values: Values
    metrics: Metrics
    measured: Measured
    commit: str
    poll: Poll | None = None  # of the study whose votes it has a column of

    @property
    def key(self) -> str:
        return f"{self.paper}-{self.number}"

    def pictures(self, condition: Condition) -> Pictures:
        return self.measured.pictures(condition.slot)

    def same(self, condition: Condition) -> bool:
        """Whether ours are measured on the paper's data."""
        return self.pictures(condition).dataset == condition.own

    def run(self, condition: Condition, row: Row) -> str | None:
        """The run that stands for a row under a condition; none where it was measured on other pictures."""
        run = row.run_on(condition)
        result = self.measured.results.get(run)
        return None if result and result.slot != condition.slot else run


@dataclass(frozen=True)
class Printed:
    """One column: its heads, how a row's cell is had, and the metric by which its cells are ranked."""

    head: Head
    cell: Callable[[Row], Cell]
    metric: Metric | None = None


def all_tables(measured: Measured, commit: str) -> list[Table]:
    """Every table of every paper."""
    metrics, values, polls = read_metrics(), read_values(), read_polls(measured)
    tables = []
    for key, paper in read_papers().items():
        for number, layout in paper.numbered.items():
            match layout:
                case Blocks():
                    tables.append(block_table(key, number, paper, measured, commit))
                case Hyperparameters():
                    tables.append(setting_table(key, number, paper, measured, commit))
                case Study():
                    tables.append(study_table(key, number, paper, polls[f"{key}-{number}"], values, commit))
                case Timings():
                    tables.append(timing_table(key, number, paper, values, measured, commit))
                case _:
                    votes = layout.votes if isinstance(layout, TableSpec) else None
                    poll = polls[f"{key}-{votes.study}"] if votes else None
                    layout = at_hand(layout, measured)
                    tables += compared(
                        Context(key, paper.label, number, layout, values, metrics, measured, commit, poll)
                    )
        tables += [parameter_table(key, paper, measured, commit)] if paper.parameters else []
        tables += [claims_table(key, paper, measured, commit)] if paper.claims else []
    return tables


def compared(context: Context) -> list[Table]:
    """The table of published numbers and ours, and that of every metric where the paper's spec asks for it."""
    if isinstance(context.layout, WideSpec):
        return [wide_table(context)]
    return [paper_table(context), *(every_metric(context) if context.layout.every_metric else [])]


def paper_table(context: Context) -> Table:
    """A paper's table in its own order, published and ours beside each other; results made elsewhere come last."""
    lines = [*context.layout.rows, *_external(context.measured, context.layout.data)]
    columns = list(_columns(context))
    return Table(
        key=context.key,
        caption=_caption(context, context.layout.data),
        heads=[column.head for column in columns],
        rows=_rows(columns, lines),
        notes=list(_notes(context, lines)),
    )


def wide_table(context: Context) -> Table:
    """A paper's wide table: all methods in a block for each metric, a column for each condition."""
    layout = context.layout
    lines = [*layout.rows, *_external(context.measured, layout.data)]
    published = layout.published_metrics(context.metrics)
    blocks = [
        (published.get(column.published, context.metrics[column.metric]).head, list(_block_columns(context, column)))
        for _, column in layout.columns
    ]
    parts = blocks[0][1]
    return Table(
        key=context.key,
        caption=_caption(context, layout.data),
        heads=[column.head for column in chain(*parts)],
        rows=[row for _, columns in blocks for row in _rows(list(chain(*columns)), lines)],
        notes=list(_notes(context, lines)),
        blocks=[(head, len(lines)) for head, _ in blocks],
        parts=[len(part) for part in parts],
        ranked="block",
    )


def _rows(columns: list[Printed], lines: list[Row]) -> list[tuple[str, list[Cell]]]:
    """A row's label and cells, each column ranked."""
    grid = [_ranked(column.metric, [column.cell(row) for row in lines]) for column in columns]
    return [(row.label, list(cells)) for row, cells in zip(lines, zip(*grid, strict=True), strict=True)]


def _external(measured: Measured, data: list[Condition]) -> list[Row]:
    """A row for each label of results made elsewhere under one of the conditions."""
    found: dict[str, dict[str, str]] = {}
    for condition in data:
        for label, name in measured.external(condition.slot, condition.measured).items():
            found.setdefault(label, {})[condition.slot] = name
    return [Row(label=f"{label} (external)", run=slots) for label, slots in found.items()]


def every_metric(context: Context) -> Iterator[Table]:
    """All that was measured of a table's methods, one row a metric, under each condition of the table."""
    layout = context.layout
    for condition in layout.data:
        pictures = context.pictures(condition)
        lines = [*layout.rows, *_external(context.measured, [condition])]
        lines = [row for row in lines if context.run(condition, row)]
        rows = []
        for region, words in REGIONS.items():
            for name, metric in context.metrics.items():
                if metric.of == region:
                    cells = [_measured(context, condition, pictures, name, row) for row in lines]
                    about = [Cell(words, "data"), Cell(name, "data")]
                    rows.append((metric.head, about + _ranked(metric, cells)))
        ours = f"ours on {pictures.dataset}, {_holes(condition)}"
        apart = f"-{condition.slot}-{condition.measured.replace('/', '-')}" if len(layout.data) > 1 else ""
        yield Table(
            key=f"{context.key}-every-metric{apart}",
            caption=f"{_caption(context, [condition])}, every metric",
            heads=[Head("metric", "of", False), Head("metric", "id", False), *(Head(ours, row.label) for row in lines)],
            rows=rows,
            notes=list(_metric_notes(context, condition, lines)),
            corner="name",
            parts=[2 + len(lines)],
            ranked="row",
        )


def _metric_notes(context: Context, condition: Condition, lines: list[Row]) -> Iterator[tuple[str, str]]:
    measured = context.measured
    if measured.profile == "tiny":
        yield "Smoke run", SMOKE
    yield "Data", f"{measured.pictures(condition.slot)}; {_holes(condition)}; profile {measured.profile}."
    for name, metric in context.metrics.items():
        if metric.of != "raw output":
            yield name, metric.definition
    yield "…_raw", "The metric of the same name on the output before the known pixels are put back."
    yield "Interval", INTERVAL
    missing = {}
    for row in lines:
        if (run := context.run(condition, row)) in measured.results:
            missing |= measured.results[run].missing
    for name, why in missing.items():
        yield f"Missing {name}", f"{why}."
    yield "Code", f"commit {context.commit}."


def study_table(key: str, number: str, paper: Paper, poll: Poll, values: Values, commit: str) -> Table:
    """A paper's table of votes, and ours."""
    columns = [Printed(*column) for column in study_columns(key, number, poll, values)]
    smoke = [("Smoke run", SMOKE)] if poll.measured.profile == "tiny" else []
    notes = [
        *smoke,
        *study_notes(poll),
        ("Code", f"commit {commit}."),
    ]
    return Table(
        key=f"{key}-{number}",
        caption=f"{paper.label}, Table {number}, held on {poll.datasets}{poll.stand_in}: {poll.study.title}",
        heads=[column.head for column in columns],
        rows=_rows(columns, poll.study.rows),
        notes=notes,
    )


def block_table(key: str, number: str, paper: Paper, measured: Measured, commit: str) -> Table:
    """How many blocks of each kind the paper's networks have, and ours."""
    layout = paper.blocks[number]
    heads = [Head(group, column.head) for group in ("published", "counted") for column in layout.columns]
    rows = []
    for row in layout.rows:
        published = [Cell(str(count), "published", count) for count in row.published]
        rows.append((row.label, published + [_blocks(measured, column, row.block) for column in layout.columns]))
    notes = [("Protocol", " ".join(layout.protocol)), ("Code", f"commit {commit}.")]
    return Table(f"{key}-{number}", f"{paper.label}, Table {number}: {layout.title}", heads, rows, notes, "block")


def _blocks(measured: Measured, column: Part, block: str) -> Cell:
    if column.run not in measured.runs:
        return not_yet_run(measured, column.run)
    count = measured.runs[column.run].blocks.get(column.network, {}).get(block, 0)
    about = f"{block} in {column.network} of {column.run}"
    return Cell(str(count), "measured", count, about=about, provenance=f"provenance/{column.run}")


def setting_table(key: str, number: str, paper: Paper, measured: Measured, commit: str) -> Table:
    """The paper's settings beside those under which our runs ran."""
    layout = paper.hyperparameters[number]
    heads = [Head("loss", "part", numeric=False), Head("published", "as printed")]
    heads += [Head("ours, as run", column.head) for column in layout.columns]
    rows = []
    for row in layout.rows:
        ours = [_setting(measured, column.run, row.setting) for column in layout.columns]
        rows.append((row.label, [Cell(row.group, "data"), Cell(row.published, "published"), *ours]))
    notes = [("Protocol", " ".join(layout.protocol)), ("Code", f"commit {commit}.")]
    return Table(f"{key}-{number}", f"{paper.label}, Table {number}: {layout.title}", heads, rows, notes, "weight")


def _setting(measured: Measured, run: str, setting: str) -> Cell:
    """A setting of a run whose results are at hand."""
    if run not in measured.results:
        return not_yet_run(measured, run)
    value = section(measured.runs[run].run, *setting.split("."))
    return Cell(f"{value:g}", "measured", value, about=f"{setting} of {run}", provenance=f"provenance/{run}")


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
    notes = [("Claim", f"{layout.claim} {layout.remark}"), ("Code", f"commit {commit}.")]
    return Table(f"{key}-parameters", f"{paper.label}: {layout.title}", heads, rows, notes)


def _count(measured: Measured, run: str, scale: str, network: str) -> Cell:
    if run not in measured.runs:
        return not_yet_run(measured, run)
    count = getattr(measured.runs[run], scale).get(network)
    if count is None:
        return NOTHING
    return Cell(f"{count:,}", "measured", count, about=f"{network} of {run}", provenance=f"provenance/{run}")


def _columns(context: Context) -> Iterator[Printed]:
    """Under each condition published and ours; before a slot's first, what ours was measured on; votes at the end."""
    layout = context.layout
    told = set()
    for condition in layout.data:
        pictures = context.pictures(condition)
        mask = f"{condition.mask}{' ' + condition.ratio if condition.ratio else ''}"
        prefix = f"{mask}: " if len(layout.data) > 1 else ""
        published = f"{prefix}{_published_on(context, condition)}"
        ours = f"{prefix}ours on {pictures.dataset}"
        if condition.slot not in told:
            told.add(condition.slot)
            yield Printed(MEASURED_ON, partial(_data, context, condition, pictures))
        for name, metric in layout.published_metrics(context.metrics).items():
            head = Head(published, metric.head)
            yield Printed(head, partial(_published, context, condition, name), metric)
        for group in layout.measured:
            for column in group.columns:
                metric = context.metrics[column.metric]
                head = Head(f"{ours}, {group.group}", metric.head)
                yield Printed(head, partial(_measured, context, condition, pictures, column.metric), metric)
            for column in group.columns:
                if context.same(condition) and column.compares:
                    head = Head(f"{prefix}ours − published, {group.group}", context.metrics[column.metric].head)
                    yield Printed(head, partial(_difference, context, condition, pictures, column))
    for timed in layout.timed:
        head = Head(f"ours, seconds on a {DEVICES[timed.device]} ↓", f"{timed.size} px")
        yield Printed(head, partial(_seconds, context, timed))
    if votes := layout.votes:
        at = (context.paper, context.number, votes.dataset, "", "")
        published = partial(published_votes, context.values, at, votes.metric)
        yield Printed(Head("user study", f"{votes.label}, published"), published)
        yield Printed(*votes_column(context.poll))


MEASURED_ON = Head("ours", "measured on", numeric=False)


def _published_on(context: Context, condition: Condition) -> str:
    return f"published{'' if context.same(condition) else ' (other data)'}, {condition.label}"


def _block_columns(context: Context, column: ColumnSpec) -> Iterator[list[Printed]]:
    """One metric's columns, those of one data set together: published, ours and what is between them.

    Ours stand once where several conditions share slot and holes, after the last of them.
    """
    layout, metric = context.layout, context.metrics[column.metric]
    published = layout.published_metrics(context.metrics).get(column.published)
    last = {(condition.slot, condition.measured): condition for condition in layout.data}
    for _, of_one in groupby(layout.data, lambda condition: condition.dataset):
        conditions, found = list(of_one), []
        for condition in conditions:
            head = Head(_published_on(context, condition), _short(condition))
            found.append(Printed(head, partial(_published, context, condition, column.published), published))
        ours = [c for c in conditions if last[c.slot, c.measured] is c]
        for condition in ours[:1]:
            found.append(Printed(MEASURED_ON, partial(_data, context, condition, context.pictures(condition))))
        for condition in ours:
            pictures = context.pictures(condition)
            head = Head(f"ours on {pictures.dataset}", _short(condition))
            found.append(Printed(head, partial(_measured, context, condition, pictures, column.metric), metric))
        for condition in ours:
            if context.same(condition):
                head = Head(f"ours − published, {condition.label}", _short(condition))
                found.append(Printed(head, partial(_compared, context, condition, column)))
        yield found


def _short(condition: Condition) -> str:
    """What tells a condition from the others of its data."""
    return condition.ratio or condition.mask


def _compared(context: Context, condition: Condition, column: ColumnSpec, row: Row) -> Cell:
    """The difference; none where the two do not measure the same."""
    if not column.compares:
        return replace(NOTHING, about=f"not compared: {column.reason}")
    return _difference(context, condition, context.pictures(condition), column, row)


def _seconds(context: Context, timed: Timed, row: Row) -> Cell:
    """Of one run; results made elsewhere were not timed here."""
    if not isinstance(row.run, str):
        return NOTHING
    return cost_cell(context.measured, row.run, timed.device, timed.size, "seconds")


def _holes(condition: Condition) -> str:
    """What is measured under a condition, in words."""
    return f"{condition.hole} holes{', pictures pieced from reference patches' if condition.pieced else ''}"


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
    """What a row's numbers were measured on, or that it was not yet run."""
    run = context.run(condition, row)
    if run is None:
        return NOTHING
    if run in context.measured.results:
        source = context.measured.runs[run].source
        return Cell(pictures.dataset, "external" if source else "data", about=source and f"made elsewhere: {source}")
    return not_yet_run(context.measured, run)


def _measured(context: Context, condition: Condition, pictures: Pictures, metric: str, row: Row) -> Cell:
    run = context.run(condition, row)
    if run is None:
        return Cell("–", "none", about=f"no run on {pictures.dataset}")
    if run not in context.measured.results:
        return not_yet_run(context.measured, run)
    found = context.measured.aggregate(run, condition.measured, metric)
    if found is None:
        return Cell("missing", "missing", about=f"run {run}: {context.measured.why_missing(run, metric)}")
    if math.isnan(found.mean):
        return Cell("undefined", "missing", about=f"run {run} has no number here")
    source = context.measured.runs[run].source
    who = f"{run}, made elsewhere ({source})," if source else f"run {run}"
    about = f"{who} on {pictures.dataset}, {_holes(condition)}, {_counted(found)}"
    digits = context.metrics[metric].digits
    interval = "" if found.low is None else f"[{printed(found.low, digits)}, {printed(found.high, digits)}]"
    return Cell(
        printed(found.mean, digits),
        "external" if source else "measured",
        found.mean,
        about=about,
        interval=f"{interval} n = {found.count}".strip(),
        provenance=f"provenance/{run}/{condition.measured}/{metric}",
    )


def _counted(found: Aggregate) -> str:
    kind = "mean of" if found.low is not None else "one number for a set of"
    less = f", {found.undefined} more have none" if found.undefined else ""
    return f"{kind} {found.count} pictures{less}"


def _difference(context: Context, condition: Condition, pictures: Pictures, column: ColumnSpec, row: Row) -> Cell:
    ours = _measured(context, condition, pictures, column.metric, row)
    theirs = _published(context, condition, column.published, row)
    if ours.number is None:
        return ours
    if theirs.number is None:
        return replace(theirs, status="none")
    digits = context.metrics[column.metric].digits
    difference = ours.number - theirs.number
    text = f"{difference:+.{digits}f}" if math.isfinite(difference) else "∞"
    about = f"{ours.about}, less the published {theirs.text}"
    return Cell(text, "difference", difference, about=about, provenance=ours.provenance)


def _ranked(metric: Metric | None, cells: list[Cell]) -> list[Cell]:
    """The cells of one column with the best and the second best number marked; numbers that print alike tie.

    None is marked where others cannot be read, which may be better.
    """
    if metric is None or metric.direction == "none" or any(cell.status == "illegible" for cell in cells):
        return cells
    values = [_as_printed(cell, metric) for cell in cells]
    order = sorted({value for value in values if value is not None}, reverse=metric.direction == "higher")
    marks = dict(zip(order, ("best", "second"), strict=False))
    return [replace(cell, mark=marks.get(value, "")) for cell, value in zip(cells, values, strict=True)]


def _as_printed(cell: Cell, metric: Metric) -> float | None:
    """The number that a cell shows: a published one has the paper's own digits."""
    if cell.number is None or cell.status == "published":
        return cell.number
    return round(cell.number, metric.digits)


def _caption(context: Context, data: list[Condition]) -> str:
    places = dict.fromkeys(f"{context.pictures(c).dataset}{'' if context.same(c) else ' (a stand-in)'}" for c in data)
    return f"{context.label}, Table {context.number}, regenerated on {' and '.join(places)}: {context.layout.title}"


INTERVAL = (
    "95 % of the means of 1000 sets of pictures drawn with replacement (percentile bootstrap, fixed seed) lie in it; "
    "pictures cut from one photograph are not independent, so it is too narrow where photographs are few."
)


def _notes(context: Context, lines: list[Row]) -> Iterator[tuple[str, str]]:
    layout, measured, metrics = context.layout, context.measured, context.metrics
    if measured.profile == "tiny":
        yield "Smoke run", SMOKE
    pictures = {condition.slot: measured.pictures(condition.slot) for condition in layout.data}
    for shown in dict.fromkeys(pictures.values()):
        yield "Data", f"{shown}; profile {measured.profile}."
    for holes, images in dict.fromkeys((_holes(c), pictures[c.slot].images) for c in layout.data):
        yield "Holes", f"{holes}, a fixed one for each picture, {images} in all."
    for condition in {(c.slot, c.dataset): c for c in layout.data}.values():
        if pictures[condition.slot] is NOT_MEASURED:
            yield "Stand-in", f"Nothing was measured yet beside the paper's {condition.label}."
        elif not context.same(condition):
            ours = pictures[condition.slot].dataset
            text = f"{ours} stands in for the paper's data, {condition.label}: no difference is computed."
            yield "Stand-in", text
    if any(context.same(condition) for condition in layout.data):
        compared = "; ".join(
            f"{metrics[c.metric].label}, {group}: {'compared' if c.compares else 'not compared'}, {c.reason}"
            for group, c in layout.columns
        )
        yield "Comparison", f"{compared}."
    yield "Protocol", " ".join(layout.protocol)
    if isinstance(layout, WideSpec):
        explained = layout.published_metrics(metrics)
        pairs = [f"{explained[c.published].label}: {metrics[c.metric].label}" for _, c in layout.columns if c.published]
        yield "Blocks", f"what ours is under each published metric: {'; '.join(pairs)}."
    for group, column in layout.columns:
        yield f"{metrics[column.metric].label}, {group}", metrics[column.metric].definition
    yield "Interval", INTERVAL
    runs = dict.fromkeys(run for row in lines for c in layout.data if (run := context.run(c, row)))
    prints = [
        f"{run} {measured.results[run].settings[:12]}"
        if run in measured.results
        else f"{run} {measured.absent.get(run, 'not yet run')}"
        for run in runs
    ]
    yield "Settings", f"fingerprint of each run: {', '.join(prints)}."
    readers = {run: measured.results[run].features for run in runs if run in measured.results}
    for features in dict.fromkeys(filter(None, readers.values())):
        stand_in = "" if features == "vgg19" else ", which stands in for VGG19"
        learned = ", ".join(run for run, read in readers.items() if read == features)
        yield "Perceptual loss", f"{learned} learned with features of {features.upper()}{stand_in}."
    if isinstance(layout, TableSpec) and layout.timed:
        yield from machine(measured.benchmark)
    if context.poll:
        yield from vote_notes(context.poll)
    for run in runs:
        if run in measured.results and (source := measured.runs[run].source):
            yield "External", f"{measured.runs[run].label}: {source}."
    yield "Code", f"commit {context.commit}."
