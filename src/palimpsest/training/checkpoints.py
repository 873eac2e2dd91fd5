"""Checkpoints: trained weights as safetensors files, with the run that made them in the header."""

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from palimpsest.config.numbers import Pixels
from palimpsest.config.runs import RELEASED, Run, fingerprint, made_by
from palimpsest.config.yaml import InputError, Settings, Tree, section
from palimpsest.models import available, create, find, inherit, without_values
from palimpsest.released import catalogue
from palimpsest.storage import replacing, sha256
from palimpsest.workspace import RunFiles, Workspace

AGAIN = "remove it, and `dvc repro` makes it anew"


@dataclass(frozen=True)
class Origin:
    """What a checkpoint was trained from."""

    run: Run
    dataset: str
    size: Pixels  # px, of the training pictures
    features: str  # network that its perceptual loss read; "" for none
    source: str = ""  # whose weights they are, file and hash, where they were released; "" for our own

    @property
    def settings(self) -> str:
        return fingerprint(self.run, self.size)


class Head(Settings):
    """What the header of a checkpoint's file says."""

    origin: Origin
    sha256: str  # of origin and weights


def save(path: Path, model, origin: Origin) -> None:
    """Writes the weights of `model` and their origin; equal weights give equal bytes."""
    weights = {name: value.contiguous().cpu() for name, value in model.networks.state_dict().items()}
    if name := not_finite(weights):
        raise InputError(f"{path}: not written, as {name} holds numbers that are not finite; accepted: a lower rate")
    tree = asdict(origin)
    head = {"origin": tree, "sha256": digest(tree, weights)}
    with replacing(path) as temporary:
        temporary.write_bytes(serialise(weights, {"head": json.dumps(head, sort_keys=True)}))


def save_nothing(path: Path, why: str) -> None:
    """Writes a checkpoint without weights, in place of one that is not needed or not to be had."""
    with replacing(path) as temporary:
        temporary.write_bytes(serialise({}, {"absent": why}))


def load(path: Path, device: torch.device | str = "cpu"):
    """(model, origin) of a checkpoint; InputError if it is absent, damaged or not of this project."""
    origin, weights = _read(path)
    if origin.run.model in available():
        find(origin.run.model)  # where its source has changed, the file is not at fault
    try:
        with without_values():  # so that a network of any size is compared before it takes memory
            found = misfit(weights, _empty(origin, weights).networks)
    except (InputError, RuntimeError, ValueError) as error:
        found = str(error).splitlines()[0].removeprefix("params.yaml: ")  # its header holds the settings, not that file
    if found:
        raise InputError(f"{path}: its weights do not fit {origin.run.model} as it is now ({found}); {AGAIN}")
    model = _empty(origin, weights)
    model.networks.load_state_dict(weights)
    model.networks.to(device).eval().requires_grad_(False)
    return model, origin


def _read(path: Path) -> tuple[Origin, dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            head = file.metadata() or {}
            if why := head.get("absent"):
                raise InputError(f"{path}: asked for weights, found none: {why}")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found = Head.model_validate_json(head["head"], strict=True)
        if found.sha256 != digest(asdict(found.origin), weights):
            raise ValueError("its bytes have changed since it was written")
    except FileNotFoundError as error:
        raise _absent(path) from error
    except ValidationError as error:
        raise InputError(f"{path}: not a whole checkpoint of this project (its header is damaged); {AGAIN}") from error
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: not a whole checkpoint of this project; {AGAIN}") from error
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a whole checkpoint of this project ({error}); {AGAIN}") from error
    return found.origin, weights


def digest(origin: Tree, weights: Mapping[str, Tensor]) -> str:
    """sha256 of all that a checkpoint says and holds."""
    found = hashlib.sha256(json.dumps(origin, sort_keys=True).encode())
    for name, value in sorted(weights.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _empty(origin: Origin, weights: Container[str]):
    """The model that a checkpoint's weights are for; of released ones, with the networks that they have."""
    model = create(origin.run, origin.size)
    if origin.source:
        keep(model, {name.partition(".")[0] for name in weights})
    return model


def misfit(weights: Mapping[str, Tensor], networks: nn.Module) -> str:
    """What keeps networks from taking tensors as they are, in words; "" where nothing does."""
    wanted = networks.state_dict()
    if strange := wanted.keys() ^ weights.keys():
        name = min(strange)
        return f"{name} is missing" if name in wanted else f"{name} is none of its weights"
    for name, value in weights.items():
        if (value.dtype, value.shape) != (wanted[name].dtype, wanted[name].shape):
            return f"{name} is {_kind(value)}, not {_kind(wanted[name])}"
    if name := not_finite(weights):
        return f"{name} holds numbers that are not finite"
    return ""


def _kind(value: Tensor) -> str:
    """Its type and shape: float32 of 16 x 3."""
    return f"{str(value.dtype).removeprefix('torch.')} of {' x '.join(map(str, value.shape)) or 'one number'}"


def not_finite(weights: Mapping[str, Tensor]) -> str:
    """The name of the first tensor that holds NaN or infinity; "" where none does."""
    return next((name for name, value in weights.items() if not value.isfinite().all()), "")


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


def load_named(workspace: Workspace, params: Tree, name: str, device: torch.device | str = "cpu"):
    """(model, origin) of a run by its name, whatever settings it was trained with; InputError if it was not trained."""
    path = workspace.run(name).weights
    if not path.is_file():
        released = name.removeprefix(RELEASED)
        if released != name and not catalogue.at(params, released, section(params, "profile")).accept:
            found = f"params.yaml: released.{released}.accept is false; accepted: true, if you keep to the licence"
            again = f"`dvc exp run -S profile=photos -S released.{released}.accept=true convert` makes it"
            raise InputError(f"{path}: no such checkpoint ({found}; {again})")
        raise _absent(path, made_by(params, name))
    return load(path, device)


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


def _absent(path: Path, stage: str = "") -> InputError:
    return InputError(f"{path}: no such checkpoint; `{f'dvc repro {stage}'.strip()}` makes it")


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
