"""docs/findings.md: what a record says of every method and every claim, in blocks between what was written by hand."""

from collections import Counter
from collections.abc import Iterable, Iterator

from palimpsest.claims.claim import CostClaim, PictureClaim
from palimpsest.claims.evidence import Evidence
from palimpsest.claims.formats import grouped, shown
from palimpsest.claims.ledger import Ledger, counted, read_ledger, repeated
from palimpsest.claims.verdict import VERDICTS, Entry
from palimpsest.config.words import number_of
from palimpsest.markdown import plain, table
from palimpsest.metrics.differences import Difference
from palimpsest.page import curves
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import foreseen, read_papers
from palimpsest.results.headline import BEATEN, REFERENCE, rows
from palimpsest.results.names import holes_in_words, method_names
from palimpsest.results.records import COUNTED, Record

PERCEIVED = "lpips_alex"
NONE = "No results are on record yet."
METHODS = [
    "holes",
    "method",
    "PSNR in the hole (dB)",
    "above the constant fill (dB), 95 %",
    "LPIPS",
    "seeds",
    "iterations",
    "training, minutes a seed",
]
ORDERS = ["paper", "order", *VERDICTS]
DECIDED = ("confirmed", "contradicted")
SPOKEN = ["paper", "claim of the text", "measured", "published", "ours, positive as claimed, 95 %", "verdict"]


def blocks(record: Record | None) -> dict[str, str]:
    """Those of docs/findings.md."""
    if record is None:
        return dict.fromkeys(("about", "methods", "curves", "claims", "reasons", "cost", "missing", "again"), NONE)
    ledger = read_ledger(record.measured, read_papers())
    return {
        "about": about(record, ledger),
        "methods": methods(record),
        "curves": curves.block(record),
        "claims": claims(record, ledger),
        "reasons": reasons(ledger),
        "cost": cost(record),
        "missing": missing(record, ledger),
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
    compared = [
        _method(record, hole, run, gain)
        for slot, hole in dict.fromkeys((row.slot, row.hole) for row in rows())
        for run, gain in _gains(record, slot, hole).items()
    ]
    return grid(METHODS, ["---", "---", *["---:"] * (len(METHODS) - 2)], compared) if compared else NONE


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
    iterations = max((points[-1][0] for (each, _), points in record.curves.items() if each == run), default="–")
    name, seeds = plain(method_names(record.measured)[run]), str(len(result.seeds))
    return [holes_in_words(hole), name, printed[0], above, printed[1], seeds, str(iterations), minutes]


def claims(record: Record, ledger: Ledger) -> str:
    """How each paper's claims fare; the decided ones of the texts one by one, the orders of the tables counted."""
    papers = grouped(ledger)
    spoken = [entry for tables in papers.values() for entry in tables[""] if _decided(entry)]
    counts = ["---", "---", *["---:"] * len(VERDICTS)]
    parts = (
        "\n".join(_paper(paper, ledger) for paper in papers),
        f"[claims.csv](../records/{record.name}/claims.csv) has every claim with its numbers and reasons. Of the texts "
        "are decided:",
        grid(SPOKEN, ["---"] * len(SPOKEN), map(_spoken, spoken)),
        "Orders in the tables, one by one where any of their claims is decided:",
        grid(ORDERS, counts, (row for paper, tables in papers.items() for row in _orders(paper, tables))),
    )
    return "\n\n".join(parts)


def _decided(entry: Entry) -> bool:
    return entry.verdict in DECIDED


def _label(paper: str) -> str:
    return plain(read_papers()[paper].label)


def _paper(paper: str, ledger: Ledger) -> str:
    """The verdicts on its claims, and those of its text that are not decided; of costs with what is compared."""
    found: dict[str, list[str]] = {}
    for entry in ledger.of(paper, ""):
        if not _decided(entry):
            measure = f" ({entry.claim.measure})" if isinstance(entry.claim, CostClaim) else ""
            found.setdefault(entry.verdict, []).append(f"{entry.claim.text.rstrip('.')}{measure}")
    texts = "".join(f" Of its text {verdict}: {plain('; '.join(each))}." for verdict, each in found.items())
    return f"- **{_label(paper)}**: {counted(ledger.of(paper))}.{texts}"


def _spoken(entry: Entry) -> list[str]:
    found = shown(entry)
    ours = f"{found['ours']} {found['interval']}".strip()
    numbers = (f"{number} {entry.unit}".strip() if number else "–" for number in (found["published"], ours))
    measured = "; ".join(filter(None, (found["measure"], found["tested"])))
    return [_label(entry.claim.paper), plain(found["claim"]), plain(measured), *numbers, f"**{entry.verdict}**"]


def _orders(paper: str, tables: dict[str, list[Entry]]) -> Iterator[list[str]]:
    """A row for each with a decided claim, and one for all others."""
    found: dict[str, Counter[str]] = {}
    for entry in (entry for key, entries in tables.items() if key for entry in entries):
        found.setdefault(entry.claim.text, Counter())[entry.verdict] += 1
    decided = {text: verdicts for text, verdicts in found.items() if not verdicts.keys().isdisjoint(DECIDED)}
    others = [verdicts for text, verdicts in found.items() if text not in decided]
    rows = {**decided, number_of(len(others), "other order"): sum(others, Counter())} if others else decided
    for text, verdicts in rows.items():
        yield [_label(paper), plain(text), *(str(verdicts[verdict] or "–") for verdict in VERDICTS)]


def reasons(ledger: Ledger) -> str:
    """Why claims have no verdict of confirmed or contradicted, with the number of each reason."""
    found: dict[str, Counter[str]] = {}
    for entry in ledger.entries:
        if not _decided(entry):
            found.setdefault(entry.verdict, Counter())[entry.why] += 1
    rows = (
        [verdict, plain("; ".join(f"{why} ({count})" for why, count in whys.most_common()))]
        for verdict, whys in found.items()
    )
    return grid(["verdict", "why, and for how many claims"], ["---", "---"], rows)


def missing(record: Record, ledger: Ledger) -> str:
    """The runs that a claim about pictures asks for and that are not on record, those that no settings define apart."""
    asked = {
        run
        for entry in ledger.entries
        if isinstance(entry.claim, PictureClaim)
        for pair in entry.claim.pairs
        for run in (pair.run, pair.against)
    }
    lacking = asked - record.measured.runs.keys()
    undefined, runnable = sorted(lacking & foreseen()), sorted(lacking - foreseen())
    later = f"{', '.join(undefined)}, which no settings define yet" if undefined else ""
    if runnable:
        asked_for = f"Two cores are enough for these runs, which claims ask for: {', '.join(runnable)}."
        return f"{asked_for} Claims also ask for {later}." if later else asked_for
    return f"Every run that a claim asks for is on record{later and f', but {later}'}."


def cost(record: Record) -> str:
    """Core-hours, and of what."""
    kinds = Counter()
    for stage, hours in record.core_hours.items():
        kinds[stage.partition("@")[0]] += hours
    parts = ", ".join(f"{kind} {hours:.2f}" for kind, hours in kinds.most_common())
    return f"{sum(kinds.values()):.1f} core-hours: {parts or 'none'}. {COUNTED}"


def again(record: Record) -> str:
    """The commands, as on the page."""
    commands = "\n".join(record.again)
    return f"{record.before_again}\n\n```\n{commands}\n```"
