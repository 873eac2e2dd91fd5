"""What each metric means: metrics.yaml."""

import math
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from palimpsest.config.yaml import Settings, build, read_yaml

PAPERS = Path(__file__).parent
REGIONS = {"picture": "whole picture", "hole": "hole only", "raw output": "raw output", "set": "whole set"}
ARROWS = {"lower": " ↓", "higher": " ↑", "none": ""}


class Metric(Settings):
    """One metric, as a report explains it."""

    label: str
    unit: str  # "" where it has none
    direction: Literal["lower", "higher", "none"]  # which is better
    digits: NonNegativeInt  # after the point
    of: Literal["picture", "hole", "raw output", "set"]  # see REGIONS
    raw: bool  # whether it is measured on the raw output too, under `<id>_raw`
    definition: str  # one sentence with the formula

    @property
    def head(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.label}{unit}{ARROWS[self.direction]}"

    def printed(self, value: float) -> str:
        """A measured value as printed everywhere."""
        return f"{value:.{self.digits}f}" if math.isfinite(value) else "undefined" if math.isnan(value) else "∞"

    def verdict(self, gained: float) -> str:
        """Whether a difference that is not 0 is better or worse; "" where no side is better."""
        return "" if self.direction == "none" else "better" if (gained > 0) == (self.direction == "higher") else "worse"


Metrics = dict[str, Metric]


@cache
def read_metrics(folder: Path = PAPERS) -> Metrics:
    """{id: metric}, those of the raw output last; InputError names file and key of what is wrong."""
    path = folder / "metrics.yaml"
    metrics = {name: build(Metric, tree, name, path.name) for name, tree in read_yaml(path).items()}
    return metrics | {f"{name}_raw": _of_raw_output(metric) for name, metric in metrics.items() if metric.raw}


def _of_raw_output(metric: Metric) -> Metric:
    words = f"{metric.definition.rstrip('.')}; x is the output before the known pixels are put back."
    return metric.model_copy(update={"definition": words, "of": "raw output"})
