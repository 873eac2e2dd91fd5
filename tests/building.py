"""Models of the shipped runs, and what tests ask about their layers."""

import torch

from palimpsest.config import runs
from palimpsest.config.yaml import merge
from palimpsest.evaluation.counting import count_parameters
from palimpsest.models import create, without_values


def made(params, name, profile="paper", size=256):
    torch.manual_seed(0)
    return create(runs.resolve(params, name, profile), size)


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
