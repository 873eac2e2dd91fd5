import math

import pytest
import torch
from torch.nn.functional import conv2d

from palimpsest.layers.style_synthesis import (
    Dense,
    ScaledConv,
    StyledConv,
    Synthesis,
    ToPicture,
    Width,
    conv,
    fixed_noise,
    modulated_conv,
    random_noise,
)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_scaled_weights_keep_the_variance():
    torch.manual_seed(0)
    assert Dense(4096, 2048)(drawn(8, 4096, seed=1)).std().item() == pytest.approx(1, rel=0.02)
    conv3 = ScaledConv(256, 512, 3)
    assert conv3(drawn(2, 256, 8, 8, seed=1))[..., 1:-1, 1:-1].square().mean().item() == pytest.approx(1.04, rel=0.05)
    slow = Dense(4096, 2048, rate=0.01)
    assert slow(drawn(8, 4096, seed=1)).std().item() == pytest.approx(1, rel=0.02)
    assert slow.weight.std().item() == pytest.approx(100, rel=0.02)


def test_demodulated_weights_have_norm_1_whatever_the_styles():
    weight, styles = drawn(5, 3, 3, 3), drawn(2, 3, seed=1).exp()
    impulse = torch.zeros(2, 3, 3, 3, 3)
    for channel in range(3):
        impulse[:, channel, channel, 1, 1] = 1
    seen = torch.stack([modulated_conv(impulse[:, c], weight, styles, conv) for c in range(3)], 2)
    assert seen.square().sum((2, 3, 4)).sqrt().flatten().tolist() == pytest.approx([1] * 10, abs=1e-4)


def test_scaling_activations_equals_scaling_weights():
    """The paper's form: each picture has weights of its own, scaled and divided by their norms."""
    x, weight, styles = drawn(2, 3, 6, 6), drawn(5, 3, 3, 3, seed=1), drawn(2, 3, seed=2)
    own = weight * styles[:, None, :, None, None]
    own = own / own.square().sum((2, 3, 4), keepdim=True).add(1e-8).sqrt()
    wanted = torch.cat([conv2d(x[i : i + 1], own[i], padding=1) for i in range(2)])
    torch.testing.assert_close(modulated_conv(x, weight, styles, conv), wanted, rtol=1e-4, atol=1e-5)


def test_noise_enters_by_its_strength():
    torch.manual_seed(0)
    layer, x, w = StyledConv(3, 5, 8, doubles=True), drawn(2, 3, 4, 4), drawn(2, 8, seed=1)
    still = layer(x, w, lambda x: 0)
    assert still.shape == (2, 5, 8, 8)
    assert torch.equal(layer(x, w, random_noise), still)  # the strength begins at 0
    layer.noise_strength.data.fill_(0.5)
    lifted = layer(x, w, lambda x: x.new_full((2, 1, 8, 8), 2.0))
    slope = torch.where(lifted > 0, math.sqrt(2), 0.2 * math.sqrt(2))
    both = (lifted > 0) == (still > 0)
    torch.testing.assert_close((lifted - still)[both], slope[both], rtol=1e-4, atol=1e-5)
    assert 0.5 < both.float().mean() < 1


def test_colours_are_not_demodulated():
    torch.manual_seed(0)
    layer, x, w = ToPicture(4, 8), drawn(2, 4, 4, 4), drawn(2, 8, seed=1)
    torch.testing.assert_close(layer(3 * x, w), 3 * layer(x, w))


def test_fixed_noise_is_the_same_whatever_the_batch():
    one, other = fixed_noise(1), fixed_noise(1)
    assert torch.equal(one(torch.zeros(1, 4, 8, 8)), other(torch.zeros(3, 2, 8, 8)))
    assert one(torch.zeros(5, 4, 4, 8)).shape == (1, 1, 4, 8)


def test_a_memory_used_level_by_level_gives_the_synthesis_features():
    torch.manual_seed(0)
    synthesis, ws = Synthesis(Width(base=64, most=8), 6, 16), drawn(2, 6, 6)
    assert synthesis.layers + 1 == 6
    seen = []
    for level in synthesis.levels:
        level.register_forward_hook(lambda _, __, x: seen.append(x))
    picture = synthesis(ws, fixed_noise(1))
    assert picture.shape == (2, 3, 16, 16) and [x.shape[-1] for x in seen] == [4, 8, 16]
    noise, x, place = fixed_noise(1), synthesis.start(2), 0
    for level, wanted in zip(synthesis.levels, list(seen), strict=True):
        x = level(x, ws[:, place : place + len(level.convs)].unbind(1), noise)
        place += len(level.convs)
        assert torch.equal(x, wanted)


def test_a_picture_grows_from_the_size_that_is_asked_for():
    torch.manual_seed(0)
    synthesis, ws = Synthesis(Width(base=64, most=8), 6, 16), drawn(2, 6, 6)
    still = lambda x: x.new_zeros(1, 1, 1, 1)  # noqa: E731
    with torch.no_grad():
        assert torch.equal(synthesis(ws, still), synthesis(ws, still, 4, 4))
        assert synthesis(ws, still, 2, 7).shape == (2, 3, 8, 28)
