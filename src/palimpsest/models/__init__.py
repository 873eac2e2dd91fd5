"""One file a method; the file's name is its registration.

A file holds `Config`, its settings, and `Model(config, size)`, or `Model(config, size, inside)` where it works with the
model of another run, whose networks are then among its own; `inside=None` where it may work alone:
    networks      ModuleDict: everything a checkpoint's weights hold; empty for a method that learns nothing
    size_divisor  px: `inpaint` takes pictures whose sides it divides
    inpaint(image, hole)      the raw prediction, (B, 3, H, W) in [0, 1]; compositing happens elsewhere
A method that learns has `schedule: Schedule` in its Config and, in its Model, besides:
    optimisers    name → optimiser; made when first asked for, as filling a hole needs none
    batches       how many batches of its schedule one step takes
    begin(phase)              sets learning rates, freezes, switches losses on
    step(image, hole)         one optimisation step in the paper's own order → {log name: scalar tensor}
    inherits      names of networks that begin with the weights of the run in `needs.start`; may be left out
    reads_features            whether a step reads the network in `needs.features`; may be left out
A prior, which fills no hole and is trained for others to work with, has instead of `size_divisor` and `inpaint`:
    sample(first, count, device)   its pictures of these running numbers, (count, 3, size, size) in [0, 1]
    memory        features that others may recall, level by level, as stylegan2.Synthesis; may be left out:
        latent    channels of what it is asked with
        start     what its first level takes: (batch, height, width) → (B, C, height, width)
        levels    each with `channels`, `convs` and (features, a latent for each of convs, noise) → features
A method may have, for figures and tables:
    diagnose(image, hole)     {name: (B, ...) tensor}: what it shows of its inside
    references(image, hole)   the patch that it takes as the model of each patch: (dy, dx) in units of 8 px, int64
                              (B, 2, H / 8, W / 8); patches are 16 px wide, see layers/patches.py
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
from torch.nn.utils.parametrizations import _SpectralNorm

from palimpsest.config.runs import Run
from palimpsest.config.yaml import InputError, Settings, build


def available() -> list[str]:
    return sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))


def find(model: str) -> ModuleType:
    """The method's file; InputError names what there is."""
    if model not in available():
        raise InputError(f"no method {model!r}; accepted: {', '.join(available())}")
    return import_module(f"{__name__}.{model}")


def is_prior(model: str) -> bool:
    """Whether a method draws pictures of its own and fills no holes."""
    return hasattr(find(model).Model, "sample")


def configure(run: Run) -> Settings:
    """A run's settings, checked by its method's Config."""
    try:
        kind = find(run.model).Config
    except InputError as error:
        raise InputError(f"params: runs.{run.name}.model: {error}") from error
    return build(kind, run.settings, run.at)


def create(run: Run, size: int):
    """A run's Model for training pictures of `size` px, with that of the run inside it."""
    kind, config = find(run.model).Model, configure(run)
    inside = inspect.signature(kind).parameters.get("inside")
    if run.inside is None and inside is not None and inside.default is inside.empty:
        raise InputError(f"{run.name}: needs.inside is nothing; {run.model} works with the model of another run")
    if run.inside is not None and inside is None:
        raise InputError(f"{run.name}: needs.inside is {run.inside.name}; {run.model} works alone: accepted: nothing")
    model = kind(config, size, create(run.inside, size)) if run.inside else kind(config, size)
    if run.features and not hasattr(model, "reads_features"):
        raise InputError(f"{run.name}: needs.features is perceptual; {run.model} reads none: accepted: nothing")
    if reads_features(model) and not run.features:
        raise InputError(f"{run.name}: needs.features is nothing, and a loss reads them; accepted: perceptual")
    if bool(inherited := getattr(model, "inherits", [])) != bool(run.start):
        found = f"needs.start is {run.start.name if run.start else 'nothing'}"
        taken = f"{run.model} begins with {', '.join(inherited) or 'none'} of its networks"
        raise InputError(f"{run.name}: {found}, and {taken}; accepted: both or neither")
    return model


def reads_features(model) -> bool:
    """Whether a step reads the network in `needs.features`."""
    return getattr(model, "reads_features", False)


def inherit(model, start) -> None:
    """Networks begin with the weights of another model's; InputError where it has none of that name and shape."""
    for name in model.inherits:
        if name not in start.networks:
            raise InputError(f"needs.start: it has no network {name!r}; accepted: {', '.join(start.networks)}")
        try:
            model.networks[name].load_state_dict(start.networks[name].state_dict())
        except RuntimeError as error:
            raise InputError(f"needs.start: its network {name!r} has other layers or sizes") from error


@contextmanager
def without_values() -> Iterator[None]:
    """Models that are made within have shapes and no values; spectral normalisation does not start to estimate."""
    with torch.device("meta"), patch.object(_SpectralNorm, "_power_method"):
        yield
