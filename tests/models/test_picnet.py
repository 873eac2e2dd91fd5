"""The machine-checkable facts of PICNet at paper scale, 256 px, and what its two paths promise."""

import math

import pytest
import torch
from torch.nn.functional import (
    avg_pool2d,
    conv2d,
    conv_transpose2d,
    instance_norm,
    interpolate,
    leaky_relu,
    pad,
    softplus,
)

from building import as_released, counts, enliven, made, shrink, together
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
    layer, seen = ShortLongAttention(8, 0.1), []
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


class Textbook:
    """A released network, by the names of its own keys; `steps` of the power method come before each pass."""

    def __init__(self, state, steps=1, merging_leak=0.01, reduction="bilinear"):
        self.state = state
        self.steps = steps
        self.merging_leak = merging_leak
        self.reduction = reduction

    def own(self, name):
        return self.state[f"module.{name}"]

    def weight(self, name):
        weight, u, v = (self.own(f"{name}.module.weight_{part}") for part in ("bar", "u", "v"))
        matrix = weight.flatten(1)
        for _ in range(self.steps):
            v = matrix.T @ u / (matrix.T @ u).norm()
            u = matrix @ v / (matrix @ v).norm()
        return weight / (u @ matrix @ v)

    def conv(self, name, x, padding=1):
        return conv2d(x, self.weight(name), self.own(f"{name}.module.bias"), padding=padding)

    def doubled(self, name, x):
        weight, bias = self.weight(name), self.own(f"{name}.module.bias")
        return conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)

    def block(self, name, x, leak=0.1):
        hidden = self.conv(f"{name}.conv1", leaky_relu(x, leak))
        return self.conv(f"{name}.conv2", leaky_relu(hidden, leak)) + self.conv(f"{name}.bypass", x, padding=0)

    def first(self, x):
        hidden = self.conv("block0.conv2", leaky_relu(self.conv("block0.conv1", x), 0.1))
        return avg_pool2d(hidden, 2) + self.conv("block0.bypass", avg_pool2d(x, 2), padding=0)

    def up(self, name, x):
        def normed(layer, x):
            weight, bias = (self.own(f"{name}.model.{layer}.{part}") for part in ("weight", "bias"))
            return leaky_relu(instance_norm(x, weight=weight, bias=bias), 0.1)

        hidden = self.conv(f"{name}.conv1", normed(0, x))
        return self.doubled(f"{name}.conv2", normed(3, hidden)) + self.doubled(f"{name}.bypass", x)

    def attention(self, name, x):
        """For each place the shares that all places have."""
        query = conv2d(x, self.own(f"{name}.query_conv.weight"), self.own(f"{name}.query_conv.bias")).flatten(2)
        return (query.transpose(1, 2) @ query).softmax(2)

    def encode(self, x):
        maps = [self.first(x)]
        for level in range(4):
            maps.append(avg_pool2d(self.block(f"encoder{level}", maps[-1]), 2))
        hidden = maps[-1]
        for block in range(6):
            hidden = self.block(f"infer_prior{block}", hidden)
        mean, deviation = self.block("prior", hidden).chunk(2, 1)
        return maps[2], maps[-1], mean, softplus(deviation)

    def generate(self, z, at_eighth, deepest, valid):
        x = self.up("decoder1", self.up("decoder0", deepest + self.block("generator", z)))
        align = {"align_corners": True} if self.reduction == "bilinear" else {}
        known = interpolate(valid, x.shape[2:], mode=self.reduction, **align)
        shares = self.attention("attn1", x)
        near, far = ((part.flatten(2) @ shares.transpose(1, 2)).view_as(part) for part in (x, at_eighth))
        carried = self.own("attn1.alpha") * (1 - known) * far + known * at_eighth
        joined = torch.cat([self.own("attn1.gamma") * near + x, carried], 1)
        x = self.block("attn1.model", joined, self.merging_leak)
        for level in range(1, 5):
            x = x if level == 1 else self.up(f"decoder{level}", x)
            picture = self.conv(f"out{level}.conv1", pad(leaky_relu(x, 0.1), [1] * 4, mode="reflect"), 0).tanh()
            x = torch.cat([x, picture], 1)
        return picture

    def judge(self, x):
        x = self.first(x)
        for level in range(4):
            if level == 2:
                gathered = x.flatten(2) @ self.attention("attn2", x).transpose(1, 2)
                x = self.own("attn2.gamma") * gathered.view_as(x) + x
            x = avg_pool2d(self.block(f"encoder{level}", x), 2)
        return self.conv("conv", leaky_relu(self.block("block1", x), 0.1), padding=0).mean()


def released_code(states, image, hole, samples, **choices):
    """Every z has the noise that ours has; the released code goes on iterating from sample to sample, here each starts
    from the file."""
    encoder, generator, critic = (Textbook(state, **choices) for state in states)
    x, noise = (image * 2 - 1) * (1 - hole), torch.Generator().manual_seed(1)
    at_eighth, deepest, mean, deviation = encoder.encode(x)
    results = []
    for _ in range(samples):
        z = mean + deviation * torch.randn(1, *mean.shape[1:], generator=noise)
        results.append(generator.generate(z, at_eighth, deepest, 1 - hole))
    best = max(results, key=lambda output: critic.judge(output * hole + x))
    return (best + 1) / 2


def test_a_released_state_fills_as_its_own_code_does(params, four):
    params["runs"]["picnet"]["settings"] |= {"width": 8, "samples": 4}
    model, *states = as_released(params, "picnet-E", "picnet-G", "picnet-D", size=128)
    for state in states:
        enliven(state)
    image, hole = together(four)
    wanted = released_code(states, image, hole, 4)
    assert wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
    for wrong in ({"steps": 0}, {"steps": 2}, {"merging_leak": 0.1}, {"reduction": "nearest"}):
        assert (released_code(states, image, hole, 4, **wrong) - wanted).abs().max() > 1e-3, wrong


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
