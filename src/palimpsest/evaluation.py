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
    pictures = np.stack([shard[i] for i in range(len(shard))])
    kept = spread(len(shard), config.samples)
    scores = Scores(shard.ids, {}, {"index": kept})
    for kind, holes in banks.items():
        results, outputs = np.empty_like(pictures), np.empty_like(pictures)
        for start in range(0, len(pictures), config.batch_size):
            batch = slice(start, start + config.batch_size)
            results[batch], outputs[batch] = inpaint(model, pictures[batch], holes[batch], device)
        scores.values[kind] = score(results, pictures, holes, config.batch_size)
        shown = {
            "result": results[kept],
            "output": outputs[kept],
            **diagnose(model, pictures[kept], holes[kept], device),
        }
        scores.samples |= {f"{kind}/{name}": array for name, array in shown.items()}
    return scores


def score(results: np.ndarray, pictures: np.ndarray, holes: np.ndarray, batch_size: int) -> dict[str, np.ndarray]:
    """Every metric of every picture: {metric: float64 (N,)} from uint8 (N, H, W, 3), twice, and bool (N, H, W)."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for start in range(0, len(pictures), batch_size):
        batch = slice(start, start + batch_size)
        image, hole = to_tensors(pictures[batch], holes[batch], torch.float64)
        result, _ = to_tensors(results[batch], holes[batch], torch.float64)
        for name, metric in METRICS.items():
            parts[name].append(metric(result, image, hole).numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


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
