"""Every measured value at once, as a tidy CSV, and what was run."""

import csv
import io
import math
from dataclasses import asdict

from palimpsest.papers.metrics import read_metrics
from palimpsest.results.measured import Measured

COLUMNS = ["run", "model", "slot", "dataset", "hole", "metric", "mean", "low", "high", "count", "undefined"]
COLUMNS += ["seeds", "deviation", "unit", "better", "settings", "profile"]


def summary(measured: Measured) -> dict:
    """What was run: the profile, the pictures in each slot, and why released networks were not measured."""
    data = {slot: asdict(measured.pictures(slot)) for slot in measured.slots}
    return {"profile": measured.profile, "data": data, "not_measured": measured.not_measured}


def to_csv(measured: Measured) -> str:
    """One row a run, hole kind and metric; empty where there is no number, as of a `deviation` over one seed."""
    metrics, text = read_metrics(), io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for run, result in sorted(measured.results.items()):
        about = {"run": run, "model": result.model, "slot": result.slot, "dataset": result.dataset}
        about |= {"settings": result.settings, "profile": result.profile, "seeds": len(result.seeds)}
        for hole, means in result.holes.items():
            for name in means:
                found = asdict(measured.aggregate(run, hole, name))
                found = {key: _number(found[key]) for key in ("mean", "low", "high", "count", "undefined")}
                explained = {"metric": name, "unit": metrics[name].unit, "better": metrics[name].direction}
                rows.writerow({**about, "hole": hole, **explained, **found, "deviation": result.deviation(hole, name)})
    return text.getvalue()


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
