"""README.md shows a record between two markers: what it is, its ledger, a table and pictures."""

from pathlib import Path

from palimpsest.claims.ledger import Ledger, counted, read_ledger, repeated
from palimpsest.markdown import plain, table
from palimpsest.page.recording import PICTURES, strip_names
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.papers.values import Values
from palimpsest.results.headline import REFERENCE, Row, mean, rows
from palimpsest.results.names import holes_in_words
from palimpsest.results.records import Record
from palimpsest.tables.context import SMOKE

HEADS = ["method", "published PSNR (dB)", "on record (dB)", "constant fill (dB)", "ours is measured on"]
RULE = ["---", "---:", "---:", "---:", "---"]
NONE = "No results are on record yet: [docs/records.md](docs/records.md) says how to make a record."


def block(record: Record | None, values: Values) -> str:
    """The block `record` of README.md."""
    if record is None:
        return NONE
    ledger = read_ledger(record.measured, read_papers())
    parts = (about(record), verdicts(ledger), headline(record, values), pictures(record))
    return "\n\n".join(filter(None, parts))


def about(record: Record) -> str:
    """What a reader must know of the numbers below it."""
    smoke = f" Smoke run: {SMOKE}" if record.profile == "tiny" else ""
    devices = plain(" and ".join(record.devices))
    return (
        f"On record: [{record.name}](records/{record.name}), profile `{record.profile}`, {record.day}, on {devices}."
        f"{smoke} Compare a published number with ours only where both were measured on the same data."
    )


def verdicts(ledger: Ledger) -> str:
    """How the papers' claims fare."""
    return (
        f"The papers' {len(ledger.entries)} [claims](docs/claims.md): {counted(ledger.entries)}; {ledger.stand_ins} "
        f"were tested on other photographs than theirs. {repeated(ledger.entries)} [Findings](docs/findings.md) says "
        "which."
    )


def headline(record: Record, values: Values) -> str:
    """The papers' own methods as a table."""
    cells = (map(plain, _cells(record, row, values)) for row in rows())
    return "\n".join(table(HEADS, RULE, cells))


def _cells(record: Record, row: Row, values: Values) -> list[str]:
    published, metric = values[row.published], read_metrics()[row.metric]
    number = published.text if published.legible else "illegible"
    found = [mean(record.measured, run, row) for run in (row.run, REFERENCE)]
    means = ["not run" if value is None else metric.printed(value) for value in found]
    dataset = record.about.slots[row.slot].dataset if row.slot in record.about.slots else "nothing yet"
    measured_on = f"{dataset}: {holes_in_words(row.hole)}, {row.region}"
    return [row.method, f"{number} on {row.published_on}", *means, measured_on]


def pictures(record: Record) -> str:
    """The strips on record, each with its name; "" where there are none."""
    strips: dict[str, str] = {}
    for row in rows():
        words = ("as they are", holes_in_words(row.hole), f"filled by {row.method}")
        strips |= dict(zip(strip_names(row), words, strict=True))
    there = {name: label for name, label in strips.items() if (record.folder / "pictures" / f"{name}.png").is_file()}
    folder = Path("records", record.name, "pictures")
    lines = [
        [plain(label), f"![{PICTURES} test pictures, {plain(label)}]({folder / name}.png)"]
        for name, label in there.items()
    ]
    return "\n".join(table(["test pictures", ""], ["---", "---"], lines)) if lines else ""
