"""Checkpoints: trained weights as safetensors files, with the run that made them in the header."""

import json
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from palimpsest.config.runs import Run, fingerprint
from palimpsest.config.yaml import InputError
from palimpsest.models import create, inherit
from palimpsest.storage import replacing, sha256
from palimpsest.workspace import RunFiles, Workspace


@dataclass(frozen=True)
class Origin:
    """What a checkpoint was trained from."""

    run: Run
    dataset: str
    size: int  # px, of the training pictures
    features: str  # network that its perceptual loss read; "" for none
    source: str = ""  # whose weights they are, file and hash, where they were released; "" for our own

    @property
    def settings(self) -> str:
        return fingerprint(self.run, self.size)


def save(path: Path, model, origin: Origin) -> None:
    """Writes the weights of `model` and their origin; equal weights give equal bytes."""
    weights = {name: value.contiguous().cpu() for name, value in model.networks.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(serialise(weights, {"origin": json.dumps(asdict(origin), sort_keys=True)}))


def save_nothing(path: Path, why: str) -> None:
    """Writes a checkpoint without weights, in place of one that is not needed or not to be had."""
    with replacing(path) as temporary:
        temporary.write_bytes(serialise({}, {"absent": why}))


def load(path: Path, device: torch.device | str = "cpu"):
    """(model, origin) of a checkpoint; InputError if it is absent, cut short or not of this project."""
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            if why := (file.metadata() or {}).get("absent"):
                raise InputError(f"{path}: asked for weights, found none: {why}")
            tree = json.loads(file.metadata()["origin"])
            origin = Origin(**{**tree, "run": Run.read(tree["run"])})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise _absent(path) from error
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole checkpoint of this project ({error}); remove it and train again"
        ) from error
    model = create(origin.run, origin.size)
    if origin.source:
        keep(model, {name.partition(".")[0] for name in weights})
    try:
        model.networks.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit {origin.run.model} as it is now; train again") from error
    model.networks.to(device).eval().requires_grad_(False)
    return model, origin


def is_there(path: Path) -> bool:
    """Whether there is a checkpoint, and it does not stand for weights that were not to be had."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            return "absent" not in (file.metadata() or {})
    except (SafetensorError, OSError):
        return True  # `load` says what is wrong with it


def keep(model, networks: Container[str]) -> None:
    """Removes the networks that released files lack, such as critics; those that have learned nothing stay."""
    for name, network in list(model.networks.items()):
        if name not in networks and any(True for _ in network.parameters()):
            del model.networks[name]


def load_run(files: RunFiles, run: Run, device: torch.device | str = "cpu"):
    """(model, origin) of a run's checkpoint; InputError if other settings made it."""
    model, origin = load(files.weights, device)
    if origin.run != run:
        raise InputError(
            f"{files.weights}: made under other settings than params.yaml holds now; `dvc repro` makes it anew"
        )
    return model, origin


def weights_hash(files: RunFiles) -> str:
    """sha256 of a run's checkpoint; InputError if it is absent."""
    if not files.weights.is_file():
        raise _absent(files.weights)
    return sha256(files.weights)


def _absent(path: Path) -> InputError:
    stage = "convert" if "released" in path.parts else "train"
    return InputError(f"{path}: no such checkpoint; `dvc repro {stage}` makes it")


def begin(model, run: Run, seed: int, workspace: Workspace) -> None:
    """Loads the weights that a run begins with: those of the model inside it, and those that it inherits.

    They are of the same seed where the other run was trained with it too, else of that run's first. InputError if a
    checkpoint is missing or was made under other settings.
    """
    if run.inside:
        trained, _ = load_run(workspace.run(run.inside.name).nearest(seed), run.inside)
        try:
            model.inside.networks.load_state_dict(trained.networks.state_dict())
        except RuntimeError as error:
            raise InputError(
                f"{run.inside.name}: made for pictures of another size; accepted: that of the run it works in"
            ) from error
    if run.start:
        trained, _ = load_run(workspace.run(run.start.name).nearest(seed), run.start)
        inherit(model, trained)
