"""Results that another tool made of the test pictures, measured like a run's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from palimpsest.config.yaml import InputError, digest
from palimpsest.data.pictures import read_picture
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.measure import About, EvaluationConfig, measure
from palimpsest.resolved import Resolved


@dataclass(frozen=True)
class ExternalResults:
    """A folder of results made by another tool: `<hole kind>/<picture>.png`."""

    folder: Path

    def fill(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> Filled:
        """InputError where a result is missing, cannot be read or has another size than its picture."""
        outputs = [self._read(f"{kind}/{name}.png", picture) for name, picture in zip(ids, pictures, strict=True)]
        return Filled(ids, pictures, holes, np.stack(outputs))

    def _read(self, file: str, picture: np.ndarray) -> np.ndarray:
        output = read_picture(self.folder / file)
        if output.shape != picture.shape:
            sizes = " and ".join(f"{width} x {height} px" for height, width, _ in (output.shape, picture.shape))
            raise InputError(f"{self.folder / file}: result and picture are {sizes}; accepted: equal sizes")
        return output


def measure_external(resolved: Resolved, device: torch.device | str) -> None:
    """Writes results/<external> as `resolved` asks."""
    about = About(
        run=resolved.name,
        model="external",
        profile=resolved.value("profile"),
        slot=resolved.value("slot"),
        dataset=resolved.value("dataset"),
        code=digest(resolved.code),
        settings=resolved.value("settings"),
        features="",
    )
    config = resolved.part(EvaluationConfig, "evaluation")
    measure(ExternalResults(Path(resolved.value("folder"))), about, resolved.value("holes"), config, device)
