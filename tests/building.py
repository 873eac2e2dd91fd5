"""Models of the shipped runs, and what tests ask about their layers."""

from pathlib import Path

import torch

from palimpsest.config import runs
from palimpsest.config.yaml import merge
from palimpsest.evaluation.counting import count_parameters
from palimpsest.inpainting import to_tensors
from palimpsest.models import create, without_values
from palimpsest.released import read


def made(params, name, profile="paper", size=256):
    torch.manual_seed(0)
    return create(runs.resolve(params, name, profile), size)


def as_released(params, *names, size=256):
    """The model that released files are for, with random weights, and the tensors of each by its file's keys."""
    layouts = [read(name) for name in names]
    torch.manual_seed(0)
    model = create(layouts[0].made(params), size)
    model.networks.eval().requires_grad_(False)
    ours = model.networks.state_dict()
    return model, *(
        {key: ours[place] for key, place in placed(layout, name) if place in ours}
        for layout, name in zip(layouts, names, strict=True)
    )


def placed(layout, name):
    """(key, name in our networks) of what a released file holds."""
    lines = (Path(__file__).parent / "released" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return [(key, layout.place(key)) for key in (line.partition(",")[0] for line in lines[1:])]


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
