"""Tables of what networks are made of and trained with: blocks, settings and parameters, beside the published ones."""

from collections.abc import Iterator

from palimpsest.config.yaml import section
from palimpsest.papers.networks import BlockTable, ParameterTable, SettingTable
from palimpsest.tables.context import Context
from palimpsest.tables.model import NO_NUMBER, Cell, Head, Table


def block_table(context: Context) -> Iterator[Table]:
    """How many blocks of each kind the paper's networks have, and ours."""
    layout: BlockTable = context.layout
    heads = [Head(column.head, text) for column in layout.columns for text in ("published", "ours")]
    rows = []
    for row in layout.rows:
        cells = []
        for column in layout.columns:
            cells.append(context.published(column.head, row.label))
            cells.append(_blocks(context, column.run, column.network, row.block))
        rows.append((row.label, cells))
    notes = [("Protocol", " ".join(layout.protocol))]
    yield Table(context.name, context.caption, heads, rows, notes, corner="block")


def _blocks(context: Context, run: str, network: str, block: str) -> Cell:
    described = context.measured.runs.get(run)
    count = described.blocks.get(network, {}).get(block, 0) if described else None
    return context.counted(run, count, f"{block} in {network} of {run}")


def setting_table(context: Context) -> Iterator[Table]:
    """The paper's settings beside those of our runs."""
    layout: SettingTable = context.layout
    heads = [Head("loss", "part", numeric=False), Head("published", "as printed")]
    heads += [Head("ours, as run", column.head) for column in layout.columns]
    rows = []
    for row in layout.rows:
        published = context.published(layout.method, row.published)
        ours = [_setting(context, column.run, row.setting) for column in layout.columns]
        rows.append((row.label, [Cell(row.group, "data"), published, *ours]))
    notes = [("Protocol", " ".join(layout.protocol))]
    yield Table(context.name, context.caption, heads, rows, notes, corner="weight")


def _setting(context: Context, run: str, setting: str) -> Cell:
    """A setting of a run that has results."""
    if run not in context.measured.results:
        return context.not_yet_run(run)
    value = section(context.measured.runs[run].run, *setting.split("."))
    return Cell(f"{value:g}", "measured", value, about=f"{setting} of {run}", provenance=f"provenance/{run}")


def parameter_table(context: Context) -> Iterator[Table]:
    """What the paper says of the size of its networks beside the parameters that were counted."""
    layout: ParameterTable = context.layout
    scales = {"ours at the paper's scale": "parameters_at_paper_scale"}
    if context.measured.profile != "paper":
        scales[f"ours in profile {context.measured.profile}"] = "parameters"
    claimed = any(row.method for row in layout.rows)
    heads = [Head("generator", "published")] if claimed else []
    heads += [Head(network, scale) for network in layout.networks for scale in scales]
    rows = []
    for row in layout.rows:
        published = context.published(row.method, layout.metric, unit="M") if row.method else NO_NUMBER
        counted = [
            _parameters(context, row.run, scale, network) for network in layout.networks for scale in scales.values()
        ]
        rows.append((row.label, [published, *counted] if claimed else counted))
    yield Table(context.name, context.caption, heads, rows, [("Claim", f"{layout.claim} {layout.remark}")])


def _parameters(context: Context, run: str, scale: str, network: str) -> Cell:
    described = context.measured.runs.get(run)
    count = getattr(described, scale).get(network) if described else None
    return context.counted(run, count, f"{network} of {run}")
