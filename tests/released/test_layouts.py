"""Every released file fits our networks, key by key and shape by shape."""

import re

import pytest
import torch

from building import as_stored, shrink
from palimpsest.config.yaml import InputError
from palimpsest.released import FOLDER, Reversed, available, read
from palimpsest.released.converting import held, to_ours


def test_every_list_of_keys_has_its_layout():
    assert available() == sorted(file.stem for file in (FOLDER / "keys").glob("*.csv"))


def test_a_file_that_nobody_released_is_named():
    with pytest.raises(InputError, match="no released file 'gl-otenin'; accepted: "):
        read("gl-otenin")


AS_DEEP = {  # narrow networks with all layers of the released ones
    "cra": {
        "generator": {"levels": 3, "coarse_dilated": [3, 5, 4, 2], "refinement_dilated": [1] * 5},
        "critic": {"layers": 6},
    },
    "gl": {"dilations": [2, 4, 8, 16]},
    "pconv": {"levels": 7},
}
BLUE_FIRST = [name for name in available() if read(name).reversed != Reversed(inputs=[], outputs=[])]


def filled(model, layout, theirs, image, hole):
    """The output with a file's tensors, and if it holds a critic its score of the picture."""
    ours = held(layout, model.networks)
    model.networks.load_state_dict(model.networks.state_dict() | to_ours(layout, theirs, ours, layout.name))
    return [model.inpaint(image, hole), *([model.networks["critic"](image)] if "critic" in layout.networks else [])]


@pytest.mark.parametrize("name", BLUE_FIRST)
def test_a_network_of_blue_first_sees_and_fills_pictures_of_red_first(params, name):
    """Everywhere that colours come in or go out: as if the picture were reversed before it and its output after it."""
    layout = read(name)
    shrink(params["runs"][layout.run], AS_DEEP.get(layout.run, {}))
    size = 256 if layout.run == "pconv" else 128
    model, theirs = as_stored(params, name, size)
    model.networks.double()
    generator = torch.Generator().manual_seed(0)
    for value in theirs.values():
        if value.ndim > 1:
            value.normal_(std=1.5 * (value.numel() / max(value.shape)) ** -0.5, generator=generator)
        elif value.ndim == 1:
            value.uniform_(0.1, 0.5, generator=generator)
    image, hole = torch.rand(1, 3, size, size, generator=generator).double(), torch.zeros(1, 1, size, size).double()
    hole[..., 40:80, 30:70] = 1
    found, same = (filled(model, layout, theirs, seen, hole) for seen in (image, image.flip(1)))
    as_it_is = layout.model_copy(update={"reversed": Reversed(inputs=[], outputs=[])})
    wanted = filled(model, as_it_is, theirs, image.flip(1), hole)
    wanted[0] = wanted[0].flip(1)
    for part, expected, other in zip(found, wanted, same, strict=True):
        torch.testing.assert_close(part, expected, atol=1e-10, rtol=0)
        assert (other - expected).abs().max() > 1e-4


@pytest.mark.parametrize("name", BLUE_FIRST)
def test_every_pattern_of_reversed_colours_is_one_of_tensors_with_them(params, name):
    layout = read(name)
    model, _ = as_stored(params, name)
    shapes = {place: value.shape for place, value in held(layout, model.networks).items()}
    for side, axis in (("inputs", 1), ("last_inputs", 1), ("outputs", 0)):
        for pattern in getattr(layout.reversed, side):
            matched = [shape[axis] for place, shape in shapes.items() if re.fullmatch(pattern, place)]
            assert matched and all(channels == 3 if axis == 0 else channels >= 3 for channels in matched)
