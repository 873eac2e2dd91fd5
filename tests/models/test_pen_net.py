"""The machine-checkable facts of PEN-Net at paper scale, 256 px, and what its attention and its losses promise."""

import pytest
import torch
from torch.nn.functional import conv2d, interpolate, leaky_relu

from building import as_released, counts, enliven, made, together
from layers.textbook_transfer import textbook_transfer
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.learning.schedule import Phase
from palimpsest.models.pen_net import AttentionTransfer

PHASE = Phase(name="first", iterations=1, learning_rate=1e-3)


def test_parameters(params):
    found = counts(params, "pen-net")
    assert found["generator"] == 10_231_538
    assert found["critic"] == 4_318_401


def test_shapes_of_all_levels(params):
    with torch.device("meta"):
        model = made(params, "pen-net")
        output, pyramid = model.networks["generator"](torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256))
        assert output.shape == (2, 3, 256, 256)
        assert [picture.shape for picture in pyramid] == [(2, 3, side, side) for side in (8, 16, 32, 64, 128)]
        assert model.networks["critic"](torch.empty(2, 3, 256, 256)).shape == (2, 1, 27, 27)


def textbook(state, x, hole, align_corners=True):
    """The released generator, by the names of its own keys: the pictures of all levels, then the output."""

    def conv(name, x, **switches):
        return conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **switches)

    def double(x):
        return interpolate(x, scale_factor=2, mode="bilinear", align_corners=align_corners)

    maps = [torch.cat([x * (1 - hole) + hole, hole], 1)]
    for level in range(1, 7):
        slope = 0.2 if level < 6 else 0.0
        maps.append(leaky_relu(conv(f"dw_conv0{level}.0", maps[-1], stride=2, padding=1), slope))
    joined = attended = maps[6]
    for level in range(5, 0, -1):
        attended = textbook_transfer(maps[level], attended, hole, kernel=1 if level == 5 else 3)
        if level < 5:
            branches = enumerate((1, 2, 4, 8))
            names = [(f"at_conv0{level}.conv0{branch}.0", {"padding": d, "dilation": d}) for branch, d in branches]
            attended = torch.cat([conv(name, attended, **switches).relu() for name, switches in names], 1)
        joined = torch.cat([conv(f"up_conv0{level}.0", double(joined), padding=1).relu(), attended], 1)
        yield conv(f"torgb{level}.0", joined).tanh()
    yield conv("decoder.2", conv("decoder.0", double(joined), padding=1).relu(), padding=1).tanh()


def test_a_released_state_fills_as_its_own_code_does(params, four):
    params["runs"]["pen-net"]["settings"]["width"] = 8
    model, state = as_released(params, "pennet", size=128)
    enliven(state)
    image, hole = together(four)
    x = image * 2 - 1
    *pictures, output = textbook(state, x, hole)
    wanted = (output + 1) / 2
    assert wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)
    for found, expected in zip(model.networks["generator"](x, hole)[1], pictures, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
    *_, other = textbook(state, x, hole, align_corners=False)
    assert (other - output).abs().max() > 0.01


@pytest.mark.parametrize(("deepest", "kernel"), [(True, 1), (False, 3)])
def test_attention_transfer_is_the_textbook_form(deepest, kernel, monkeypatch):
    monkeypatch.setattr("palimpsest.layers.attention_transfer.CHUNK_BYTES", 1)  # several chunks
    torch.manual_seed(0)
    shallow, deep = torch.randn(2, 4, 24, 20).double(), 0.05 * torch.randn(2, 5, 12, 10).double()
    deep[0, :, 2, 3] = 0
    hole = torch.zeros(2, 1, 48, 40).double()
    hole[0, :, 8:30, 10:25], hole[1, :, 20:, 20:] = 1, 1
    transfer = AttentionTransfer(4, deepest)
    transfer.mix = torch.nn.Identity()
    torch.testing.assert_close(transfer(shallow, deep, hole), textbook_transfer(shallow, deep, hole, kernel))


def test_what_lies_in_the_hole_is_not_copied():
    torch.manual_seed(0)
    shallow, deep, hole = torch.randn(1, 4, 16, 16), torch.randn(1, 5, 8, 8), torch.zeros(1, 1, 32, 32)
    hole[..., 8:24, 8:24] = 1
    other = shallow.clone()
    other[..., 6:10, 6:10] += 100
    transfer = AttentionTransfer(4, True)
    torch.testing.assert_close(transfer(other, deep, hole), transfer(shallow, deep, hole), atol=1e-4, rtol=0)


def test_the_hole_is_white_before_the_network_sees_it(params):
    generator = made(params, "pen-net", "tiny", 64).networks["generator"]
    seen = []
    generator.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., :32] = 1
    generator(torch.full((1, 3, 64, 64), -0.5), hole)
    assert (seen[0][:, :3, :, :32] == 1).all() and (seen[0][:, :3, :, 32:] == -0.5).all()
    assert torch.equal(seen[0][:, 3:], hole)


def test_the_losses_of_the_hole_and_of_the_pyramid(params, four):
    """A network that says 0 everywhere: means over the hole and over what is known, and the sum over all levels."""
    model = made(params, "pen-net", "tiny", 64)
    model.begin(PHASE)
    with torch.no_grad():
        for value in (
            *model.networks["generator"].to_picture.parameters(),
            *model.networks["generator"].levels.parameters(),
        ):
            value.zero_()
    image, hole = to_tensors(*four)
    x = (image * 2 - 1).double()
    log = model.step(image, hole)
    missing = hole.expand_as(x) > 0
    assert log["hole"].item() == pytest.approx(x[missing].abs().mean().item(), rel=1e-4)
    assert log["known"].item() == pytest.approx(x[~missing].abs().mean().item(), rel=1e-4)
    reduced = [interpolate(x, side, mode="bilinear", align_corners=True).abs().mean().item() for side in (8, 16, 32)]
    assert log["pyramid"].item() == pytest.approx(sum(reduced), rel=1e-4)
    weight = model.config.loss
    total = sum(getattr(weight, name) * log[name].item() for name in ("hole", "known", "pyramid", "adversarial"))
    assert log["generator"].item() == pytest.approx(total, rel=1e-5)


def test_the_weights_are_the_released_codes(params):
    weights = {"hole": 6.0, "known": 1.0, "pyramid": 0.5, "adversarial": 0.1, "critic": 0.5}
    assert made(params, "pen-net").config.loss.model_dump() == weights


def test_pictures_that_the_networks_cannot_take_are_refused(params):
    with pytest.raises(InputError, match="levels is 4 for pictures of 40 px; accepted: multiples of 16 px"):
        made(params, "pen-net", "tiny", 40)
    with pytest.raises(InputError, match=r"critic\.levels is 2 for pictures of 16 px; accepted: fewer"):
        made(params, "pen-net", "tiny", 16)
