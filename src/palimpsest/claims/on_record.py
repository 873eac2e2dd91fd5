"""What the page says of records: a list of all, and one beside what is measured now."""

from collections.abc import Iterator, Mapping
from typing import Any

from palimpsest.claims.ledger import Ledger, tallied
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.values import read_values
from palimpsest.results.headline import REFERENCE, mean, rows
from palimpsest.results.names import holes_in_words
from palimpsest.results.records import COUNTED, Record
from palimpsest.results.reproduction import Beside


def listed(records: list[Record], ledgers: Mapping[str, Ledger], shown: Beside | None) -> dict[str, Any]:
    """Every record with its verdicts counted, and of the one that is shown its name and the papers' own methods."""
    beside = {"title": shown.record.title, "profile": shown.record.profile, "note": shown.note} if shown else None
    return {
        "records": [_about(record, ledgers[record.name]) for record in records],
        "beside": beside,
        "methods": list(_methods(shown)) if shown else [],
        "counted": COUNTED,
    }


def _about(record: Record, ledger: Ledger) -> dict[str, Any]:
    results = record.measured.results.values()
    return {
        "name": record.name,
        "title": record.title,
        "profile": record.profile,
        "devices": record.devices,
        "day": record.day,
        "runs": len(results),
        "seeds": record.seeds,
        "core_hours": round(sum(record.core_hours.values()), 1),
        "counts": tallied(ledger.entries),
        "again": record.again,
        "before_again": record.before_again,
        "slots": {slot: f"{each.dataset}, {each.size} px" for slot, each in record.about.slots.items()},
    }


def _methods(shown: Beside) -> Iterator[dict[str, Any]]:
    """Of each paper's own method: the published number, the one on record, and ours now."""
    values = read_values()
    for row in rows():
        metric, published = read_metrics()[row.metric], values[row.published]
        judged = shown.of(row.run, row.slot, row.hole, row.metric)
        numbers = {
            "record": judged.found.mean if judged else None,
            "record_reference": mean(shown.record.measured, REFERENCE, row),
            "ours": mean(shown.now, row.run, row),
            "ours_reference": mean(shown.now, REFERENCE, row),
        }
        yield {
            "method": row.method,
            "published": f"{published.text if published.legible else 'illegible'} on {row.published_on}",
            "holes": f"{holes_in_words(row.hole)}, {row.region}",
            **{key: "–" if number is None else metric.printed(number) for key, number in numbers.items()},
            "differs": bool(judged and judged.differs),
            "why": judged.why if judged else "not on record",
        }
