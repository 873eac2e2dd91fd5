"""A run measured on the fixed test pictures and holes, in one pass: infer, composite, round to 8 bits, score."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveInt

from palimpsest.config import Settings
from palimpsest.data import Shard, spread
from palimpsest.inpainting import inpaint, to_pixels, to_tensors
from palimpsest.metrics import METRICS


class Config(Settings):
    """A profile's `evaluation`."""

    batch_size: PositiveInt
    samples: PositiveInt  # pictures kept for the figures, spread evenly over the test split


@dataclass
class Scores:
    """All values of a run: {hole kind: {metric: one value a picture}}, and the pictures kept."""

    ids: list[str]
    values: dict[str, dict[str, np.ndarray]]
    samples: dict[str, np.ndarray]

    def means(self) -> dict[str, dict[str, float]]:
        return {kind: {name: float(v.mean()) for name, v in scores.items()} for kind, scores in self.values.items()}

    def table(self) -> str:
        """CSV, one row a picture, hole kind and metric."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", "hole", "metric", "value"])
        for kind, scores in self.values.items():
            for name, values in scores.items():
                writer.writerows([image, kind, name, repr(float(v))] for image, v in zip(self.ids, values, strict=True))
        return text.getvalue()


def evaluate(
    model, shard: Shard, banks: Mapping[str, np.ndarray], config: Config, device: torch.device | str
) -> Scores:
    """Scores every test picture with its hole of every kind; `banks` is {kind: bool (N, H, W)} in the shard's order."""
    kept = spread(len(shard), config.samples)
    scores = Scores(shard.ids, {}, {"index": kept})
    for kind, holes in banks.items():
        values, samples = [], []
        for start in range(0, len(shard), config.batch_size):
            places = np.arange(start, min(start + config.batch_size, len(shard)))
            pictures, missing = np.stack([shard[i] for i in places]), holes[places]
            results, outputs = inpaint(model, pictures, missing, device)
            values.append(score(results, pictures, missing))
            if (shown := np.isin(places, kept)).any():
                inside = diagnose(model, pictures[shown], missing[shown], device)
                samples.append({"result": results[shown], "output": outputs[shown], **inside})
        scores.values[kind] = _joined(values)
        scores.samples |= {f"{kind}/{name}": array for name, array in _joined(samples).items()}
    return scores


def score(results: np.ndarray, pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of every picture: {metric: float64 (B,)} from uint8 (B, H, W, 3), twice, and bool (B, H, W)."""
    image, hole = to_tensors(pictures, holes, torch.float64)
    result, _ = to_tensors(results, holes, torch.float64)
    return {name: metric(result, image, hole).numpy() for name, metric in METRICS.items()}


def _joined(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def diagnose(model, pictures: np.ndarray, holes: np.ndarray, device: torch.device | str) -> dict[str, np.ndarray]:
    """What a method shows of its inside: pictures as uint8, whole numbers as int16; {} where it shows nothing."""
    if not hasattr(model, "diagnose"):
        return {}
    image, hole = (tensor.to(device) for tensor in to_tensors(pictures, holes))
    with torch.inference_mode():
        shown = model.diagnose(image, hole)
    return {name: _packed(value) for name, value in shown.items()}


def _packed(value: torch.Tensor) -> np.ndarray:
    if not value.is_floating_point():
        return value.cpu().numpy().astype(np.int16)
    return to_pixels(value)
