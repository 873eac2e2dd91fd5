"""Models of the shipped runs, and what tests ask about their layers."""

from dataclasses import replace

import torch

from palimpsest.config import runs
from palimpsest.config.yaml import merge
from palimpsest.evaluation.counting import count_parameters
from palimpsest.inpainting import to_tensors
from palimpsest.models import create, without_values
from palimpsest.released import read
from palimpsest.released.converting import as_theirs, bare, held, to_ours


def made(params, name, profile="paper", size=256):
    torch.manual_seed(0)
    return create(runs.resolve(params, name, profile), size)


def as_released(params, *names, size=256, **changes):
    """The model that released files are for, with random weights, and the tensors of each by its file's keys.

    With changed settings it has those of the keys that it still needs.
    """
    layouts = [read(name) for name in names]
    run = layouts[0].made(params)
    torch.manual_seed(0)
    model = create(replace(run, settings=merge(run.settings, changes, run.at)), size)
    model.networks.eval().requires_grad_(False)
    ours = model.networks.state_dict()
    return model, *({key: ours[place] for key, place in placed(layout) if place in ours} for layout in layouts)


def placed(layout):
    """(key, name in our networks) of what a released file holds."""
    return [(key, layout.place(name)) for key, name in bare(layout.keys()).items()]


def as_stored(params, name, size=256):
    """The model that a released file is for, and its random tensors as the file has them, for `load_released`."""
    layout = read(name)
    torch.manual_seed(0)
    model = create(layout.made(params), size)
    model.networks.eval().requires_grad_(False)
    ours = held(layout, model.networks)
    return model, {key: as_theirs(layout, place, ours[place]).clone() for key, place in placed(layout) if place in ours}


def enliven(state):
    """Random values, no two layers alike, under which signals neither fade nor grow much."""
    generator = torch.Generator().manual_seed(0)
    for key, value in state.items():
        if value.ndim > 1:
            value.normal_(std=(2 / value[0].numel()) ** 0.5, generator=generator)
        elif key.endswith(("bias", "mean")):
            value.normal_(std=0.2, generator=generator)
        elif value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)


def together(four):
    """Four photographs and their holes as one of twice the size, `image` and `hole`."""
    image, hole = to_tensors(*four)
    return tuple(torch.cat([torch.cat([*row], 2) for row in part.chunk(2)], 1)[None] for part in (image, hole))


def load_released(model, name, state):
    layout, ours = read(name), model.networks.state_dict()
    model.networks.load_state_dict(ours | to_ours(layout, state, held(layout, model.networks), name))


def numbered(params, name):
    """Tensors of a released file's networks by our names, floating-point values all different."""
    layout = read(name)
    with without_values():
        ours = held(layout, create(layout.made(params), layout.size or 256).networks)
    for place, (key, value) in enumerate(ours.items()):
        numbers = torch.arange(value.numel()) + place if value.is_floating_point() else torch.zeros(value.numel())
        ours[key] = numbers.to(value.dtype).view(value.shape)
    return ours


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
