"""The machine-checkable facts of LBAM at paper scale, and what its attention maps and its critic do."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, relu

from building import as_released, counts, enliven, made, together
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.learning.schedule import Phase
from palimpsest.models.lbam import BOUNDS, FORWARD, AttentionMap

JOINT = Phase(name="joint", iterations=1, learning_rate=1e-3)


def tiny(params, size=64):
    return made(params, "lbam", "tiny", size)


def without_features(params):
    params["runs"]["lbam"]["settings"]["loss"] |= {"perceptual": 0.0, "style": 0.0}
    return tiny(params)


def test_parameters(params):
    found = counts(params, "lbam")
    assert found["generator"] == 68_304_948
    assert found["critic"] == 22_316_417 - 2 * 2 * (128 + 256 + 3 * 512)  # the released code's without normalisation


def test_shapes_of_every_level(params):
    with torch.device("meta"):
        generator, x, found = made(params, "lbam").networks["generator"], torch.empty(1, 4, 256, 256), []
        for conv in generator.encoder:
            x = conv(x)
            found.append((x.shape[1], x.shape[2]))
        assert found == [(64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4), (512, 2)]
        assert generator(torch.empty(1, 3, 256, 384), torch.empty(1, 1, 256, 384)).shape == (1, 3, 256, 384)


@pytest.mark.parametrize(("size", "levels"), [(256, 7), (128, 6), (64, 5)])
def test_smaller_pictures_have_fewer_levels(params, size, levels):
    with torch.device("meta"):
        model = made(params, "lbam", "tiny", size)
        assert len(model.networks["generator"].encoder) == levels and model.size_divisor == 2**levels
        assert model.networks["critic"](torch.empty(2, 3, size, size), torch.empty(2, 1, size, size)).shape == (2, 1)


def test_the_attention_map_is_an_asymmetric_gaussian():
    layer = AttentionMap(1, 1, {"a": 3.0, "mu": 2.0, "gamma_l": 0.5, "gamma_r": 1.5}).double()
    found = layer.attention(torch.tensor([-20.0, 1.0, 2.0, 3.0, 20.0], dtype=torch.float64))
    assert found.tolist() == pytest.approx([0, 3 * math.exp(-0.5), 3, 1 + 2 * math.exp(-1.5), 1])


def test_the_updated_mask_has_no_nan_in_its_gradient():
    """The power's slope is infinite at 0."""
    layer, mask = AttentionMap(3, 4, FORWARD), torch.zeros(1, 3, 8, 8, requires_grad=True)
    attention, updated = layer(mask)
    (attention.sum() + updated.sum()).backward()
    assert (updated == 0).all() and mask.grad.isfinite().all()
    assert all(value.grad.isfinite().all() for value in layer.parameters())
    convolved = layer.conv(torch.ones(1, 3, 8, 8))
    torch.testing.assert_close(layer(torch.ones(1, 3, 8, 8))[1], convolved.clamp_min(0) ** 0.8)


def test_the_skip_connection_multiplies_by_both_maps(params, four):
    """As published: the decoder's input is the activated product of (skip, up) and (forward map, reverse map)."""
    generator = tiny(params).networks["generator"]
    image, hole = to_tensors(*four)
    known = 1 - hole
    x, mask, skips, forward = torch.cat([image * known, known], 1), torch.cat([known] * 3, 1), [], []
    for conv, attend in zip(generator.encoder, generator.forward_maps, strict=True):
        attention, mask = attend(mask)
        skips.append(conv(x))
        forward.append(attention)
        x = leaky_relu(skips[-1] * attention, 0.2)
    mask, reverse = torch.cat([1 - known] * 3, 1), []
    for attend in generator.reverse_maps:
        attention, mask = attend(mask)
        reverse.append(attention)
    for level, conv in zip(reversed(range(4)), generator.decoder, strict=True):
        features, maps = torch.cat([skips[level], conv(x)], 1), torch.cat([forward[level], reverse[level]], 1)
        x = leaky_relu(features * maps, 0.2)
    torch.testing.assert_close(generator(image, hole), (generator.out(x).tanh() + 1) / 2)


class Textbook:
    """The released network, by the names of its own keys; `bounded` clamps what its attention maps have learned."""

    def __init__(self, state, bounded=True):
        self.state = state
        self.bounded = bounded

    def half(self, name, x):
        return conv2d(x, self.state[f"{name}.weight"], stride=2, padding=1)

    def double(self, name, x):
        return conv_transpose2d(x, self.state[f"{name}.weight"], stride=2, padding=1)

    def attention(self, name, mask):
        bounds = {"a": (1.01, 6), "mu": (0.1, 3), "sigma1": (0.5, 2), "sigma2": (0.5, 2)}
        a, mu, left, right = (
            self.state[f"{name}.activationFuncG_A.{key}"].clamp(*(bound if self.bounded else (-9, 9)))
            for key, bound in bounds.items()
        )
        below, above = (torch.exp(-width * (mask - mu) ** 2) for width in (left, right))
        return torch.where(mask < mu, a * below, 1 + (a - 1) * above), relu(mask) ** 0.8

    def __call__(self, image, hole):
        known = 1 - hole
        x, mask, reverse = torch.cat([image * known, known], 1), torch.cat([known] * 3, 1), torch.cat([hole] * 3, 1)
        kept, maps = [], []
        for level in range(1, 8):
            kept.append(self.half(f"ec{level}.conv.conv", x))
            forward, mask = self.attention(f"ec{level}.conv", self.half(f"ec{level}.conv.maskConv", mask))
            x = leaky_relu(kept[-1] * forward, 0.2)
            if level < 7:
                name = f"reverseConv{level}"
                backward, reverse = self.attention(name, self.half(f"{name}.reverseMaskConv", reverse))
                maps.append(torch.cat([forward, backward], 1))
        for level in range(1, 7):
            joined = torch.cat([kept[6 - level], self.double(f"dc{level}.conv", x)], 1)
            x = leaky_relu(joined * maps[6 - level], 0.2)
        return (self.double("dc7", x).tanh() + 1) / 2


def test_a_released_state_fills_as_its_own_code_does(params, four):
    params["runs"]["lbam"]["settings"]["width"] = 16
    model, state = as_released(params, "lbam")
    enliven(state)
    for value in state.values():
        if value.ndim == 0:
            value.mul_(2)  # some are beyond their bounds
    image, hole = together(four)
    image, hole = (torch.cat([part, part.flip(3)], 3) for part in (image, hole))
    wanted = Textbook(state)(image, hole)
    assert wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
    assert (Textbook(state, bounded=False)(image, hole) - wanted).abs().max() > 0.01


def test_learned_numbers_keep_to_their_bounds_and_learn_there(params, four):
    model = without_features(params)
    maps = [module for module in model.networks["generator"].modules() if isinstance(module, AttentionMap)]
    with torch.no_grad():
        for layer in maps:
            for name, (lowest, highest) in BOUNDS.items():
                getattr(layer, name).fill_(lowest if name == "a" else highest)
    before = [getattr(layer, name).item() for layer in maps for name in BOUNDS]
    model.begin(JOINT.model_copy(update={"learning_rate": 1.0}))
    for _ in range(3):
        model.step(*to_tensors(*four))
        for layer in maps:
            for name, (lowest, highest) in BOUNDS.items():
                assert lowest <= getattr(layer, name).item() + 1e-6 and getattr(layer, name).item() <= highest + 1e-6
    assert [getattr(layer, name).item() for layer in maps for name in BOUNDS] != before


def test_numbers_outside_their_bounds_count_as_the_bounds():
    outside = AttentionMap(1, 1, {"a": 9.0, "mu": -1.0, "gamma_l": 0.1, "gamma_r": 5.0})
    bounded = AttentionMap(1, 1, {"a": 6.0, "mu": 0.1, "gamma_l": 0.5, "gamma_r": 2.0})
    convolved = torch.linspace(-3, 3, 50)
    assert torch.equal(outside.attention(convolved), bounded.attention(convolved))


def test_the_critic_learns_to_score_real_pictures_above_fakes(params, four):
    model = without_features(params)
    image, hole = to_tensors(*four)
    output = model.inpaint(image, hole).detach()
    critic = model.networks["critic"]

    def gap():
        with torch.no_grad():
            return (critic(image, hole) - critic(output, hole)).mean().item()

    model.begin(JOINT.model_copy(update={"learning_rate": 0.01}))
    first = gap()
    for _ in range(10):
        model._step_critic(image, output, hole)
    assert gap() > first + 0.01


def test_the_generator_learns_to_be_scored_higher(params, four):
    losses = dict.fromkeys(("hole", "known", "perceptual", "style", "gradient_penalty"), 0.0)
    params["runs"]["lbam"]["settings"]["loss"] |= {**losses, "adversarial": 1.0}
    model = tiny(params)
    image, hole = to_tensors(*four)
    model.begin(JOINT)
    scores = [model._step_generator(image, model.inpaint(image, hole), hole)["adversarial"].item() for _ in range(10)]
    assert scores[-1] < scores[0]  # minus the score


def test_a_column_sees_what_is_known_and_one_what_is_missing(params, four):
    critic = tiny(params).networks["critic"]
    image, hole = to_tensors(*four)
    seen = {}
    for name in ("known", "missing"):
        getattr(critic, name).register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    critic(image, hole)
    assert torch.equal(seen["known"], image * (1 - hole)) and torch.equal(seen["missing"], image * hole)


def test_the_loss_is_the_weighted_sum_of_its_terms(params, four, features):
    weights = {"hole": 6.0, "known": 2.0, "perceptual": 0.5, "style": 3.0, "adversarial": 0.25}
    params["runs"]["lbam"]["settings"]["loss"] |= weights
    model = tiny(params)
    model.begin(JOINT)
    log = {name: value.item() for name, value in model.step(*to_tensors(*four)).items()}
    assert log["generator"] == pytest.approx(sum(weights[name] * log[name] for name in weights), rel=1e-5)
    assert all(log[name] > 0 for name in ("perceptual", "style"))


def test_features_are_read_only_where_they_count(params):
    with torch.device("meta"):
        assert made(params, "lbam").config.loss.read_features
    assert not without_features(params).config.loss.read_features


@pytest.mark.parametrize("size", [8, 48])
def test_sizes_that_have_no_levels_are_refused(params, size):
    with pytest.raises(InputError, match=f"pictures of {size} px; accepted: a power of 2 from 16 px up"):
        tiny(params, size)
