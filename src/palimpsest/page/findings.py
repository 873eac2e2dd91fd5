"""docs/findings.md: what a record says of every method and every claim, in blocks between what was written by hand."""

from collections import Counter
from collections.abc import Iterable, Iterator

from palimpsest.claims.evidence import Evidence
from palimpsest.claims.formats import grouped, shown
from palimpsest.claims.ledger import Ledger, counted, read_ledger, repeated
from palimpsest.claims.verdict import VERDICTS, Entry
from palimpsest.markdown import plain, table
from palimpsest.metrics.differences import Difference
from palimpsest.page import curves
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.results.headline import BEATEN, REFERENCE, rows
from palimpsest.results.names import holes_in_words, method_names
from palimpsest.results.records import COUNTED, Record

PERCEIVED = "lpips_alex"
NONE = "No results are on record yet."
METHODS = [
    "method",
    "PSNR in the hole (dB)",
    "above the constant fill (dB), 95 %",
    "LPIPS",
    "seeds",
    "training, minutes a seed",
]
SPOKEN = ["claim of the text", "measured", "published", "ours, positive as claimed, 95 %", "verdict"]


def blocks(record: Record | None) -> dict[str, str]:
    """Those of docs/findings.md."""
    if record is None:
        return dict.fromkeys(("about", "methods", "curves", "claims", "reasons", "cost", "again"), NONE)
    ledger = read_ledger(record.measured, read_papers())
    return {
        "about": about(record, ledger),
        "methods": methods(record),
        "curves": curves.block(record),
        "claims": claims(ledger),
        "reasons": reasons(ledger),
        "cost": cost(record),
        "again": again(record),
    }


def grid(heads: list[str], rules: list[str], rows: Iterable[list[str]]) -> str:
    """A table whose cells are in Markdown already."""
    return "\n".join(table(heads, rules, rows))


def about(record: Record, ledger: Ledger) -> str:
    """What was measured, and how many claims it decides."""
    results = record.measured.results
    slots = "; ".join(f"`{slot}`: {record.measured.pictures(slot)}" for slot in record.measured.slots)
    return (
        f"The record [{record.name}](../records/{record.name}) of profile `{record.profile}`, {record.day}, on "
        f"{plain(' and '.join(record.devices))}. {len(results)} results, seeds of each: {record.seeds}. "
        f"Pictures of {slots}.\n\n"
        f"Of {len(ledger.entries)} claims, {counted(ledger.entries)}; "
        f"{ledger.stand_ins} were tested on other photographs than the paper's. {repeated(ledger.entries)}"
    )


def methods(record: Record) -> str:
    """For each kind of holes of README's table, every method beside the constant fill, the best first."""
    tables = []
    for slot, hole in dict.fromkeys((row.slot, row.hole) for row in rows()):
        if gains := _gains(record, slot, hole):
            rules = ["---", *["---:"] * (len(METHODS) - 1)]
            compared = grid(METHODS, rules, (_method(record, hole, run, gain) for run, gain in gains.items()))
            heading = holes_in_words(hole)
            tables.append(f"### {heading[0].upper()}{heading[1:]}\n\n{compared}")
    return "\n\n".join(tables) or NONE


def _gains(record: Record, slot: str, hole: str) -> dict[str, Difference | None]:
    """{run: by how much it is above the constant fill}, the best first; none where single values are not kept."""
    measured, evidence = record.measured, Evidence(record.measured)
    runs = [run for run in measured.kept(slot, hole) if BEATEN in measured.results[run].holes[hole]]
    runs.sort(key=lambda run: measured.results[run].holes[hole][BEATEN], reverse=True)

    def gain(run: str) -> Difference | None:
        if run == REFERENCE or any(evidence.lacks(each, slot, hole, BEATEN) for each in (run, REFERENCE)):
            return None
        return evidence.difference(slot, BEATEN, {hole: 1}, run, REFERENCE)

    return {run: gain(run) for run in runs}


def _method(record: Record, hole: str, run: str, gain: Difference | None) -> list[str]:
    result, metrics = record.measured.results[run], read_metrics()
    means = result.holes[hole]
    printed = [metrics[name].printed(means[name]) if name in means else "–" for name in (BEATEN, PERCEIVED)]
    above = "–" if gain is None else f"{gain.mean:+.2f}"
    if gain and gain.low is not None:
        above += f" [{gain.low:+.2f}, {gain.high:+.2f}]"
    trained = record.seconds.get(f"train@{run}")
    minutes = "–" if trained is None else f"{trained / 60:.1f}"
    return [plain(method_names(record.measured)[run]), printed[0], above, printed[1], str(len(result.seeds)), minutes]


def claims(ledger: Ledger) -> str:
    """Of each paper, the claims of its text one by one, and those of its tables counted for each pair of methods."""
    return "\n\n".join(
        f"### {read_papers()[paper].label}\n\n{counted(ledger.of(paper))}.\n\n"
        f"{grid(SPOKEN, ['---'] * len(SPOKEN), map(_spoken, tables.pop('')))}\n\n"
        f"{grid(['order in its tables', *VERDICTS], ['---', *['---:'] * len(VERDICTS)], _orders(tables))}"
        for paper, tables in grouped(ledger).items()
    )


def _spoken(entry: Entry) -> list[str]:
    found = shown(entry)
    verdict = f"**{entry.verdict}**" if entry.verdict in ("confirmed", "contradicted") else entry.verdict
    ours = f"{found['ours']} {found['interval']}".strip()
    numbers = (f"{number} {entry.unit}".strip() if number else "–" for number in (found["published"], ours))
    measured = "; ".join(filter(None, (found["measure"], found["tested"])))
    return [plain(found["claim"]), plain(measured), *numbers, verdict]


def _orders(tables: dict[str, list[Entry]]) -> Iterator[list[str]]:
    found: dict[str, Counter[str]] = {}
    for entry in (entry for entries in tables.values() for entry in entries):
        found.setdefault(entry.claim.text, Counter())[entry.verdict] += 1
    for claim, verdicts in found.items():
        yield [plain(claim), *(str(verdicts[verdict] or "–") for verdict in VERDICTS)]


def reasons(ledger: Ledger) -> str:
    """Why claims have no verdict of confirmed or contradicted."""
    found = Counter((entry.verdict, entry.why) for entry in ledger.entries if entry.verdict not in VERDICTS[:2])
    return grid(
        ["verdict", "why", "claims"],
        ["---", "---", "---:"],
        ([verdict, plain(why), str(count)] for (verdict, why), count in found.most_common()),
    )


def cost(record: Record) -> str:
    """Core-hours, and of what."""
    kinds = Counter()
    for stage, hours in record.core_hours.items():
        kinds[stage.partition("@")[0]] += hours
    listed = grid(
        ["stages", "core-hours"], ["---", "---:"], ([kind, f"{hours:.2f}"] for kind, hours in kinds.most_common())
    )
    return f"{sum(kinds.values()):.1f} core-hours. {COUNTED}\n\n{listed}"


def again(record: Record) -> str:
    """The commands, as on the page."""
    return "\n\n".join([record.before_again, *(f"```\n{commands}\n```" for commands in record.again)])
