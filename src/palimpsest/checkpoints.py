"""Trained weights on disk: safetensors, with the run that made them in the header."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from palimpsest.config import InputError
from palimpsest.models import create
from palimpsest.runs import Run, fingerprint
from palimpsest.storage import replacing


@dataclass(frozen=True)
class Origin:
    """What a checkpoint was made from."""

    run: Run
    dataset: str
    size: int  # px, of the training pictures

    @property
    def settings(self) -> str:
        return fingerprint(self.run, self.size)


def save(path: Path, model, origin: Origin) -> None:
    """Writes the weights of `model` and where they come from; equal weights give equal bytes."""
    weights = {name: value.contiguous().cpu() for name, value in model.networks.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(serialise(weights, {"origin": json.dumps(asdict(origin), sort_keys=True)}))


def load(path: Path, device: torch.device | str = "cpu"):
    """(model, origin) of a checkpoint; InputError when it is absent, cut short, or not ours."""
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            tree = json.loads(file.metadata()["origin"])
            origin = Origin(Run(**tree["run"]), tree["dataset"], tree["size"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint; `dvc repro train` makes it") from error
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole checkpoint of this project ({error}); remove it and train again"
        ) from error
    model = create(origin.run, origin.size)
    try:
        model.networks.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit {origin.run.model} as it is now; train again") from error
    model.networks.to(device).eval().requires_grad_(False)
    return model, origin
