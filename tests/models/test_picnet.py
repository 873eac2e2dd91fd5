"""The machine-checkable facts of PICNet at paper scale, 256 px, and what its two paths promise."""

import math

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, leaky_relu

from building import counts, made, shrink
from palimpsest.inpainting import to_tensors
from palimpsest.learning.schedule import Phase
from palimpsest.models.picnet import DownBlock, ShortLongAttention, fixed_prior, normal, scaled

JOINT = Phase(name="joint", iterations=1, learning_rate=1e-3)


def tiny(params, **changes):
    shrink(params["runs"]["picnet"], changes)
    model = made(params, "picnet", "tiny", 64)
    model.networks.eval()
    return model


def test_parameters(params):
    found = counts(params, "picnet")
    assert found["encoder"] == 3_604_224
    assert found["generator"] == 2_374_016
    unused = (256 * 128 * 9 + 128) + (128 * 128 * 9 + 128) + (256 * 128 + 128) + 1  # of the released critics' attention
    assert found["critic"] == found["reconstruction_critic"] == 1_575_075 - unused


def test_shapes(params):
    with torch.device("meta"):
        networks = made(params, "picnet").networks
        at_eighth, deepest = networks["encoder"](torch.empty(2, 3, 256, 256))
        assert at_eighth.shape == (2, 128, 32, 32) and deepest.shape == (2, 128, 8, 8)
        z = networks["encoder"].p(deepest).mean
        assert z.shape == networks["encoder"].q(deepest).mean.shape == (2, 128, 8, 8)
        pictures = networks["generator"](z, at_eighth, deepest, torch.empty(2, 1, 256, 256))
        assert [tuple(picture.shape) for picture in pictures] == [(2, 3, s, s) for s in (32, 64, 128, 256)]
        assert networks["critic"](pictures[-1]).shape == (2, 1, 6, 6)


@pytest.mark.parametrize("begins", [True, False])
def test_a_down_block_averages_both_of_its_branches(begins):
    torch.manual_seed(0)
    block, x = DownBlock(3, 4, 5, begins).eval(), torch.randn(2, 3, 8, 12)
    first, second = ((layer.weight, layer.bias) for layer in (block.first, block.second))
    hidden = leaky_relu(conv2d(x if begins else leaky_relu(x, 0.1), *first, padding=1), 0.1)
    whole = conv2d(hidden, *second, padding=1) + conv2d(x, block.bypass.weight, block.bypass.bias)
    torch.testing.assert_close(block(x), avg_pool2d(whole, 2))


def test_attention_starts_by_keeping_what_is_known(params):
    torch.manual_seed(0)
    layer, seen = ShortLongAttention(8), []
    layer.merge.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x, known = torch.randn(2, 2, 8, 4, 4)
    valid = torch.zeros(2, 1, 4, 4)
    valid[..., :2] = 1
    layer(x, known, valid)
    assert torch.equal(seen[0], torch.cat([x, known * valid], 1))
    torch.nn.init.ones_(layer.gamma)
    torch.nn.init.ones_(layer.alpha)
    torch.nn.init.zeros_(layer.query.weight)  # all positions alike: attention is the mean
    layer(x, known, valid)
    near, far = (maps.mean((2, 3), keepdim=True).expand_as(maps) for maps in (x, known))
    torch.testing.assert_close(seen[1], torch.cat([x + near, torch.where(valid > 0, known, far)], 1))


def test_the_larger_the_hole_the_wider_the_fixed_prior():
    holes = torch.zeros(3, 1, 10, 10)
    holes[1, :, :2], holes[2] = 1, 1
    deviations = fixed_prior(holes, torch.zeros(3, 2, 4, 4)).stddev[:, 0, 0, 0].tolist()
    assert deviations == pytest.approx([1 / (1 + math.exp(1.6)), 0.5, 1 / (1 + math.exp(-6.4))])


def test_the_posterior_sees_the_hole_and_the_prior_the_rest(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    x = image * 2 - 1
    other = torch.rand_like(x)
    with torch.no_grad():
        posterior, prior, _, _ = model.both_paths(x, hole)
        in_hole = model.both_paths(torch.where(hole > 0, other, x), hole)
        outside = model.both_paths(torch.where(hole > 0, x, other), hole)
    assert torch.equal(in_hole[1].mean, prior.mean) and not torch.allclose(in_hole[0].mean, posterior.mean)
    torch.testing.assert_close(outside[0].mean, posterior.mean)
    assert not torch.allclose(outside[1].mean, prior.mean)


def test_the_prior_learns_from_the_posterior_and_not_the_other_way(params, four):
    """With the divergence alone, the encoder's posterior is drawn to the fixed prior only."""
    model = tiny(params, loss={"appearance": 0.0, "adversarial": 0.0})
    image, hole = to_tensors(*four)
    torch.manual_seed(0)
    posterior, prior, _, _ = model.both_paths(image * 2 - 1, hole)
    torch.manual_seed(0)
    model.begin(JOINT)
    log = model.step(image, hole)
    p, q = (posterior.mean, posterior.stddev), (prior.mean, prior.stddev)
    fixed = fixed_prior(hole, posterior.mean)

    def divergence(p, q):
        return (torch.log(q[1] / p[1]) + (p[1] ** 2 + (p[0] - q[0]) ** 2) / (2 * q[1] ** 2) - 0.5).mean()

    assert log["divergence_gen"].item() == pytest.approx(4 * divergence(p, q).item(), rel=1e-4)
    assert log["divergence_rec"].item() == pytest.approx(4 * divergence(p, (fixed.mean, fixed.stddev)).item(), rel=1e-4)
    assert log["generator"].item() == pytest.approx(
        20 * (log["divergence_gen"] + log["divergence_rec"]).item(), rel=1e-5
    )


def test_the_loss_weighs_both_paths_alike(params, four):
    model = tiny(params, loss={"divergence": 2.0, "appearance": 3.0, "adversarial": 5.0})
    model.begin(JOINT)
    log = {name: value.item() for name, value in model.step(*to_tensors(*four)).items()}
    terms = {"divergence": 2.0, "appearance": 3.0, "adversarial": 5.0}
    wanted = sum(weight * (log[f"{name}_rec"] + log[f"{name}_gen"]) for name, weight in terms.items())
    assert log["generator"] == pytest.approx(wanted, rel=1e-5)


def test_the_generative_path_may_fill_the_hole_as_it_likes(params, four, monkeypatch):
    model = tiny(params)
    image, hole = to_tensors(*four)
    both_paths = model.both_paths
    for right_on in ("rec", "gen"):
        posterior, prior, rec, _ = both_paths(image * 2 - 1, hole)
        right = [scaled(image * 2 - 1, picture) + 0 * picture for picture in rec]
        wrong = [*right[:-1], right[-1] + hole]
        paths = (right, wrong) if right_on == "rec" else (wrong, right)
        monkeypatch.setattr(model, "both_paths", lambda *_, found=(posterior, prior, *paths): found)
        log = model.step(image, hole)
        assert log["appearance_gen"].item() == pytest.approx(0, abs=1e-6)
        assert log["appearance_rec"].item() == pytest.approx(0 if right_on == "rec" else hole.mean().item(), abs=1e-6)


def test_the_critic_chooses_among_the_samples(params, four):
    model = tiny(params, samples=5)
    image, hole = to_tensors(*four)
    with torch.no_grad():
        outputs = torch.stack(list(model.drawn(image, hole)))
        x = image * 2 - 1
        scores = torch.stack([model.networks["critic"](o * hole + x * (1 - hole)).mean((1, 2, 3)) for o in outputs])
        chosen = scores.argmax(0)
        wanted = outputs[chosen, torch.arange(4)]
        torch.testing.assert_close(model.inpaint(image, hole), (wanted + 1) / 2)
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-4)


def test_more_samples_begin_with_the_same_ones(params, four):
    few, many = tiny(params, samples=1), tiny(params, samples=3)
    with torch.no_grad():
        assert torch.equal(next(iter(few.drawn(*to_tensors(*four)))), next(iter(many.drawn(*to_tensors(*four)))))


def test_a_distribution_never_narrows_to_a_point():
    found = normal(torch.full((1, 2, 1, 1), -200.0))
    assert found.mean.item() == -200 and found.stddev.item() > 0
