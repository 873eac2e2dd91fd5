"""The methods: one file each, registered by its name. This is the contract that they keep, and the registry.

A file defines `Config`, its settings, and `Model(config, size)` for training pictures of `size` px. A method that works
with the model of another run has `Model(config, size, inside)` instead, with `inside=None` if it can also work alone;
the inner model's networks, or those of them that it uses, are then among its own, and `inside` is the inner model,
whose weights are loaded before training.

Every Model has
    networks      ModuleDict of all that a checkpoint stores; empty for a method that learns nothing

A Model that fills holes has
    size_divisor  px; `inpaint` and `inspect` take pictures whose sides are multiples of it
    inpaint(image, hole)      the raw output, (B, 3, H, W) in [0, 1]; it is composited elsewhere
and may have, for figures and tables,
    inspect(image, hole)      the raw output exactly as `inpaint` gives it, and from the same pass {name: tensor}, what
                              the method shows of its inside: floating-point tensors are pictures, (B, 3, H, W) in
                              [0, 1], the others whole numbers, int64 (B, ...). `offsets` point from each patch of 16 px
                              to its reference patch, (dy, dx) in units of 8 px, (B, 2, H/8, W/8), and stay inside the
                              picture, see layers/patches.py: pictures are pieced from them. `flow`, of the same shape,
                              is only drawn as a map
and, if another method can train its networks as an inner model,
    reconstruct(x, hole)      the raw output and the reconstruction loss, for pictures in [-1, 1]

A prior fills no holes: other methods work with it. Instead of the above it has
    sample(first, count, device)   its pictures numbered first, first + 1, …: (count, 3, size, size) in [0, 1]
and may have
    memory        what draws its pictures or, level by level, features that other methods recall: a
                  layers.style_synthesis.Synthesis
    critic        the discriminator that it was trained against: pictures of its size, about [-1, 1] → scores (B, 1),
                  and check_batch(size), an InputError for batches that it cannot take

A method that has networks and no schedule fills holes with weights that others released, see released/.

A method that learns has `schedule: Schedule` in its Config, and the weights of its losses, if it has several, as
`loss: Weights`. If its phases differ, the file has PHASES, the names that they may have. Its Model has
    optimisers    {name: optimiser}, created on first use, as inpainting needs none
    batches       how many of its schedule's batches one step takes
    begin(phase)              sets learning rates, freezes networks, switches losses on
    step(image, hole)         one optimisation step in the paper's own order → {log name: scalar tensor}
and may have
    inherits      names of the networks that start from the weights of the run in `needs.start`
    derive(image, hole)       what its steps read beside a batch, such as edges: a tuple of tensors (B, …). The loader's
                              worker processes call it, with the batch on the CPU, so it holds no networks; the step is
                              then step(image, hole, *derived). `inpaint` derives its own, from known pixels alone
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
from torch.nn.utils.parametrizations import _SpectralNorm

from palimpsest.config.runs import Run
from palimpsest.config.yaml import InputError, Namer, Settings, build, choices, dotted
from palimpsest.losses.weights import Weights


def available() -> list[str]:
    return sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))


def find(model: str) -> ModuleType:
    """The method's module; InputError if there is none of that name."""
    if model not in available():
        raise InputError(f"no method {model!r}; accepted: {choices(available(), model)}")
    module = import_module(f"{__name__}.{model}")
    if absent := [name for name in ("Config", "Model") if not hasattr(module, name)]:
        raise InputError(f"{module.__name__} has no {absent[0]}; accepted: what the contract in {__name__} asks of it")
    return module


def is_prior(model: str) -> bool:
    """Whether a method generates pictures of its own and fills no holes."""
    return hasattr(find(model).Model, "sample")


def configure(run: Run, named: Namer | None = None) -> Settings:
    """A run's settings as its method's Config; InputError names every setting that it refuses, as `named` does."""
    try:
        module = find(run.model)
    except InputError as error:
        raise InputError(f"params.yaml: runs.{run.name}.model: {error}") from error
    named = named or partial(dotted, run.at)
    config = build(module.Config, run.settings, named)
    if hasattr(module, "PHASES"):
        config.schedule.check_phases(module.PHASES, named)
    return config


def create(run: Run, size: int):
    """A run's Model for training pictures of `size` px, with its inner model; InputError if its needs do not fit."""
    module, config = find(run.model), configure(run)
    kind = module.Model
    inside = inspect.signature(kind).parameters.get("inside")
    if run.inside is None and inside is not None and inside.default is inside.empty:
        raise InputError(f"{run.name}: needs.inside is nothing; {run.model} works with the model of another run")
    if run.inside is not None and inside is None:
        raise InputError(f"{run.name}: needs.inside is {run.inside.name}; {run.model} works alone: accepted: nothing")
    model = kind(config, size, create(run.inside, size)) if run.inside else kind(config, size)
    if absent := [name for name in _contract(run.model, config) if name not in dir(model)]:
        found = f"{kind.__module__}: its Model has no {absent[0]}"
        raise InputError(f"{found}; accepted: what the contract in palimpsest/models/__init__.py asks of it")
    if hasattr(config, "schedule") and size % getattr(model, "size_divisor", 1):
        found = f"{run.name}: with these settings {run.model} takes sides that are multiples of {model.size_divisor} px"
        raise InputError(f"{found}; found training pictures of {size} px")
    if bool(inherited := getattr(model, "inherits", [])) != bool(run.start):
        found = f"needs.start is {run.start.name if run.start else 'nothing'}"
        taken = f"{run.model} starts from {', '.join(inherited) or 'none'} of its networks"
        raise InputError(f"{run.name}: {found}, and {taken}; accepted: both or neither")
    return model


def _contract(model: str, config: Settings) -> list[str]:
    """The names that every Model of its kind has."""
    fills = ["sample"] if is_prior(model) else ["size_divisor", "inpaint"]
    learns = ["optimisers", "batches", "begin", "step"] if hasattr(config, "schedule") else []
    return ["networks", *fills, *learns]


def reads_features(run: Run) -> bool:
    """Whether training a run reads the network of perceptual losses."""
    loss = getattr(configure(run), "loss", None)
    return isinstance(loss, Weights) and loss.read_features


def inherit(model, start) -> None:
    """Copies the weights of another model's networks; InputError if one has no counterpart of that name and shape."""
    for name in model.inherits:
        if name not in start.networks:
            raise InputError(f"needs.start: it has no network {name!r}; accepted: {choices(start.networks, name)}")
        try:
            model.networks[name].load_state_dict(start.networks[name].state_dict())
        except RuntimeError as error:
            raise InputError(f"needs.start: its network {name!r} has other layers or sizes") from error


@contextmanager
def without_values() -> Iterator[None]:
    """Models created within have shapes but no values; nothing is drawn, and no power method run."""
    drawn = {name: lambda tensor, *_, **__: tensor for name in ("normal_", "uniform_")}
    with torch.device("meta"), patch.multiple(torch.Tensor, **drawn), patch.object(_SpectralNorm, "_power_method"):
        yield
