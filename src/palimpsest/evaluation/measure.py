"""Results measured on the fixed test pictures and holes, in one pass: fill, composite, round to 8 bits, score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import PositiveInt

from palimpsest import weights
from palimpsest.config import runs
from palimpsest.config.yaml import InputError, Settings, digest
from palimpsest.data.pictures import read_picture
from palimpsest.data.shards import Shard, spread
from palimpsest.evaluation.scoring import Scorer, Scores, joined, table
from palimpsest.holes.bank import Bank, read_bank
from palimpsest.inpainting import composite, continued, inpaint, to_pixels, to_tensors
from palimpsest.layers.patches import piece
from palimpsest.metrics.features import Features, Statistics, read_reference
from palimpsest.storage import replacing, write_json, write_text
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

WORST_BY = "lpips_alex"


class EvaluationConfig(Settings):
    """A profile's `evaluation`."""

    batch_size: PositiveInt
    samples: PositiveInt  # pictures kept for the figures, spread evenly over the test split
    worst: PositiveInt  # and the pictures of each kind of hole that WORST_BY likes least


class Source(Protocol):
    """Where results come from."""

    def outputs(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
        """What is scored for pictures of the test split and their holes of a kind, each uint8 (B, H, W, 3).

        Under "" the raw outputs; under "/pieced", where a method has references, the pictures pieced from them.
        """

    def inside(self, pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
        """What a method shows of its inside: pictures as uint8, whole numbers as int16; {} where it shows nothing."""


@dataclass(frozen=True)
class Trained:
    """A run's own model."""

    model: Any
    device: torch.device | str

    def outputs(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
        _, raw = inpaint(self.model, pictures, holes, self.device)
        pieced = self._references(pictures, holes)
        return {"": raw, "/pieced": _packed(pieced["pieced"], pictures.shape)} if pieced else {"": raw}

    def inside(self, pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
        shown = self._references(pictures, holes)
        if hasattr(self.model, "diagnose"):
            with torch.inference_mode():
                shown |= self.model.diagnose(*self._tensors(pictures, holes))
        return {name: _packed(value, pictures.shape) for name, value in shown.items()}

    def _references(self, pictures: np.ndarray, holes: np.ndarray) -> dict[str, torch.Tensor]:
        """Offsets to reference patches and the pictures pieced from them; {} of a method that has none."""
        if not hasattr(self.model, "references"):
            return {}
        image, hole = self._tensors(pictures, holes)
        with torch.inference_mode():
            offsets = self.model.references(image, hole)
            return {"offsets": offsets, "pieced": piece(image, hole, offsets)}

    def _tensors(self, pictures: np.ndarray, holes: np.ndarray) -> tuple[torch.Tensor, ...]:
        return continued(self.model, *(tensor.to(self.device) for tensor in to_tensors(pictures, holes)))


def _packed(value: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Pictures cut to the `shape` (B, H, W, 3) of those they belong to, as uint8; whole numbers as int16."""
    if not value.is_floating_point():
        return value.cpu().numpy().astype(np.int16)
    return to_pixels(value[..., : shape[1], : shape[2]])


@dataclass(frozen=True)
class ExternalResults:
    """A folder of results made by another tool: `<hole kind>/<picture>.png`."""

    folder: Path

    def outputs(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
        found = [read_picture(self.folder / kind / f"{name}.png") for name in ids]
        for name, output, picture in zip(ids, found, pictures, strict=True):
            if output.shape != picture.shape:
                sizes = " and ".join(f"{width} x {height} px" for height, width, _ in (output.shape, picture.shape))
                raise InputError(f"{self.folder / kind / name}.png: result and picture are {sizes}; accepted: equal")
        return {"": np.stack(found)}

    def inside(self, pictures: np.ndarray, holes: np.ndarray) -> dict[str, np.ndarray]:
        return {}


def evaluate(
    source: Source,
    shard: Shard,
    banks: Mapping[str, Bank | np.ndarray],
    features: Features,
    reference: dict[str, Statistics],
    config: EvaluationConfig,
) -> tuple[dict[str, Scores], dict[str, np.ndarray]]:
    """Scores every test picture with its hole of every kind; `banks` is {kind: holes in the shard's order}.

    Returns {kind: scores}, those of pieced pictures as `kind/pieced`, and the pictures kept, each array named
    `kind/what`; `worst/kind/index` and `worst/kind/result` are the places and the results of the worst pictures.
    """
    kept = spread(len(shard), config.samples)
    scorers: dict[str, Scorer] = {}
    shown: dict[str, list[dict[str, np.ndarray]]] = {kind: [] for kind in banks}
    for start in range(0, len(shard), config.batch_size):
        places = np.arange(start, min(start + config.batch_size, len(shard)))
        ids, pictures = [shard.ids[i] for i in places], np.stack([shard[i] for i in places])
        chosen = np.isin(places, kept)
        for kind, bank in banks.items():
            holes = bank[places]
            made = source.outputs(kind, ids, pictures, holes)
            for what, outputs in made.items():
                scorers.setdefault(f"{kind}{what}", Scorer(features)).add(ids, outputs, pictures, holes)
            if chosen.any():
                few, missing, outputs = pictures[chosen], holes[chosen], made[""][chosen]
                results = composite(outputs, few, missing)
                shown[kind].append({"result": results, "output": outputs, **source.inside(few, missing)})
    arrays = {f"{kind}/{name}": array for kind in banks for name, array in joined(shown[kind]).items()}
    scores = {name: scorer.scores(reference) for name, scorer in scorers.items()}
    for kind, bank in banks.items():
        if WORST_BY in scores[kind].values:
            worst = np.argsort(-scores[kind].values[WORST_BY], kind="stable")[: config.worst]
            ids, pictures = [shard.ids[i] for i in worst], np.stack([shard[i] for i in worst])
            outputs = source.outputs(kind, ids, pictures, bank[worst])[""]
            arrays |= {f"worst/{kind}/index": worst, f"worst/{kind}/result": composite(outputs, pictures, bank[worst])}
    return scores, {"index": kept, **arrays}


def measure(
    source: Source, about: dict[str, Any], kinds: Sequence[str], config: EvaluationConfig, device: torch.device | str
) -> None:
    """Writes results/<run>: per-image.csv, metrics.json and samples.npz, measured on holes of `kinds`.

    `about` heads metrics.json, which holds every mean and why a metric is missing; its `run` and `data` say which
    folders are meant.
    """
    slot, out = Workspace().slot(about["slot"]), Workspace().results(about["run"]).folder
    shard = Shard(slot.shard("test"))
    banks = {kind: read_bank(Workspace().slot(about["slot"]).holes, kind, len(shard)) for kind in kinds}
    features, reference = Features(weights.FOLDER, device), read_reference(slot.reference)
    scores, samples = evaluate(source, shard, banks, features, reference, config)
    summary = {
        **about,
        "size": shard.size,
        "images": len(shard),
        "photos": len(set(shard.photos)),
        "holes": {kind: {name: found.mean for name, found in s.aggregates().items()} for kind, s in scores.items()},
        "missing": {name: why for s in scores.values() for name, why in s.missing.items()},
    }
    write_text(out / "per-image.csv", table(scores))
    write_json(out / "metrics.json", summary)
    with replacing(out / "samples.npz") as temporary:
        np.savez_compressed(temporary, **samples)


def measure_trained(resolved, device: torch.device | str) -> None:
    """Writes results/<target> of a trained run; InputError where its weights were made under other settings."""
    run = runs.Run.read(resolved.value("run"))
    model, origin = checkpoints.load_run(Workspace(), run, device)
    about = {"run": resolved.name, "model": run.model, "profile": run.profile, "slot": resolved.value("slot")}
    about |= {
        "dataset": resolved.value("dataset"),
        "code": digest(resolved.code),
        "settings": resolved.value("settings"),
    }
    about |= {"features": origin.features}
    measure(
        Trained(model, device), about, resolved.value("holes"), resolved.part(EvaluationConfig, "evaluation"), device
    )
