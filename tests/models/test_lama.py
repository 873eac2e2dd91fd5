"""The machine-checkable facts of LaMa, and what it makes of a released state."""

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d, pad

from building import as_released
from layers.textbook_fourier import textbook_unit
from palimpsest.evaluation.counting import count_parameters
from palimpsest.models import without_values
from palimpsest.released import read


@pytest.mark.parametrize(("blocks", "parameters"), [(18, 50_975_875), (9, 27_048_835)])
def test_parameters_by_blocks(params, blocks, parameters):
    with without_values():
        model, _ = as_released(params, "lama-big", blocks=blocks)
    assert count_parameters(model)["generator"] == parameters


def textbook(state, x, hole):
    """The released generator, by the names of its own keys, without its sigmoid."""

    def weight(name):
        return state[f"generator.model.{name}.weight"]

    def normed(name, x):
        parts = ("running_mean", "running_var", "weight", "bias")
        return batch_norm(x, *(state[f"generator.model.{name}.{part}"] for part in parts), eps=1e-5)

    def mirrored(name, x, stride=1):
        margin = weight(name).shape[-1] // 2
        return conv2d(pad(x, (margin,) * 4, mode="reflect"), weight(name), stride=stride)

    def spectral(name, x):
        x = normed(f"{name}.conv1.1", conv2d(x, weight(f"{name}.conv1.0"))).relu()
        between = lambda parts: normed(f"{name}.fu.bn", conv2d(parts, weight(f"{name}.fu.conv_layer")))  # noqa: E731
        return conv2d(x + textbook_unit(x, between), weight(f"{name}.conv2"))

    x = torch.cat([x * (1 - hole), hole], 1)
    for layer in (1, 2, 3):
        x = normed(f"{layer}.bn_l", mirrored(f"{layer}.ffc.convl2l", x, stride=min(layer, 2))).relu()
    near, far = (normed(f"4.bn_{part}", mirrored(f"4.ffc.convl2{part}", x, stride=2)).relu() for part in "lg")
    for layer in range(5, 23):
        before = near, far
        for conv in (f"{layer}.conv1", f"{layer}.conv2"):
            local = mirrored(f"{conv}.ffc.convl2l", near) + mirrored(f"{conv}.ffc.convg2l", far)
            whole = mirrored(f"{conv}.ffc.convl2g", near) + spectral(f"{conv}.ffc.convg2g", far)
            near, far = normed(f"{conv}.bn_l", local).relu(), normed(f"{conv}.bn_g", whole).relu()
        near, far = near + before[0], far + before[1]
    x = torch.cat([near, far], 1)
    for layer in (24, 27, 30):
        bias = state[f"generator.model.{layer}.bias"]
        x = conv_transpose2d(x, weight(layer), bias, stride=2, padding=1, output_padding=1)
        x = normed(layer + 1, x).relu()
    return mirrored(34, x) + state["generator.model.34.bias"].view(-1, 1, 1)


def test_a_released_state_fills_as_its_own_code_does(params):
    model, state = as_released(params, "lama-big")
    for key, value in state.items():
        if key.endswith(("running_var", "weight")) and value.ndim == 1:
            value.uniform_(0.5, 1.5)
        elif value.ndim == 1:
            value.normal_(0, 0.3)
    hole = torch.zeros(2, 1, 64, 48)
    hole[0, :, 20:50, 10:30], hole[1, :, :40, 24:] = 1, 1
    image = torch.rand(2, 3, 64, 48)
    out = state["generator.model.34.weight"]
    out.div_(textbook(state, image, hole).std())
    wanted = textbook(state, image, hole).sigmoid()
    assert 0.1 < wanted.std() < 0.3
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)


def test_what_the_generator_does_not_hold_is_ignored():
    layout = read("lama-big")
    assert layout.within == ["state_dict"]
    for key in ("discriminator.model0.0.weight", "loss_resnet_pl.impl.conv1.weight", "val_evaluator.scores.fid.weight"):
        assert layout.place(key) is None


def test_a_picture_without_a_border_to_mirror_is_continued(params):
    model, _ = as_released(params, "lama-big", width=4, blocks=1)
    image, hole = torch.rand(1, 3, 8, 24), torch.zeros(1, 1, 8, 24)
    hole[..., 2:5, 3:20] = 1
    repeated = [torch.cat([each, each[..., -1:, :].expand(-1, -1, 8, -1)], 2) for each in (image, hole)]
    assert model.size_divisor == 8
    assert torch.equal(model.inpaint(image, hole), model.inpaint(*repeated)[..., :8, :])
