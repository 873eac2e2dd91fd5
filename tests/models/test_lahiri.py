"""Lahiri et al.: counts and shapes at 256 px, the losses against closed forms, and what the phases promise."""

import pytest
import torch
from torch.nn.functional import pad, softplus

from building import counts, made, shrink
from palimpsest.config import runs
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.edges import canny
from palimpsest.learning.schedule import Phase
from palimpsest.models.lahiri import context_weight, gradient_difference, mean_colour
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

WITH_CRITIC = {"loss": {"adversarial": 0.1, "r1": 4.0}}


def phase(name):
    return Phase(name=name, iterations=1, learning_rate=0.001)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tiny(params, **changes):
    shrink(params["runs"]["lahiri"], changes)
    return made(params, "lahiri", "tiny", 64)


def batch(model, four):
    image, hole = to_tensors(*four)
    return image, hole, *model.derive(image, hole)


def test_parameters(params):
    found = counts(params, "lahiri")
    assert found["encoder.convs"] == 11_148_224
    assert found["encoder.hidden"] == 4_194_816
    assert found["encoder.codes"] == 3_677_184
    assert found["generator"] == 22_666_210  # of the memory, as in GM-SRM
    assert found["critic"] == 24_001_089


def test_a_code_for_each_layer_of_the_generator(params):
    with torch.device("meta"):
        model = made(params, "lahiri")
        encoder = model.networks["encoder"]
        assert encoder.convs(torch.empty(2, 5, 256, 256)).shape == (2, 512, 4, 4)
        ws = encoder(torch.empty(2, 5, 256, 256))
    assert ws.shape == (2, model.networks["generator"].layers + 1, 512)
    assert model.size_divisor == 64


def test_without_an_adversarial_loss_there_is_no_critic(params):
    assert set(tiny(params).networks) == {"encoder", "generator"}
    assert set(tiny(params, **WITH_CRITIC).networks) == {"encoder", "generator", "critic"}


def test_context_weighs_the_missing_share_around_a_known_pixel():
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., 8:, :] = 1
    rows = context_weight(hole)[0, 0, :, 8]
    assert rows.tolist() == pytest.approx([0] * 5 + [1 / 7, 2 / 7, 3 / 7] + [0] * 8)
    corner = torch.zeros(1, 1, 16, 16)
    corner[..., 1, 0] = 1
    assert context_weight(corner)[0, 0, 0, 0].item() == pytest.approx(1 / 16)  # of the pixels inside the picture


def test_a_mean_colour_is_weighted_and_0_without_weights():
    x, weight = drawn(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)
    weight[0, :, :2] = 0.25
    assert torch.allclose(mean_colour(x, weight)[0, :, 0, 0], x[0, :, :2].mean((1, 2)), atol=1e-6)
    assert (mean_colour(x, weight)[1] == 0).all()


def test_the_gradient_difference_is_of_magnitudes():
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    assert gradient_difference(ramp, 5 - ramp).item() == 0
    assert gradient_difference(3 * ramp, ramp).item() == pytest.approx(2)
    assert gradient_difference(ramp.mT, 0 * ramp).item() == pytest.approx(1)


def test_phases_train_what_they_say(params, four):
    model, trained = tiny(params, **WITH_CRITIC), {}
    inputs = batch(model, four)
    for name in ("latent", "fine-tuning", "latent"):
        before = {key: value.clone() for key, value in model.networks.named_parameters()}
        model.begin(phase(name))
        model.step(*inputs)
        moved = {key for key, value in model.networks.named_parameters() if not torch.equal(value, before[key])}
        trained[name] = {key.split(".")[0] for key in moved}
    assert trained == {"latent": {"encoder"}, "fine-tuning": {"encoder", "generator", "critic"}}


def test_the_losses_are_those_of_the_shifted_picture(params, four):
    weights = {"context": 2.0, "hole": 3.0, "adversarial": 5.0, "gradient_difference": 7.0}
    model = tiny(params, loss=weights)
    image, hole, edges = batch(model, four)
    x = image * 2 - 1
    with torch.no_grad():
        output = model.draw(x, hole, edges)
        error = (output - x).abs()
        wanted = {
            "context": (error * context_weight(hole)).mean(),
            "hole": (error * hole).mean(),
            "adversarial": softplus(-model.networks["critic"](output)).mean(),
            "gradient_difference": gradient_difference(output, x),
        }
    model.begin(phase("latent"))
    log = model.step(image, hole, edges)
    assert log.keys() == {*wanted, "generator"}
    for name, value in wanted.items():
        assert log[name].item() == pytest.approx(value.item(), rel=1e-4), name
    assert log["generator"].item() == pytest.approx(
        sum(weights[name] * wanted[name].item() for name in weights), rel=1e-4
    )


def test_the_critic_has_r1_in_every_step_that_trains_it(params, four):
    model = tiny(params, **WITH_CRITIC)
    model.begin(phase("fine-tuning"))
    logs = [model.step(*batch(model, four)) for _ in range(2)]
    assert all(log["r1"] > 0 and log["critic"] > 0 for log in logs)


def test_a_critic_may_learn_in_half_the_bits(params, four):
    model = tiny(params, **WITH_CRITIC)
    model.begin(phase("fine-tuning"))
    with torch.autocast("cpu", torch.bfloat16):
        log = model.step(*batch(model, four))
    assert all(torch.isfinite(value) for value in log.values())


def test_the_encoder_sees_the_known_pixels_their_mean_colour_and_their_edges(params, four):
    model, seen = tiny(params), []
    model.networks["encoder"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image, hole = to_tensors(*four)
    with torch.no_grad():
        model.inpaint(image, hole)
    colours, missing, edges = seen[0].split([3, 1, 1], 1)
    x, known = image * 2 - 1, 1 - hole
    mean = (x * known).sum((2, 3)) / known.sum((2, 3))
    assert torch.equal(missing, hole) and torch.equal(edges, canny(image, hole, 1.0))
    assert torch.allclose(colours, torch.where(hole > 0, mean[:, :, None, None], x), atol=1e-5)


def test_the_drawn_picture_meets_the_colours_around_the_hole(params, four):
    model = tiny(params)
    image, hole, edges = batch(model, four)
    x = image * 2 - 1
    with torch.no_grad():
        apart = mean_colour(model.draw(x, hole, edges) - x, context_weight(hole))
    assert apart.abs().max() < 1e-5


def test_larger_pictures_are_drawn_from_a_larger_start(params, four):
    model = tiny(params)
    image, hole = (pad(part, (0, 32)) for part in to_tensors(*four))
    with torch.no_grad():
        assert model.inpaint(image, hole).shape == (4, 3, 64, 96)


def test_training_starts_from_the_priors_own_networks(params, tmp_path):
    memory_run, run = (runs.resolve(params, name, "tiny") for name in ("gm-srm-memory", "lahiri"))
    memory = made(params, "gm-srm-memory", "tiny", 64)
    for value in memory.networks.parameters():
        value.data += 0.01 * drawn(*value.shape)
    workspace = Workspace(tmp_path)
    checkpoints.save(workspace.run("gm-srm-memory").weights, memory, checkpoints.Origin(memory_run, "toy", 64, ""))
    model = tiny(params, **WITH_CRITIC)
    checkpoints.begin(model, run, 1, workspace)
    for name, wanted in {"generator": memory.memory, "critic": memory.critic}.items():
        pairs = zip(model.networks[name].parameters(), wanted.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("needs", "settings", "message"),
    [
        ({"inside": "deepfill-v2"}, {}, "draws no pictures; accepted: a model of stylegan2"),
        ({"inside": "nothing"}, {}, "needs.inside is nothing; lahiri works with the model of another run"),
        (
            {},
            {"schedule": {"phases": [{"name": "joint", "iterations": 1, "learning_rate": 0.1}]}},
            "found 'joint'; accepted: latent, fine-tuning",
        ),
    ],
)
def test_contradictions_are_refused(params, needs, settings, message):
    params["runs"]["lahiri"]["needs"] |= needs
    with pytest.raises(InputError, match=message):
        tiny(params, **settings)
