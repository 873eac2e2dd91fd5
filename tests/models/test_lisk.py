"""The machine-checkable facts of LISK at paper scale, 256 px, and what its losses and inputs promise."""

import pytest
import torch

from building import counts, made, shrink
from palimpsest.inpainting import to_tensors
from palimpsest.layers.edges import canny, sobel
from palimpsest.learning.schedule import Phase
from palimpsest.models.lisk import edge_weights, pyramid

JOINT = Phase(name="joint", iterations=1, learning_rate=1e-3)


def tiny(params, **changes):
    shrink(params["runs"]["lisk"], changes)
    return made(params, "lisk", "tiny", 64)


def batch(model, four):
    image, hole = to_tensors(*four)
    return image, hole, *model.derive(image, hole)


@pytest.mark.parametrize(("normalised", "parameters"), [("everywhere", 15_089_000), ("hidden", 15_088_946)])
def test_parameters(params, normalised, parameters):
    params["runs"]["lisk"]["settings"]["normalised"]["paper"] = normalised
    found = counts(params, "lisk")
    assert (found["generator"], found["critic"]) == (parameters, 2_764_737)


def test_pictures_and_gradients_at_three_scales(params):
    with torch.device("meta"):
        generator = made(params, "lisk").networks["generator"]
        inputs = torch.empty(2, 11, 256, 256)
        assert generator.encoder(inputs).shape == (2, 256, 64, 64)
        pictures, gradients = generator(inputs)
    assert [tuple(picture.shape) for picture in pictures] == [(2, 3, side, side) for side in (64, 128, 256)]
    assert [tuple(maps.shape) for maps in gradients] == [(2, 6, side, side) for side in (64, 128, 256)]


def test_what_the_generator_sees(params, four):
    """Edges are black on white, the hole is white among them and grey in the picture."""
    model, seen = tiny(params, hole_colour="grey"), []
    model.networks["generator"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image, hole, known, *_ = batch(model, four)
    assert torch.equal(known, canny(image, hole, 1.0))
    model.inpaint(image, hole)
    colours, edges, missing, gradients = seen[0].split([3, 1, 1, 6], 1)
    assert torch.equal(colours, torch.where(hole > 0, 0, image * 2 - 1))
    assert torch.equal(edges, 1 - known) and torch.equal(missing, hole)
    assert torch.equal(gradients, sobel(image * 2 - 1, hole))


def test_edges_weigh_most_where_they_are(params, four):
    image, _, _, *weights = batch(tiny(params), four)
    for x, weight in zip(pyramid(image), weights, strict=True):
        edges = canny(x, torch.zeros_like(x[:, :1]), 1.0)
        assert weight.shape == edges.shape
        assert weight[edges > 0].mean() > 2 * weight[edges == 0].mean()
        inner = edges.clone()
        inner[..., :4, :], inner[..., -4:, :], inner[..., :4], inner[..., -4:] = 0, 0, 0, 0
        assert inner.sum() - 1e-3 <= weight.sum() <= edges.sum() + 1e-3  # the blur keeps the sum but at the border


def test_a_blurred_dot_is_a_gaussian_of_twice_the_variance():
    dot = torch.zeros(1, 1, 17, 17)
    dot[..., 8, 8] = 1
    weight = edge_weights(dot)[0, 0]
    distance = torch.arange(17.0) - 8
    assert (weight.sum(0) * distance**2).sum().item() == pytest.approx(2, rel=0.1)  # 5 px cut the Gaussian's tails
    torch.testing.assert_close(weight, weight.mT)


@pytest.mark.parametrize("smaller", [0.0, 0.5])
def test_the_losses_are_the_weighted_sum_of_their_terms(params, four, features, smaller):
    weights = {"hole": 2.0, "known": 3.0, "gradients": 4.0, "edges": 5.0, "perceptual": 6.0, "style": 7.0}
    model = tiny(params, loss={**weights, "adversarial": 8.0, "smaller": smaller})
    image, hole, known, *blurred = batch(model, four)
    x, zero = image * 2 - 1, torch.zeros_like(hole)
    with torch.no_grad():
        pictures, gradients = model.complete(image, hole, known)
    model.begin(JOINT)
    log = {name: value.item() for name, value in model.step(image, hole, known, *blurred).items()}

    def l1(found, wanted, region):
        return ((found - wanted).abs() * region).sum().item() / region.sum().item()

    assert log["hole"] == pytest.approx(l1(pictures[-1], x, hole), rel=1e-4)
    assert log["known"] == pytest.approx(l1(pictures[-1], x, 1 - hole), rel=1e-4)
    errors = [
        (maps - sobel(part, blank)).abs()
        for maps, part, blank in zip(gradients, pyramid(x), pyramid(zero), strict=True)
    ]
    assert log["gradients"] == pytest.approx(sum(error.mean().item() for error in errors), rel=1e-4)
    weighted = sum((e * w).sum().item() / w.sum().item() / 6 for e, w in zip(errors, blurred, strict=True))
    assert log["edges"] == pytest.approx(weighted, rel=1e-4)
    wanted = sum(weight * log[name] for name, weight in [*weights.items(), ("adversarial", 8.0)])
    for picture, part, gap in list(zip(pictures, pyramid(x), pyramid(hole), strict=True))[:-1]:
        wanted += smaller * (2.0 * l1(picture, part, gap) + 3.0 * l1(picture, part, 1 - gap))
    assert log["generator"] == pytest.approx(wanted, rel=1e-4)
    assert log["perceptual"] > 0 and log["style"] > 0


def test_pictures_without_edges_have_a_finite_loss(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    image = torch.full_like(image, 0.5)
    model.begin(JOINT)
    log = model.step(image, hole, *model.derive(image, hole))
    assert log["edges"] == 0 and torch.isfinite(log["generator"])


def test_both_networks_learn_at_once_and_at_one_rate(params, four):
    model = tiny(params)
    before = {key: value.clone() for key, value in model.networks.named_parameters()}
    model.begin(JOINT)
    model.step(*batch(model, four))
    moved = {
        key.split(".")[0] for key, value in model.networks.named_parameters() if not torch.equal(value, before[key])
    }
    assert moved == {"generator", "critic"}
    assert {optimiser.param_groups[0]["lr"] for optimiser in model.optimisers.values()} == {1e-3}


@pytest.mark.parametrize(("normalised", "level_is_kept"), [("hidden", False), ("nowhere", True)])
def test_without_normalisation_the_encoder_keeps_the_mean_level(params, normalised, level_is_kept):
    encoder = tiny(params, normalised=normalised).networks["generator"].encoder
    pictures = [torch.full((1, 11, 64, 64), level) for level in (0.2, 0.6)]
    with torch.no_grad():
        dark, light = map(encoder, pictures)
    assert torch.allclose(dark, light, atol=1e-3) != level_is_kept
