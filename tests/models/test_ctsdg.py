"""The machine-checkable facts of CTSDG at paper scale, 256 px, and what its losses and its phases promise."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.feature import canny as detect
from torch import nn
from torch.nn.functional import batch_norm, binary_cross_entropy, conv2d, interpolate, leaky_relu, max_pool2d, softplus

from building import as_released, counts, enliven, made, shrink, together
from layers.textbook_partial_convolution import textbook_partial_conv
from layers.textbook_transfer import textbook_transfer
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.edges import canny, edges_of, grey
from palimpsest.learning.schedule import Phase
from palimpsest.losses.perceptual import perceptual_and_style_l1
from palimpsest.models.ctsdg import FEATURES, GatedFusion, ScaleMix, depicted, edges_depicted

TRAINING, FINE_TUNING = (Phase(name=name, iterations=1, learning_rate=1e-3) for name in ("training", "fine-tuning"))


def tiny(params, **changes):
    shrink(params["runs"]["ctsdg"], changes)
    return made(params, "ctsdg", "tiny", 64)


def batch(model, four):
    image, hole = to_tensors(*four)
    return image, hole, *model.derive(image, hole)


def test_parameters(params):
    found = counts(params, "ctsdg")
    assert found["generator"] == 52_147_789
    assert found["critic"] == 5_531_729


def test_shapes(params):
    with torch.device("meta"):
        model = made(params, "ctsdg")
        x, structure, hole = (torch.empty(2, channels, 256, 256) for channels in (3, 2, 1))
        outputs = model.networks["generator"](x, structure, hole)
        assert [tuple(part.shape) for part in outputs] == [(2, c, 256, 256) for c in (3, 3, 1)]
        assert model.networks["critic"](x, hole, hole).shape == (2, 2, 30, 30)
        assert model.networks["critic"].detector(x).shape == (2, 1, 256, 256)


class Textbook:
    """The released generator, by the names of its own keys."""

    def __init__(self, state):
        self.state = state

    def conv(self, name, x, **switches):
        return conv2d(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **switches)

    def norm(self, name, x):
        if f"{name}.weight" not in self.state:
            return x
        return batch_norm(x, *(self.state[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")))

    def partial(self, name, x, valid, stride, slope):
        weight = self.state[f"{name}.conv.weight"]
        x, valid = textbook_partial_conv(x, valid, weight, None, stride, "ratio")
        return leaky_relu(self.norm(f"{name}.bn", x), slope), valid

    def encode(self, kind, x, valid):
        maps = [(x * valid, valid.expand_as(x))]
        for level in range(1, 8):
            maps.append(self.partial(f"ec_{kind}_{level}", *maps[-1], 2, 0.0))
        return maps

    def decode(self, kind, below, maps):
        for level in range(7, 0, -1):
            features, valid = maps[level - 1]
            x = torch.cat([interpolate(below[0], scale_factor=2, mode="bilinear"), features], 1)
            below = self.partial(
                f"dc_{kind}_{level}", x, torch.cat([interpolate(below[1], scale_factor=2), valid], 1), 1, 0.2
            )
        return below[0]

    def project(self, kind, x):
        name = f"{kind}_feature_projection"
        hidden = self.norm(
            f"{name}.{kind}_resolver.bn1", self.conv(f"{name}.{kind}_resolver.conv1", x, padding=1)
        ).relu()
        hidden = self.norm(f"{name}.{kind}_resolver.bn2", self.conv(f"{name}.{kind}_resolver.conv2", hidden, padding=1))
        return self.conv(f"{name}.out_layer.0", (x + hidden).relu())

    def fuse(self, texture, structure):
        both = torch.cat([texture, structure], 1)
        to_texture, to_structure = (
            self.conv(f"bigff.{kind}_gate.0", both, padding=1).sigmoid() for kind in ("structure", "texture")
        )
        texture = texture + self.state["bigff.texture_gamma"] * to_texture * structure
        return torch.cat([texture, structure + self.state["bigff.structure_gamma"] * to_structure * texture], 1)

    def aggregate(self, fused):
        x = leaky_relu(self.conv("fusion_layer1.0", fused, stride=2, padding=1), 0.2)
        reduced = interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)
        pieced = textbook_transfer(x, reduced, torch.zeros_like(reduced[:, :1]), kernel=3)
        hidden = self.conv("cfa.msfa.weight_calc.0", pieced, padding=1).relu()
        shares = self.conv("cfa.msfa.weight_calc.2", hidden).relu().softmax(1)
        mixed = sum(
            shares[:, i : i + 1] * self.conv(f"cfa.msfa.dilated_conv_{i}.0", pieced, padding=d, dilation=d).relu()
            for i, d in enumerate((1, 2, 4, 8))
        )
        joined = leaky_relu(self.conv("fusion_layer2.0", torch.cat([x, mixed], 1), padding=1), 0.2)
        doubled = interpolate(joined, scale_factor=2, mode="bilinear")
        return self.conv("out_layer.0", torch.cat([doubled, fused], 1)).tanh()

    def __call__(self, x, structure, hole):
        texture, beside = self.encode("texture", x, 1 - hole), self.encode("structure", structure, 1 - hole)
        f_t, f_s = self.decode("texture", beside[-1], texture), self.decode("structure", texture[-1], beside)
        return self.aggregate(self.fuse(f_t, f_s)), self.project("texture", f_t).tanh(), self.project("structure", f_s)


def structure_of(image, known):
    """The released code's structure of one picture: that of its bytes, which wrap around below 0."""
    signed = np.trunc((image[0].permute(1, 2, 0).numpy() - np.float32(0.5)) / np.float32(0.5) * np.float32(255))
    luminance = rgb2gray(signed.astype(np.int64).astype(np.uint8))
    edges = detect(luminance, 2.0, mask=known)
    return torch.from_numpy(np.stack([edges, luminance])[None]).float()


def test_a_released_state_fills_as_its_own_code_does(params, four):
    params["runs"]["ctsdg"]["settings"]["width"] = 8
    model, state = as_released(params, "ctsdg", size=256)
    enliven(state)
    book = Textbook(state)
    image, hole = (torch.cat([part, part.flip(3)], 3) for part in together(four))
    structure = structure_of(image, hole[0, 0].numpy() == 0)
    with torch.no_grad():
        wanted = (book(image * 2 - 1, structure, hole)[0] + 1) / 2
        assert wanted.std() > 0.05
        torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-4, rtol=0)
        _, *projected = model.generate(image, hole, structure[:, :1])
        for part, expected in zip(projected, book(image * 2 - 1, structure, hole)[1:], strict=True):
            torch.testing.assert_close(part, expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
        model.config = model.config.model_copy(update={"structure": "own"})
        assert (model.inpaint(image, hole) - wanted).abs().max() > 0.01


def test_released_weights_see_the_structure_that_the_released_code_finds(params, four):
    """Where nothing is missing; beside a hole its edges are of the complete picture."""
    image, hole = together(four)
    known = np.ones(image.shape[2:], bool)
    edges, luminance = structure_of(image, known).split(1, 1)
    assert torch.equal(edges_depicted(image, torch.zeros_like(hole), 2.0, "wrapped")[0], edges)
    torch.testing.assert_close(grey(depicted(image, "wrapped")), luminance)
    assert torch.equal(depicted(image.double(), "wrapped").float(), depicted(image, "wrapped"))
    assert (grey(image) - luminance).abs().max() > 0.3
    complete = edges * (1 - hole)
    beside = max_pool2d(hole, 25, stride=1, padding=12)
    found = edges_depicted(image, hole, 2.0, "wrapped")[1]
    assert torch.equal(found * (1 - beside), complete * (1 - beside)) and not torch.equal(found, complete)


def test_the_network_sees_edges_and_grey_that_known_pixels_show(params, four):
    model, seen = tiny(params), []
    model.networks["generator"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    image, hole = to_tensors(*four)
    true, known = model.derive(image, hole)
    assert all(torch.equal(*pair) for pair in zip((true, known), edges_of(image, hole, 1.0), strict=True))
    with torch.no_grad():
        model.inpaint(image, hole)
    assert torch.equal(seen[0], torch.cat([canny(image, hole, 1.0), grey(image)], 1))
    model.begin(TRAINING)
    model.step(image, hole, true, known)
    assert torch.equal(seen[1], seen[0])


def test_each_decoder_starts_from_the_others_deepest_level(params, four):
    model = tiny(params)
    halves, deepest, starts = {}, {}, {}
    for name in ("texture", "structure"):
        halves[name] = half = getattr(model.networks["generator"].eval(), name)
        half.encoder.register_forward_hook(lambda *args, name=name: deepest.update({name: args[2][-1]}))
        half.decoder.register_forward_pre_hook(lambda _, inputs, name=name: starts.update({name: inputs[0]}))
    with torch.no_grad():
        model.inpaint(*to_tensors(*four))
    assert starts["texture"] is deepest["structure"] and starts["structure"] is deepest["texture"]


def test_fusion_starts_as_the_concatenation_and_structure_takes_the_fused_texture():
    torch.manual_seed(0)
    fusion = GatedFusion(4)
    texture, structure = torch.randn(2, 2, 4, 8, 8)
    both = torch.cat([texture, structure], 1)
    assert torch.equal(fusion(texture, structure), both)
    with torch.no_grad():
        fusion.texture_share.fill_(2.0), fusion.structure_share.fill_(3.0)
    fused = texture + 2 * fusion.structure_gate(both).sigmoid() * structure
    wanted = torch.cat([fused, structure + 3 * fusion.texture_gate(both).sigmoid() * fused], 1)
    torch.testing.assert_close(fusion(texture, structure), wanted)


def test_shares_of_the_scales_sum_to_one():
    mix = ScaleMix(4)
    shares = mix.shares(torch.randn(2, 4, 16, 16))
    assert shares.shape == (2, 4, 16, 16)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 16, 16))


def test_the_terms_are_the_released_codes(params, four, features):
    model = tiny(params, loss={"perceptual": 0.1, "style": 250.0})
    image, hole, true, _ = batch(model, four)
    x = image * 2 - 1
    output, picture, edges = x + torch.where(hole > 0, 0.25, 0.5), x + 0.125, torch.randn_like(true)
    critic = model.networks["critic"].eval()
    found = {name: term.item() for name, term in model.terms(output, picture, edges, image, hole, true).items()}
    assert found["hole"] == pytest.approx(0.25 * hole.mean().item(), rel=1e-5)
    assert found["known"] == pytest.approx(0.5 * (1 - hole).mean().item(), rel=1e-5)
    assert found["intermediate"] == pytest.approx(0.125 + binary_cross_entropy(edges.sigmoid(), true).item(), rel=1e-4)
    detected = critic.detector(output).sigmoid()
    scores = torch.cat([critic.texture(output)[-1], critic.structure(torch.cat([detected, grey(image)], 1))[-1]])
    wanted = softplus(-scores).mean() + binary_cross_entropy(detected, true)
    assert found["adversarial"] == pytest.approx(wanted.item(), rel=1e-4)
    pictures = (output + 1) / 2, torch.where(hole > 0, (output + 1) / 2, image)
    perceptual, style = perceptual_and_style_l1(pictures, image, FEATURES)
    assert found["perceptual"] == pytest.approx(perceptual.item(), rel=1e-4) and perceptual > 0
    assert found["style"] == pytest.approx(style.item(), rel=1e-4) and style > 0


def test_the_critic_learns_scores_and_edges_of_real_and_of_painted_pictures(params, four):
    model = tiny(params)
    image, _, true, _ = batch(model, four)
    critic, x, output = model.networks["critic"].eval(), image * 2 - 1, torch.zeros_like(image)
    found = model.critic_loss(x, output, grey(image), true).item()
    of_real, of_fake = critic.detector(x).sigmoid(), critic.detector(output).sigmoid()
    real, fake = critic(x, true, grey(image)), critic(output, of_fake, grey(image))
    wanted = softplus(-real).mean() + softplus(fake).mean()
    wanted = wanted + binary_cross_entropy(of_real, true) + binary_cross_entropy(of_fake, true)
    assert found == pytest.approx(wanted.item(), rel=1e-4)


def test_the_loss_is_the_weighted_sum(params, four, features):
    weights = {"hole": 60.0, "known": 10.0, "perceptual": 0.1, "style": 250.0, "adversarial": 0.1, "intermediate": 1.0}
    assert made(params, "ctsdg").config.loss.model_dump() == weights
    model = tiny(params, loss=weights)
    model.begin(TRAINING)
    log = {name: value.item() for name, value in model.step(*batch(model, four)).items()}
    assert log["generator"] == pytest.approx(sum(weight * log[name] for name, weight in weights.items()), rel=1e-5)
    assert min(log.values()) > 0


def statistics(model):
    norms = [module for module in model.networks["generator"].modules() if isinstance(module, nn.BatchNorm2d)]
    return [norm.running_mean.clone() for norm in norms]


def test_fine_tuning_keeps_all_statistics_of_the_generator_and_trains_everything(params, four):
    """Once fusion has begun to share: until then its gates have no gradient."""
    model = tiny(params)
    with torch.no_grad():
        model.networks["generator"].fusion.texture_share.fill_(0.1)
        model.networks["generator"].fusion.structure_share.fill_(0.1)
    model.networks.train()
    inputs = batch(model, four)
    for phase, changes in ((TRAINING, True), (FINE_TUNING, False)):
        model.begin(phase)
        model.networks.eval()
        model.networks.train()  # as after a sample grid
        before = statistics(model), {name: value.clone() for name, value in model.networks.named_parameters()}
        model.step(*inputs)
        assert all(torch.equal(*pair) != changes for pair in zip(before[0], statistics(model), strict=True))
        assert [name for name, value in model.networks.named_parameters() if torch.equal(value, before[1][name])] == []


def test_the_critic_learns_at_a_tenth_of_the_rate(params):
    model = tiny(params)
    model.begin(TRAINING)
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in model.optimisers.items()}
    assert rates == {"generator": 1e-3, "critic": pytest.approx(1e-4)}


def test_edges_are_shown(params, four):
    model = tiny(params)
    image, hole, _, known = batch(model, four)
    model.networks.eval()
    with torch.no_grad():
        shown = model.inspect(image, hole)[1]["edges"]
        _, _, edges = model.generate(image, hole, known)
    torch.testing.assert_close(shown, edges.sigmoid().expand_as(image))


def test_a_phase_of_another_name_is_refused(params):
    phases = [{"name": "tuning", "iterations": 1, "learning_rate": 0.1}]
    with pytest.raises(InputError, match=r"schedule\.phases\.0\.name: found 'tuning'; accepted: training, fine-tuning"):
        tiny(params, schedule={"phases": phases})


def test_pictures_that_the_levels_cannot_halve_are_refused(params):
    with pytest.raises(InputError, match="levels is 5 for pictures of 32 px; accepted: multiples of 32 px, from"):
        made(params, "ctsdg", "tiny", 32)
