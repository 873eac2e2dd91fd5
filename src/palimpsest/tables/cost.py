"""Tables of cost: seconds, memory, parameters and multiply-adds of this machine beside what the papers print."""

from collections.abc import Iterator

from palimpsest.papers.paper import Paper
from palimpsest.papers.tables import Claim, Timings
from palimpsest.papers.values import Place, Values
from palimpsest.results.measured import Benchmark, Measured
from palimpsest.results.scaling import power, shared_sizes
from palimpsest.tables.formats import NOTHING, Cell, Head, Table

DEVICES = {"cpu": "CPU", "cuda": "GPU"}


def timing_table(key: str, number: str, paper: Paper, values: Values, measured: Measured, commit: str) -> Table:
    """A paper's table of speed: its seconds, then seconds, memory and counts of this machine."""
    layout, benchmark = paper.timings[number], measured.benchmark
    heads = [Head("published", "complexity", numeric=False)]
    heads += [Head("published", f"{DEVICES[timed.device]}, {timed.size} px (s) ↓") for timed in layout.published]
    sizes = {device: _sizes(benchmark, layout, device) for device in DEVICES}
    for device, name in DEVICES.items():
        heads += [Head(f"ours, seconds on a {name} ↓", f"{size} px") for size in sizes[device]]
    counted = benchmark.sizes if benchmark else []
    for device in benchmark.devices if benchmark else []:
        heads += [Head(f"ours, peak memory on a {DEVICES[device]} (MiB) ↓", f"{size} px") for size in counted]
    heads += [Head("ours, multiply-adds (10⁹) ↓", f"{size} px") for size in counted]
    heads += [Head("ours", "parameters"), Head("ours", "exponent of N")]
    rows, shared = [], shared_sizes([measured.architecture(row.run) for row in layout.rows], "cpu")
    for row in layout.rows:
        published = [values.get(Place(key, number, "", "", "", row.method, t.metric)) for t in layout.published]
        cells = [Cell(row.complexity, "published")]
        cells += [
            Cell(v.text or "did not fit", "published", v.number, about=v.note) if v else NOTHING for v in published
        ]
        cells += [cost_cell(measured, row.run, d, size, "seconds") for d in DEVICES for size in sizes[d]]
        devices = benchmark.devices if benchmark else []
        cells += [cost_cell(measured, row.run, d, size, "peak_mib") for d in devices for size in counted]
        cells += [_operations(measured, row.run, size) for size in counted]
        cells += [_filling(measured, row.run), _exponent(measured, row.run, shared)]
        rows.append((row.label, cells))
    notes = [("Protocol", " ".join(layout.protocol)), *machine(benchmark)]
    notes += [("Exponent", EXPONENT), ("Code", f"commit {commit}.")]
    return Table(
        f"{key}-{number}", f"{paper.label}, Table {number}, measured again: {layout.title}", heads, rows, notes
    )


EXPONENT = (
    "The slope of a straight line through the logarithms of median seconds on the CPU and of the number of pixels N, "
    "over the sizes that every row was measured at: seconds grow as N to this power."
)


def _sizes(benchmark: Benchmark | None, layout: Timings, device: str) -> list[int]:
    """The sizes that the paper or this machine measured on a device."""
    measured = set(benchmark.sizes) if benchmark and device in benchmark.devices else set()
    return sorted(measured | {timed.size for timed in layout.published if timed.device == device})


def machine(benchmark: Benchmark | None) -> Iterator[tuple[str, str]]:
    if benchmark is None:
        yield "Machine", "not measured: `dvc repro benchmark` makes it."
        return
    devices = " and ".join(benchmark.on(device) for device in benchmark.devices)
    versions = ", ".join(f"{name} {version}" for name, version in benchmark.versions.items())
    yield (
        "Machine",
        f"{devices}; {versions}; one picture at a time, networks at the paper's scale with random weights, "
        f"architectures in turns, median of {benchmark.rounds} passes after one that warms up; memory is what weights "
        f"and a pass take at their highest, in a process of its own.",
    )


def cost_cell(measured: Measured, run: str, device: str, size: int, what: str) -> Cell:
    """One quantity of a run's architecture on a device."""
    found = measured.architecture(run)
    if found is None:
        return _unmeasured(measured, run)
    values = found.measured.get(device, {}).get(str(size))
    if values is None:
        return Cell("missing", "missing", about=f"{size} px was not measured on a {DEVICES[device]} here")
    about = f"{run} at {size} px on {measured.benchmark.on(device)}"
    if isinstance(values, str):
        return Cell(values, "missing", about=about)
    about += f"; fastest pass {values['fastest']:.3f} s"
    if what != "peak_mib" and not steady(values):
        about += f", median {values['seconds']:.3f} s"
        return Cell("unsteady", "missing", about=about, provenance=f"provenance/{run}")
    number = 1 / values["seconds"] if what == "frames_per_second" else values[what]
    digits = {"seconds": 3, "frames_per_second": 2, "peak_mib": 0}[what]
    return Cell(f"{number:.{digits}f}", "measured", number, about=about, provenance=f"provenance/{run}")


UNSTEADY = 1.5  # times the fastest pass


def steady(values: dict[str, float]) -> bool:
    """Whether the median of passes is near the fastest; on a busy machine it is not."""
    return values["seconds"] <= UNSTEADY * values["fastest"]


def not_yet_run(measured: Measured, run: str) -> Cell:
    """Of a method without results."""
    return Cell("not yet run", "missing", about=f"run {run}: {measured.absent.get(run, 'not in params.yaml')}")


def _unmeasured(measured: Measured, run: str) -> Cell:
    if run not in measured.runs:
        return not_yet_run(measured, run)
    return Cell("missing", "missing", about=f"run {run}: its speed is not measured yet")


def _filling(measured: Measured, run: str) -> Cell:
    """The parameters of what fills a hole."""
    found = measured.architecture(run)
    if found is None:
        return _unmeasured(measured, run)
    about = f"of what fills a hole in {run}"
    return Cell(f"{found.parameters:,}", "measured", found.parameters, about=about, provenance=f"provenance/{run}")


def _operations(measured: Measured, run: str, size: int) -> Cell:
    found = measured.architecture(run)
    if found is None:
        return _unmeasured(measured, run)
    if str(size) not in found.multiply_adds:
        return Cell("missing", "missing", about=f"{run} does not fit at {size} px here")
    count = found.multiply_adds[str(size)] / 1e9
    about = f"convolutions and matrix products of {run} at {size} px"
    return Cell(f"{count:.1f}", "measured", count, about=about, provenance=f"provenance/{run}")


def _exponent(measured: Measured, run: str, sizes: list[int]) -> Cell:
    found = measured.architecture(run)
    if found is None or len(sizes) < 2:
        return Cell("missing", "missing", about="it needs two sizes or more at which every row was measured")
    seconds = found.seconds("cpu")
    about = f"{run} on the CPU, {sizes[0]} to {sizes[-1]} px"
    if not all(steady(found.measured["cpu"][str(size)]) for size in sizes):
        return Cell("unsteady", "missing", about=about, provenance=f"provenance/{run}")
    slope = power(sizes, [seconds[size] for size in sizes])
    return Cell(f"{slope:.2f}", "measured", slope, about=about, provenance=f"provenance/{run}")


def claims_table(key: str, paper: Paper, measured: Measured, commit: str) -> Table:
    """What a paper's text says of speed and size beside our measurement."""
    heads = [
        Head("published", "as printed"),
        Head("ours", "measured"),
        Head("ours", "unit", numeric=False),
        Head("ours", "at", numeric=False),
        Head("ours", "on", numeric=False),
    ]
    rows = [(claim.claim, _claim(measured, claim)) for claim in paper.claims]
    notes = [*machine(measured.benchmark), ("Code", f"commit {commit}.")]
    return Table(f"{key}-claims", f"{paper.label}: what its text says of speed and size", heads, rows, notes, "claim")


def _saved(cell: Cell, other: Cell) -> Cell:
    """How many percent less memory the first takes."""
    if cell.number is None or other.number is None:
        return cell if cell.number is None else other
    saved = 100 * (1 - cell.number / other.number)
    return Cell(
        f"{saved:.0f}", "measured", saved, about=f"{cell.about}, against {other.about}", provenance=cell.provenance
    )


UNITS = {"seconds": "s", "frames_per_second": "pictures / s", "memory_saved": "% less", "parameters": ""}


def _claim(measured: Measured, claim: Claim) -> list[Cell]:
    benchmark = measured.benchmark
    where = benchmark.on(claim.device) if benchmark and claim.device in benchmark.devices else "–"
    size = f"{claim.size} × {claim.size} px"
    match claim.quantity:
        case "parameters":
            ours, size, where = _filling(measured, claim.run), "–", "–"
        case "memory_saved":
            peaks = (
                cost_cell(measured, run, claim.device, claim.size, "peak_mib") for run in (claim.run, claim.against)
            )
            ours = _saved(*peaks)
        case quantity:
            ours = cost_cell(measured, claim.run, claim.device, claim.size, quantity)
    words = [Cell(text, "data") for text in (UNITS[claim.quantity], size, where)]
    return [Cell(claim.published, "published"), ours, *words]
