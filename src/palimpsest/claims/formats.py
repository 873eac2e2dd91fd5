"""The ledger as CSV, as LaTeX and as the page reads it."""

import csv
import io
from typing import Any

from palimpsest.claims.ledger import Ledger, counts, distinct, repeated, tallied
from palimpsest.claims.ranks import Agreement
from palimpsest.claims.verdict import Entry, Ours
from palimpsest.config.words import number_of
from palimpsest.papers.paper import read_papers
from palimpsest.tables.latex import tex

COLUMNS = ["id", "paper", "place", "claim", "measure", "tested", "run", "against", "published", "ours", "low", "high"]
COLUMNS += ["unit", "pictures", "photographs", "seeds", "seeds_against", "verdict", "why", "data", "stand_in"]
ON_RECORD = ["verdict_on_record", "ours_on_record", "low_on_record", "high_on_record"]
DIGITS = 6  # significant


def to_csv(ledger: Ledger, record: Ledger | None = None) -> str:
    """A row a claim, with that of a record; differences are positive as claimed, empty where there is none."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*COLUMNS, *(ON_RECORD if record else ())])
    kept = record.by_id if record else {}
    for entry in ledger.entries:
        claim, ours = entry.claim, entry.ours
        gained = _gained(ours)
        counted = [ours.pictures, ours.photographs, *ours.seeds] if ours and ours.pictures else [""] * 4
        about = [claim.id, claim.paper, claim.place, claim.text, claim.measure, claim.tested]
        about += [entry.run, entry.against, _short(entry.published), *gained, entry.unit, *counted]
        stand_in = ("no", "yes")[entry.stand_in] if entry.data else ""
        there = kept.get(claim.id)
        on_record = [there.verdict, *_gained(there.ours)] if there else []
        rows.writerow([*about, entry.verdict, entry.why, entry.data, stand_in, *on_record])
    return text.getvalue()


def _gained(ours: Ours | None) -> list[str]:
    return [_short(number) for number in (ours.gain, ours.low, ours.high)] if ours else [""] * 3


def _short(number: float | None) -> str:
    return "" if number is None or number != number else f"{number:.{DIGITS}g}"


def to_tex(ledger: Ledger) -> str:
    """A table of several pages to \\input where booktabs and longtable are loaded, a row a claim.

    n is of pictures, photographs, and the seeds of both runs.
    """
    body = []
    for paper, tables in grouped(ledger).items():
        for table, entries in tables.items():
            where = f"{read_papers()[paper].label}, {f'Table {table}' if table else 'its text'}"
            body += [rf"\midrule\multicolumn{{5}}{{l}}{{\textbf{{{tex(where)}}}}}\\*", *map(_line, entries)]
    rows = "\n".join(body)
    return rf"""% \usepackage{{booktabs,longtable}}
{{\footnotesize
\begin{{longtable}}{{@{{}}p{{0.4\linewidth}}rp{{0.15\linewidth}}rp{{0.2\linewidth}}@{{}}}}
\toprule
claim & published & ours, 95\,\% & n & verdict \\
\endhead
\bottomrule
\endfoot
{rows}
\end{{longtable}}}}
"""


def _line(entry: Entry) -> str:
    found = shown(entry)
    why = f": {found['why']}" if found["why"] else ""
    claim = f"{found['claim']} {found['measure']}."
    ours = f"{found['ours']} {found['interval']}".strip() or "–"
    seen = entry.ours and entry.ours.pictures
    count = f"{seen}, {entry.ours.photographs}, {'+'.join(map(str, entry.ours.seeds))}" if seen else ""
    cells = [claim, found["published"] or "–", ours, count, found["verdict"] + why]
    return " & ".join(map(tex, cells)) + r" \\"


def grouped(ledger: Ledger) -> dict[str, dict[str, list[Entry]]]:
    """{paper: {table, "" for its text: claims}}, the text first, then the tables in their order."""
    found: dict[str, dict[str, list[Entry]]] = {}
    for entry in ledger.entries:
        found.setdefault(entry.claim.paper, {"": []}).setdefault(entry.claim.table, []).append(entry)
    return found


def to_tree(ledger: Ledger, record: Ledger | None = None) -> dict[str, Any]:
    """What the page shows: of each paper the claims of its text and tables, with verdicts counted, and a record's."""
    kept = record.by_id if record else {}
    papers = {
        paper: [
            {
                "table": table,
                "counts": counts(entries),
                "distinct": distinct(entries),
                "agreement": agreed(ledger.agreements.get(f"{paper}-{table}")),
                "entries": [shown(entry) | _on_record(kept.get(entry.claim.id)) for entry in entries],
            }
            for table, entries in tables.items()
        ]
        for paper, tables in grouped(ledger).items()
    }
    decidable = sum(entry.ours is not None and entry.ours.low is not None for entry in ledger.entries)
    about = {"claims": len(ledger.entries), "with_interval": decidable, "stand_ins": ledger.stand_ins}
    verdicts = {paper: tallied(ledger.of(paper)) for paper in papers}
    return {"papers": papers, "verdicts": verdicts, "repeated": repeated(ledger.entries), **about}


def shown(entry: Entry) -> dict[str, str]:
    """A claim with its numbers as printed."""
    claim, ours = entry.claim, entry.ours
    found = {"claim": claim.text, "place": claim.place, "measure": claim.measure, "tested": claim.tested}
    found |= {"verdict": entry.verdict, "why": entry.why, "run": entry.run, "against": entry.against}
    found |= {"published": _signed(entry.published, entry), "ours": "", "interval": "", "count": ""}
    if ours:
        found["ours"] = _signed(ours.gain, entry)
        found["count"] = _counted(entry)
        if ours.low is not None:
            found["interval"] = f"[{_signed(ours.low, entry)}, {_signed(ours.high, entry)}]"
    return found


def _on_record(entry: Entry | None) -> dict[str, Any]:
    """What a record says of a claim."""
    found = shown(entry) if entry else {}
    return {"record": {key: found[key] for key in ("verdict", "ours", "interval", "why")} if found else None}


def _signed(number: float | None, entry: Entry) -> str:
    return "" if number is None else "undefined" if number != number else f"{number:+.{entry.digits}f}"


def _counted(entry: Entry) -> str:
    """How much was measured, and on what."""
    ours = entry.ours
    if not ours.pictures:
        return ""
    seeds = number_of(ours.seeds[0], "seed")
    seeds = seeds if ours.seeds[0] == ours.seeds[1] else f"{ours.seeds[0]} and {ours.seeds[1]} seeds"
    stand_in = " (a stand-in)" if entry.stand_in else ""
    return f"{ours.pictures} pictures of {ours.photographs} photographs, {seeds}; {entry.data}{stand_in}"


def agreed(found: Agreement | None) -> str:
    """The rank agreement of a table, in words."""
    if found is None:
        return ""
    interval = "no interval" if found.low is None else f"95 % [{found.low:+.2f}, {found.high:+.2f}]"
    columns = number_of(found.columns, "column")
    return f"{found.tau:+.2f} ({interval}; mean of {columns})"
