"""A trained run, measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from palimpsest.config.runs import Run
from palimpsest.config.yaml import digest
from palimpsest.evaluation.filling import Filled, cropped
from palimpsest.evaluation.measure import About, EvaluationConfig, measure
from palimpsest.inpainting import checked, continued, to_pixels, to_tensors
from palimpsest.layers.patches import piece
from palimpsest.resolved import Resolved
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace


@dataclass(frozen=True)
class TrainedModel:
    """A run's own model, on a device."""

    model: Any
    device: torch.device | str

    @torch.inference_mode()
    def fill(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> Filled:
        """One pass of the model, whatever it shows; a model that shows `offsets` has its pictures pieced by them."""
        tensors = (tensor.to(self.device) for tensor in to_tensors(pictures, holes))
        image, hole = continued(self.model, *tensors)
        if hasattr(self.model, "inspect"):
            output, inside = self.model.inspect(image, hole)
        else:
            output, inside = self.model.inpaint(image, hole), {}
        checked(self.model, image, output)
        pieced = None
        if "offsets" in inside:
            pieced = to_pixels(cropped(piece(image, hole, inside["offsets"]), pictures))
        return Filled(ids, pictures, holes, to_pixels(cropped(output, pictures)), pieced, inside)


def measure_trained(resolved: Resolved, device: torch.device | str) -> None:
    """Writes results/<run or transfer> as `resolved` asks; InputError if its weights were made under other settings."""
    run = Run.read(resolved.value("run"))
    files = Workspace().run(run.name).of(resolved.value("seeds"))
    trained = {seed: checkpoints.load_run(each, run, device) for seed, each in files.items()}
    _, origin = next(iter(trained.values()))
    about = About(
        run=resolved.name,
        model=run.model,
        profile=run.profile,
        slot=resolved.value("slot"),
        dataset=resolved.value("dataset"),
        code=digest(resolved.code),
        settings=resolved.value("settings"),
        features=origin.features,
        source=origin.source,
    )
    config = resolved.part(EvaluationConfig, "evaluation")
    sources = {seed: TrainedModel(model, device) for seed, (model, _) in trained.items()}
    measure(sources, about, resolved.value("holes"), config, device)
