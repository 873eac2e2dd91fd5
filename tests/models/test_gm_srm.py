"""GM-SRM: counts, shapes, the frozen memory and the losses against the paper, our decisions and closed forms."""

import math

import pytest
import torch

from building import counts, made
from palimpsest.config import runs
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import predict, to_tensors
from palimpsest.layers.style_synthesis import fixed_noise, random_noise
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.models import gm_srm
from palimpsest.models.gm_srm import SEED, divergence, fusion, reconstruction_loss
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

VARIANTS = ["gm-srm-base", "gm-bm", "gm-csv", "gm-srm", "gm-srm-plain-noise"]
WITH_MEMORY = VARIANTS[1:]


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tiny(params, name="gm-srm", size=64):
    return made(params, name, "tiny", size)


def test_counts_are_as_decided(params):
    found = counts(params, "gm-srm")
    assert found["encoder"] == 14_236_348
    assert found["decoder.blocks"] == 22_568_544
    assert found["decoder.out"] == 1_731
    assert found["memory"] == 22_666_210
    assert found["fusion"] == 18_803_072
    assert found["embedding"] == 8_580_864
    assert found["critic"] == 5_946_816


def test_counts_of_the_base_model(params):
    found = counts(params, "gm-srm-base")
    assert found["encoder"] + found["decoder"] == 30_097_375
    assert set(found) & {"memory", "fusion", "embedding", "noise"} == set()


def test_counts_with_the_memory_of_config_f(params):
    params["pretrained"]["gm-srm-memory"]["settings"]["width"]["base"] = 32768
    found = counts(params, "gm-srm")
    assert (found["decoder.blocks"], found["fusion"]) == (22_789_728, 21_383_936)


def test_maps_of_encoder_and_memory_share_sizes(params):
    seen = []
    with torch.device("meta"):
        model = made(params, "gm-srm")
        for convolution in model.networks["fusion"]:
            convolution.register_forward_hook(lambda _, __, found: seen.append(tuple(found.shape[1:])))
        known = model.networks["encoder"](torch.zeros(2, 4, 256, 256))
        assert [tuple(x.shape[1:]) for x in known] == [
            (64, 128, 128),
            (128, 64, 64),
            (256, 32, 32),
            (512, 16, 16),
            (512, 8, 8),
            (512, 4, 4),
        ]
        picture, divergences = model.generate(torch.zeros(2, 3, 256, 256), torch.zeros(2, 1, 256, 256), random_noise)
    assert seen == [(512, 4, 4), (512, 8, 8), (512, 16, 16), (512, 32, 32), (256, 64, 64), (128, 128, 128)]
    assert picture.shape == (2, 3, 256, 256)
    assert [tuple(found.shape) for found in divergences] == [(2,)] * 6


def test_divergence_of_known_normals():
    mean, variance = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 4.0])
    wanted = [0, 0.5, 0.5 * (4 - math.log(4) - 1)]
    assert divergence(mean, variance.log()).tolist() == pytest.approx(wanted, abs=1e-6)


def test_an_error_in_the_hole_counts_gamma_times():
    x, hole = drawn(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    hole[..., :4, :] = 1
    inside, outside = (reconstruction_loss(x + 0.3 * where, x, hole, 10.0).item() for where in (hole, 1 - hole))
    assert inside / outside == pytest.approx(10, rel=1e-6)
    assert outside == pytest.approx(0.15, rel=1e-5)


def test_the_printed_loss_is_linear():
    gan_loss, real, fake = GAN_LOSSES["linear"], drawn(5), drawn(5, seed=1)
    assert gan_loss.critic(real, fake).item() == pytest.approx((1 - real.mean() + fake.mean()).item(), rel=1e-5)
    assert gan_loss.generator(fake).item() == pytest.approx(-fake.mean().item())


def test_a_fusing_convolution_begins_as_the_identity_on_the_memory():
    recalled, known = drawn(2, 5, 6, 6), drawn(2, 3, 6, 6, seed=1)
    assert torch.equal(fusion(5, 3)(torch.cat([recalled, known], 1)), recalled)


@pytest.fixture
def first_features(features, monkeypatch):
    """The perceptual loss reads the first of its layers alone."""
    monkeypatch.setattr(gm_srm, "FEATURES", gm_srm.FEATURES[:1])


def recollections(model, image, hole, noise):
    """What the memory is asked at each level (c of each convolution), and what is recalled, F_M."""
    asked, recalled = [], []
    hooks = [
        level.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[1]))
        for level in model.networks["memory"].levels
    ]
    hooks += [conv.register_forward_hook(lambda _, __, x: recalled.append(x)) for conv in model.networks["fusion"]]
    with torch.no_grad():
        model.generate(image * 2 - 1, hole, noise)
    for hook in hooks:
        hook.remove()
    return asked, recalled


@pytest.mark.parametrize("name", ["gm-bm", "gm-srm-plain-noise"])
def test_at_first_the_memory_recalls_what_it_would_draw(params, name, four):
    """F_M is the feature map of the memory's own synthesis with the same c and noise."""
    model = tiny(params, name)
    memory = model.networks["memory"]
    for level in memory.levels:
        for layer in level.convs:
            layer.noise_strength.fill_(0.3)
    asked, recalled = recollections(model, *to_tensors(*four), fixed_noise(SEED))
    assert len(recalled) == 4
    noise, x = fixed_noise(SEED), memory.start(4)
    with torch.no_grad():
        for level, ws, wanted in zip(memory.levels[:4], asked, recalled, strict=True):
            x = level(x, ws, noise)
            torch.testing.assert_close(x, wanted, rtol=1e-5, atol=1e-5)
    still = memory.levels[0](memory.start(4), asked[0], lambda x: 0)
    assert not torch.allclose(still, recalled[0])


def test_each_level_adds_its_own_embedding(params, four):
    """Equation 7: c^i - c^{i-1} = f_c(F_D^{i-1})."""
    model, found = tiny(params), []
    for embedding in model.networks["embedding"]:
        embedding.register_forward_hook(lambda _, __, c: found.append(c))
    asked, _ = recollections(model, *to_tensors(*four), random_noise)
    assert len(found) == 4
    assert all(torch.equal(first, second) for first, second in asked[1:])
    for level in range(1, 4):
        assert torch.equal(asked[level][0], asked[level - 1][0] + found[level])
    assert torch.equal(asked[0][0], found[0])


def test_one_embedding_serves_all_levels(params, four):
    asked, _ = recollections(tiny(params, "gm-csv"), *to_tensors(*four), random_noise)
    assert all(torch.equal(c, asked[0][0]) for ws in asked for c in ws)


def test_conditional_noise_has_the_predicted_mean_and_deviation(params, four):
    """Equation 8: with heads that always say μ = 0.5 and σ = 2, a draw ε enters as 0.5 + 2 ε."""
    model = tiny(params)
    for head in model.networks["noise"]:
        torch.nn.init.zeros_(head.full.weight)
        head.full.bias.data = torch.tensor([0.5, math.log(4)])
    image, hole = to_tensors(*four)
    known = model.networks["encoder"](torch.cat([image * 2 - 1, hole], 1))[-1]
    noise, (found,) = model._noise(0, known, known, lambda x: x.new_full((len(x), 1, 4, 4), -1.5))
    assert noise(known).unique().tolist() == pytest.approx([0.5 - 3])
    assert found.tolist() == pytest.approx([0.5 * (0.25 + 4 - math.log(4) - 1)] * 4, rel=1e-5)


@pytest.mark.parametrize("name", WITH_MEMORY)
def test_steps_leave_the_memory_as_it_is(params, name, four, first_features):
    """Bit by bit, and every other network learns."""
    model = tiny(params, name)
    assert not any(value.requires_grad for value in model.networks["memory"].parameters())
    before = {key: value.clone() for key, value in model.networks.state_dict().items()}
    for phase in model.config.schedule.phases:
        model.begin(phase)
        model.step(*to_tensors(*four))
        model.step(*to_tensors(*four))
    after = model.networks.state_dict()
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == set(model.networks) - {"memory"}


def test_the_memory_on_disk_is_that_of_the_trained_run(params, tmp_path, four, first_features):
    """After training, bit by bit the averaged generator of the checkpoint in needs.inside."""
    memory_run, run = (runs.resolve(params, name, "tiny") for name in ("gm-srm-memory", "gm-srm"))
    torch.manual_seed(5)
    memory = made(params, "gm-srm-memory", "tiny", 64)
    for network in memory.networks.values():
        for value in network.parameters():
            value.data += 0.01 * torch.randn(value.shape)
    origin = checkpoints.Origin(memory_run, "toy", 64, "")
    workspace = Workspace(tmp_path)
    checkpoints.save(workspace.run("gm-srm-memory").weights, memory, origin)
    model = tiny(params)
    checkpoints.begin(model, run, 1, workspace)
    model.begin(model.config.schedule.phases[0])
    model.step(*to_tensors(*four))
    checkpoints.save(workspace.run("gm-srm").weights, model, checkpoints.Origin(run, "toy", 64, "vgg16"))
    trained, _ = checkpoints.load(workspace.run("gm-srm").weights)
    wanted = memory.networks["average"].synthesis.state_dict()
    found = trained.networks["memory"].state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_another_memory_is_a_parameter(params, four):
    """A wider memory of another name, under needs.inside alone, and the same networks otherwise."""
    params["pretrained"]["other-memory"] = {
        "slot": "scenes",
        "base": "gm-srm-memory",
        "settings": {"width": {"base": 1024}},
    }
    first = tiny(params)
    params["runs"]["gm-srm"]["needs"]["inside"] = "other-memory"
    other = tiny(params)
    channels = [[level.channels for level in model.networks["memory"].levels] for model in (first, other)]
    assert channels == [[32, 32, 32, 16, 8], [32, 32, 32, 32, 16]]
    with torch.no_grad():
        assert predict(other, *to_tensors(*four)).shape == (4, 3, 64, 64)


def test_a_memory_of_other_pictures_sizes_is_refused(params, tmp_path):
    memory = made(params, "gm-srm-memory", "tiny", 128)
    run = runs.resolve(params, "gm-srm-memory", "tiny")
    workspace = Workspace(tmp_path)
    checkpoints.save(workspace.run("gm-srm-memory").weights, memory, checkpoints.Origin(run, "toy", 128, ""))
    with pytest.raises(InputError, match="made for pictures of another size; accepted: that of the run it works in"):
        checkpoints.begin(tiny(params), runs.resolve(params, "gm-srm", "tiny"), 1, workspace)


def test_the_critic_has_a_rate_of_its_own(params):
    params["runs"]["gm-srm"]["settings"]["critic"]["rate"] = 4.0
    model = tiny(params)
    model.begin(model.config.schedule.phases[0])
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in model.optimisers.items()}
    assert rates == {"generator": 0.002, "critic": 0.008}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_picture_is_always_filled_alike(params, name, four):
    model = tiny(params, name)
    model.networks.eval()
    with torch.no_grad():
        one, other = (predict(model, *to_tensors(*four)) for _ in range(2))
    assert torch.equal(one, other)


def test_only_conditional_noise_has_a_divergence(params, four, first_features):
    for name in VARIANTS:
        model = tiny(params, name)
        model.begin(model.config.schedule.phases[0])
        assert ("divergence" in model.step(*to_tensors(*four))) == (name in ("gm-csv", "gm-srm"))


@pytest.mark.parametrize(
    "settings, needs, message",
    [
        ({"embedding": "none", "noise": "none"}, {}, "embedding is none, needs.inside a model"),
        ({}, {"inside": "nothing"}, "embedding is progressive, needs.inside nothing"),
        ({"embedding": "none"}, {"inside": "nothing"}, "embedding is none, noise conditional"),
        ({}, {"inside": "deepfill-v2"}, "has no generative memory; accepted: a model of stylegan2"),
    ],
)
def test_contradictions_are_refused(params, settings, needs, message):
    params["runs"]["gm-srm"]["settings"] |= settings
    params["runs"]["gm-srm"]["needs"] |= needs
    with pytest.raises(InputError, match=message):
        tiny(params)
