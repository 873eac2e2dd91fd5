"""Models of the shipped runs, and what tests ask about their layers."""

from dataclasses import replace
from pathlib import Path

import torch

from palimpsest.config import runs
from palimpsest.config.yaml import merge
from palimpsest.evaluation.counting import count_parameters
from palimpsest.models import create, without_values
from palimpsest.released import read


def made(params, name, profile="paper", size=256):
    torch.manual_seed(0)
    return create(runs.resolve(params, name, profile), size)


def as_released(params, name, size=256, **changes):
    """The model that a released file is for, with random weights, and its tensors by the file's keys.

    With changed settings it has those of the keys that it still needs.
    """
    layout = read(name)
    run = layout.made(params)
    torch.manual_seed(0)
    model = create(replace(run, settings=merge(run.settings, changes, run.at)), size)
    model.networks.eval().requires_grad_(False)
    lines = (Path(__file__).parent / "released" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    ours, keys = model.networks.state_dict(), [line.partition(",")[0] for line in lines[1:]]
    return model, {key: ours[place] for key in keys if (place := layout.place(key)) in ours}


def shrink(entry, changes):
    """Puts changes into a section of params.yaml, whose settings become those of profile tiny."""
    entry["settings"] = merge(runs.at_profile(entry["settings"], "tiny", ""), changes, "")


def counts(params, name):
    with without_values():
        return count_parameters(made(params, name))


def shapes(layers, inputs):
    """(channels, height) after each layer, and the last output."""
    found = []
    for layer in layers:
        inputs = layer(inputs)
        found.append((inputs.shape[1], inputs.shape[2]))
    return found, inputs
