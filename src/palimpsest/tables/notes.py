"""Captions and notes of comparisons: data, holes, protocol, metrics, and the runs behind the rows."""

from collections.abc import Iterator, Sequence

from palimpsest.papers.tables import Comparison, Condition, Row, WideTable
from palimpsest.results.measured import NOT_MEASURED, Measured, with_released
from palimpsest.tables.cells import Cells
from palimpsest.tables.context import Context, stand_in
from palimpsest.tables.cost import machine
from palimpsest.tables.votes import vote_notes

Notes = Iterator[tuple[str, str]]  # term, text

INTERVAL = (
    "95 % of the means of 1000 sets of pictures drawn with replacement (percentile bootstrap, fixed seed) lie in it. "
    "Pictures cropped from one photograph are not independent, so it is too narrow where photographs are few."
)


def with_external(measured: Measured, layout: Comparison, data: Sequence[Condition]) -> list[Row]:
    """The rows, released networks among them, then one for each label of external results, where they belong."""
    rows = with_released(layout.rows, data, measured, newer=layout.external)
    if not layout.external:
        return rows
    found: dict[str, str] = {}
    for condition in data:
        found |= measured.external(condition.slot, condition.measured)
    return [*rows, *(Row(label=f"{label} (external)", run=run) for label, run in found.items())]


def caption(context: Context, under: Sequence[Cells]) -> str:
    """The table's number, the data behind ours, and its title."""
    places = dict.fromkeys(f"{cells.pictures.dataset}{'' if cells.same else ' (a stand-in)'}" for cells in under)
    return f"{context.title}, regenerated on {' and '.join(places)}: {context.layout.title}"


def notes(context: Context, under: Sequence[Cells], rows: Sequence[Row]) -> Notes:
    """The notes of a paper's table."""
    yield from context.smoke
    for pictures in dict.fromkeys(cells.pictures for cells in under):
        yield "Data", f"{pictures}; profile {context.measured.profile}."
    for holes, images in dict.fromkeys((cells.holes, cells.pictures.images) for cells in under):
        yield "Holes", f"{holes}, a fixed one for each picture, {images} in all."
    yield from _stand_ins(under)
    yield from _columns(context, under)
    yield "Interval", INTERVAL
    if context.beside:
        yield "On record", context.beside.note
    runs = list(dict.fromkeys(run for row in rows for cells in under if (run := cells.run(row))))
    yield from _seeds(context.measured, runs)
    yield from _runs(context.measured, runs)
    if getattr(context.layout, "timed", []):
        yield from machine(context.measured.benchmark)
    if context.poll:
        yield from vote_notes(context.poll)
    for run in runs:
        if run in context.measured.results and (source := context.measured.runs[run].source):
            yield "External", f"{context.measured.runs[run].label}: {source}."
    for run in runs:
        if run in context.measured.results and (source := context.measured.results[run].source):
            yield "Released", f"{context.measured.runs[run].label}: {source}."


def _stand_ins(under: Sequence[Cells]) -> Notes:
    """Where ours are not measured on the paper's data."""
    for cells in {(cells.condition.slot, cells.condition.dataset): cells for cells in under}.values():
        if cells.pictures is NOT_MEASURED:
            yield "Stand-in", f"Nothing has been measured yet beside the paper's {cells.condition.label}."
        elif not cells.same:
            yield "Stand-in", stand_in(cells.pictures.dataset, cells.condition)


def _columns(context: Context, under: Sequence[Cells]) -> Notes:
    """What the columns measure, and which of ours are compared with the published ones."""
    layout, metrics = context.layout, context.metrics
    if any(cells.same for cells in under):
        compared = "; ".join(
            f"{metrics[c.metric].label}, {group}: {'compared' if c.compares else 'not compared'}, {c.reason}"
            for group, c in layout.columns
        )
        yield "Comparison", f"{compared}."
    yield "Protocol", " ".join(layout.protocol)
    if isinstance(layout, WideTable):
        explained = layout.published_metrics(metrics)
        pairs = [f"{explained[c.published].label}: {metrics[c.metric].label}" for _, c in layout.columns if c.published]
        yield "Blocks", f"our metric under each published one: {'; '.join(pairs)}."
    for group, column in layout.columns:
        yield f"{metrics[column.metric].label}, {group}", metrics[column.metric].definition


def _seeds(measured: Measured, runs: Sequence[str | None]) -> Notes:
    """What ± means, where some run was trained with several seeds."""
    done = [measured.results[run].seeds for run in runs if run in measured.results]
    for several in dict.fromkeys(tuple(seeds) for seeds in done if len(seeds) > 1):
        seeds = f"{', '.join(map(str, several[:-1]))} and {several[-1]}"
        trained = f"mean ± standard deviation over trainings with the seeds {seeds}"
        yield (
            "Seeds",
            f"{trained}; without ±, of one training. The interval is over pictures, of their means over seeds.",
        )


def _runs(measured: Measured, runs: Sequence[str]) -> Notes:
    """The settings of the runs, and the features of their perceptual losses."""
    done = {run: measured.results[run] for run in runs if run in measured.results}
    prints = [f"{run} {done[run].settings[:12] if run in done else measured.why_absent(run)}" for run in runs]
    yield "Settings", f"fingerprint of each run: {', '.join(prints)}."
    for features in dict.fromkeys(result.features for result in done.values() if result.features):
        substitute = "" if features == "vgg19" else ", which stands in for VGG19"
        learned = ", ".join(run for run, result in done.items() if result.features == features)
        yield "Perceptual loss", f"{learned} learned with features of {features.upper()}{substitute}."


def metric_notes(cells: Cells, rows: Sequence[Row]) -> Notes:
    """The notes of a table of every metric."""
    context, measured = cells.context, cells.context.measured
    yield from context.smoke
    yield "Data", f"{cells.pictures}; {cells.holes}; profile {measured.profile}."
    for name, metric in context.metrics.items():
        if metric.of != "raw output":
            yield name, metric.definition
    yield "…_raw", "The metric of the same name on the output before the known pixels are put back."
    yield "Interval", INTERVAL
    yield from _seeds(measured, [cells.run(row) for row in rows])
    missing = {}
    for row in rows:
        if (run := cells.run(row)) in measured.results:
            missing |= measured.results[run].missing
    for name, why in missing.items():
        yield f"Missing {name}", f"{why}."
