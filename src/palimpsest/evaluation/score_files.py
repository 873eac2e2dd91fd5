"""Scores of a folder as text, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError
from palimpsest.evaluation.scoring import Scores
from palimpsest.metrics.aggregate import Aggregate, of_finite, paired
from palimpsest.metrics.frechet import FRECHET
from palimpsest.metrics.registry import OF_SCORE
from palimpsest.papers.metrics import REGIONS, Metric, Metrics
from palimpsest.storage import finite

ENOUGH = 2048  # pictures, from which on a covariance of Inception's features has full rank


def shown(scores: Scores, metrics: Metrics, every: bool) -> Metrics:
    """The metrics of the text: every one, or the main ones, and the Fréchet distance of one network."""
    network = "inception" if FRECHET["inception"] in scores.sets else "vgg16"
    few = {*OF_SCORE, FRECHET[network]}
    return {name: metric for name, metric in metrics.items() if every or name in few}


def to_text(scores: Scores, metrics: Metrics) -> str:
    """A line for each metric, those of one region together: mean, 95 % interval and count."""
    found = scores.aggregates(of_finite)
    lines = [f"{'metric':<28}{'mean':>10}    {'95 % interval':<22}{'pictures':>8}"]
    told: dict[str, str] = {}  # why a metric is missing → the first of which this was said
    for head, of_region in _by_region(metrics):
        lines.append(head)
        for name, metric in of_region.items():
            if name in found:
                line = _line(found[name], metric)
            else:
                why = scores.missing[name]
                line = f"   missing: {why if told.setdefault(why, name) == name else f'as {told[why]}'}"
            lines.append(f"  {name:<26}{line}")
    if len(scores.ids) < ENOUGH:
        lines.append(f"Below {ENOUGH:,} pictures Fréchet distances are too high: compare sets of one size.")
    return "\n".join(lines)


def _by_region(metrics: Metrics) -> Iterator[tuple[str, Metrics]]:
    """The head of each region, and the metrics that are of it."""
    for region, head in REGIONS.items():
        if found := {name: metric for name, metric in metrics.items() if metric.of == region}:
            yield head, found


def _line(found: Aggregate, metric: Metric) -> str:
    finite = math.isfinite(found.mean)
    unit = metric.unit if finite else ""
    interval = (
        f"[{metric.printed(found.low)}, {metric.printed(found.high)}]" if finite and found.low is not None else ""
    )
    left = {"undefined": found.undefined, "infinite": found.infinite if finite else 0}
    less = "".join(f" ({count} {why})" for why, count in left.items() if count)
    return f"{metric.printed(found.mean):>10} {unit:<3}{interval:<22}{found.count:>8}{less}"


def differences(scores: Scores, others: Scores, metrics: Metrics) -> str:
    """A line for each metric of single pictures: both means over pictures with a finite value of both, the difference.

    The interval is of the mean difference, pictures resampled in pairs; a verdict stands where it leaves out 0.
    """
    ids = sorted(set(scores.ids) & set(others.ids))
    if not ids:
        raise InputError("asked to compare two folders, found no picture that was scored in both")
    ours, theirs = ([each.ids.index(name) for name in ids] for each in (scores, others))
    lines = [f"{'metric':<28}{'results':>10}{'against':>10}{'difference':>12}    {'95 % interval':<24}{'pictures':>8}"]
    for head, of_region in _by_region({name: metrics[name] for name in metrics if name in scores.values}):
        compared = [
            f"  {name:<26}{_gained(metric, scores.values[name][ours], others.values[name][theirs])}"
            for name, metric in of_region.items()
            if name in others.values
        ]
        lines += [head, *compared] if compared else []
    return "\n".join([f"against, on {number_of(len(ids), 'picture')} with results in both", *lines])


def _gained(metric: Metric, ours: np.ndarray, theirs: np.ndarray) -> str:
    """Both means, the difference, its interval, and of how many pictures."""
    gained, both = paired(theirs, ours), np.isfinite(ours) & np.isfinite(theirs)
    compared = [each[both] if gained.count else each for each in (ours, theirs)]
    means = "".join(f"{metric.printed(of_finite(each).mean):>10}" for each in compared)
    difference, interval, verdict = "undefined", "", ""
    if gained.count:
        difference, interval = f"{gained.mean:+.3g}", f"[{gained.low:+.3g}, {gained.high:+.3g}]"
        verdict = f"  {metric.verdict(gained.mean)}" if gained.leaves_out_0 else ""
    left = f" ({len(ours) - gained.count} undefined or infinite)" if gained.count < len(ours) else ""
    return f"{means}{difference:>12}    {interval:<24}{gained.count:>8}{left}{verdict}".rstrip()


def to_csv(scores: Scores, left_out: dict[str, str]) -> str:
    """A row for each picture, then mean, low, high, count and infinite values, in the mean only if all are."""
    found, names = scores.aggregates(of_finite), [*scores.values, *scores.sets]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "hole_ratio", *names, "left out because"])
    for row, (image, ratio) in enumerate(zip(scores.ids, scores.ratios.tolist(), strict=True)):
        values = [scores.values[name][row].item() if name in scores.values else "" for name in names]
        writer.writerow([image, ratio, *values, ""])
    writer.writerows([name, *[""] * (len(names) + 1), why] for name, why in left_out.items())
    for part in ("mean", "low", "high", "count", "infinite"):
        cells = ["" if (value := getattr(found[name], part)) is None else value for name in names]
        writer.writerow([f"({part})", "", *cells, ""])
    return text.getvalue()


def to_json(scores: Scores, left_out: dict[str, str]) -> str:
    """pictures: {name: {metric: value}}, summary: {metric: aggregate}, missing, left_out.

    A value is null where it is undefined, and "inf" where it is infinite; no mean holds these.
    """
    pictures = {
        name: {
            "hole_ratio": float(scores.ratios[row]),
            **{metric: v[row].item() for metric, v in scores.values.items()},
        }
        for row, name in enumerate(scores.ids)
    }
    summary = {name: asdict(found) for name, found in scores.aggregates(of_finite).items()}
    tree = {"summary": summary, "pictures": pictures, "missing": scores.missing, "left_out": left_out}
    return json.dumps(_strict(tree), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _strict(value):
    if isinstance(value, dict):
        return {key: _strict(each) for key, each in value.items()}
    return finite(value) if isinstance(value, float) else value
