"""Tables of cost: seconds, memory, parameters and multiply-adds of this machine beside what the papers print."""

from collections.abc import Callable, Iterator

from palimpsest.papers.networks import Claim, ClaimTable, CostClaim, TimedRow, TimingTable
from palimpsest.results.benchmark import Benchmark, Passes
from palimpsest.results.scaling import power, shared_sizes
from palimpsest.tables.columns import FilledColumn, fill
from palimpsest.tables.context import DEVICES, Context
from palimpsest.tables.model import Cell, Head, Table

EXPONENT = (
    "The slope of a straight line through the logarithms of the median seconds on the CPU and of the number of pixels "
    "N, over the sizes at which every row was measured: seconds grow as N to this power."
)


def timing_table(context: Context) -> Iterator[Table]:
    """A paper's table of speed: its seconds, then seconds, memory and counts of this machine."""
    layout: TimingTable = context.layout
    columns = list(_timings(context))
    yield Table(
        key=context.name,
        caption=f"{context.title}, measured again: {layout.title}",
        heads=[column.head for column in columns],
        rows=fill(columns, layout.rows),
        notes=[("Protocol", " ".join(layout.protocol)), *machine(context.measured.benchmark), ("Exponent", EXPONENT)],
    )


def _timings(context: Context) -> Iterator[FilledColumn]:
    """Complexity; for each device and size published seconds and ours; then memory and counts."""
    layout: TimingTable = context.layout
    measured, benchmark = context.measured, context.measured.benchmark
    devices, counted = (benchmark.devices, benchmark.sizes) if benchmark else ((), ())
    shared = shared_sizes([measured.architecture(row.run) for row in layout.rows], "cpu")

    def ours(cell: Callable[..., Cell], *of: object) -> Callable[[TimedRow], Cell]:
        return lambda row: cell(context, row.run, *of)

    def published(metric: str) -> Callable[[TimedRow], Cell]:
        return lambda row: context.published(row.method, metric, lack="did not fit")

    yield FilledColumn(Head("complexity", "published", numeric=False), lambda row: Cell(row.complexity, "published"))
    for device, name in DEVICES.items():
        printed = {timed.size: timed.metric for timed in layout.published if timed.device == device}
        for size in _sizes(benchmark, layout, device):
            group = f"seconds on a {name}, {size} px ↓"
            if size in printed:
                yield FilledColumn(Head(group, "published"), published(printed[size]))
            yield FilledColumn(Head(group, "ours"), ours(cost_cell, device, size, "seconds"))
    for device in devices:
        for size in counted:
            head = Head(f"peak memory on a {DEVICES[device]} (MiB) ↓", f"ours, {size} px")
            yield FilledColumn(head, ours(cost_cell, device, size, "peak_mib"))
    for size in counted:
        yield FilledColumn(Head("multiply-adds (10⁹) ↓", f"ours, {size} px"), ours(_multiply_adds, size))
    yield FilledColumn(Head("parameters", "ours"), ours(_parameters))
    yield FilledColumn(Head("exponent of N", "ours"), ours(_exponent, shared))


def _sizes(benchmark: Benchmark | None, layout: TimingTable, device: str) -> list[int]:
    """The sizes that the paper or this machine measured on a device."""
    measured = set(benchmark.sizes) if benchmark and device in benchmark.devices else set()
    return sorted(measured | {timed.size for timed in layout.published if timed.device == device})


def machine(benchmark: Benchmark | None) -> Iterator[tuple[str, str]]:
    """The note on the machine that measured seconds and memory, and how."""
    if benchmark is None:
        yield "Machine", "not measured: `dvc repro benchmark` makes it."
        return
    devices = " and ".join(benchmark.on(device) for device in benchmark.devices)
    versions = ", ".join(f"{name} {version}" for name, version in benchmark.versions.items())
    yield (
        "Machine",
        f"{devices}; {versions}. One picture at a time, networks at the paper's scale with random weights, "
        f"architectures in turn, median of {benchmark.rounds} passes after one to warm up. Memory is the peak of "
        "weights and one pass, in a process of its own.",
    )


def cost_cell(context: Context, run: str, device: str, size: int, what: str) -> Cell:
    """One quantity of a run's architecture on a device."""
    measured = context.measured
    found = measured.architecture(run)
    if found is None:
        return _unmeasured(context, run)
    passes = found.measured.get(device, {}).get(str(size))
    if passes is None:
        return Cell("missing", "missing", about=f"{size} px was not measured on a {DEVICES[device]} here")
    about = f"{run} at {size} px on {measured.benchmark.on(device)}"
    if isinstance(passes, str):
        return Cell(passes, "missing", about=about)
    about += f"; fastest pass {passes.fastest:.3f} s"
    if what != "peak_mib" and not steady(passes):
        about += f", median {passes.seconds:.3f} s"
        return Cell("unsteady", "missing", about=about, provenance=f"provenance/{run}")
    number = 1 / passes.seconds if what == "frames_per_second" else getattr(passes, what)
    digits = {"seconds": 3, "frames_per_second": 2, "peak_mib": 0}[what]
    return Cell(f"{number:.{digits}f}", "measured", number, about=about, provenance=f"provenance/{run}")


UNSTEADY = 1.5  # times the fastest pass


def steady(passes: Passes) -> bool:
    """Whether the median of passes is near the fastest; on a busy machine it is not."""
    return passes.seconds <= UNSTEADY * passes.fastest


def _unmeasured(context: Context, run: str) -> Cell:
    if run not in context.measured.runs:
        return context.not_yet_run(run)
    return Cell("missing", "missing", about=f"run {run}: its speed is not measured yet")


def _parameters(context: Context, run: str) -> Cell:
    """The parameters of the networks that fill a hole."""
    found = context.measured.architecture(run)
    if found is None:
        return _unmeasured(context, run)
    about = f"in the networks of {run} that fill a hole"
    return Cell(f"{found.parameters:,}", "measured", found.parameters, about=about, provenance=f"provenance/{run}")


def _multiply_adds(context: Context, run: str, size: int) -> Cell:
    found = context.measured.architecture(run)
    if found is None:
        return _unmeasured(context, run)
    if str(size) not in found.multiply_adds:
        return Cell("missing", "missing", about=f"{run} does not fit at {size} px here")
    count = found.multiply_adds[str(size)] / 1e9
    about = f"convolutions and matrix products of {run} at {size} px"
    return Cell(f"{count:.1f}", "measured", count, about=about, provenance=f"provenance/{run}")


def _exponent(context: Context, run: str, sizes: list[int]) -> Cell:
    found = context.measured.architecture(run)
    if found is None or len(sizes) < 2:
        return Cell("missing", "missing", about="it takes at least two sizes at which every row was measured")
    seconds = found.seconds("cpu")
    about = f"{run} on the CPU, {sizes[0]} to {sizes[-1]} px"
    if not all(steady(found.measured["cpu"][str(size)]) for size in sizes):
        return Cell("unsteady", "missing", about=about, provenance=f"provenance/{run}")
    slope = power(sizes, [seconds[size] for size in sizes])
    return Cell(f"{slope:.2f}", "measured", slope, about=about, provenance=f"provenance/{run}")


UNITS = {"seconds": "s", "frames_per_second": "frames / s", "memory_saved": "% less", "parameters": "M"}


def claims_table(context: Context) -> Iterator[Table]:
    """What a paper's text says of speed and size beside our measurement."""
    layout: ClaimTable = context.layout
    heads = [
        Head("published", "as printed"),
        Head("ours", "measured"),
        Head("ours", "unit", numeric=False),
        Head("ours", "at", numeric=False),
        Head("ours", "on", numeric=False),
    ]
    yield Table(
        key=context.name,
        caption=context.caption,
        heads=heads,
        rows=[(claim.claim, claim_cells(context, claim)) for claim in layout.rows],
        notes=list(machine(context.measured.benchmark)),
        corner="claim",
    )


def claim_cells(context: Context, claim: Claim) -> list[Cell]:
    """Published, ours, its unit, the size of the picture and the device."""
    published = context.published(context.layout.method, claim.published, unit=UNITS[claim.quantity])
    if not isinstance(claim, CostClaim):
        return [published, _parameters(context, claim.run), *(Cell(text, "data") for text in ("", "–", "–"))]
    benchmark = context.measured.benchmark
    where = benchmark.on(claim.device) if benchmark and claim.device in benchmark.devices else "–"
    words = (UNITS[claim.quantity], f"{claim.size} × {claim.size} px", where)
    return [published, _cost(context, claim), *(Cell(text, "data") for text in words)]


def _cost(context: Context, claim: CostClaim) -> Cell:
    if claim.quantity != "memory_saved":
        return cost_cell(context, claim.run, claim.device, claim.size, claim.quantity)
    ours, other = (cost_cell(context, run, claim.device, claim.size, "peak_mib") for run in (claim.run, claim.against))
    if ours.number is None or other.number is None:
        return ours if ours.number is None else other
    saved = 100 * (1 - ours.number / other.number)
    about = f"{ours.about}, against {other.about}"
    return Cell(f"{saved:.0f}", "measured", saved, about=about, provenance=ours.provenance)
