"""The machine-checkable facts of GL at paper scale, its mean colour, and what its phases train."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d

from building import as_released, counts, enliven, made, shapes, together
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.local_crops import crop_about
from palimpsest.learning.schedule import Phase
from palimpsest.models.gl import MeanColour, Unit, completion_loss

BOTH = Phase(name="both", iterations=1, learning_rate=1.0)


def tiny(params):
    return made(params, "gl", "tiny", 64)


def given(module):
    """A list that receives the inputs of each call of the module."""
    calls = []
    module.register_forward_pre_hook(lambda _, inputs: calls.append(inputs))
    return calls


def test_parameters(params):
    found = counts(params, "gl")
    assert found["completion"] == 6_072_131
    assert found["critic"] == 45_063_681
    params["runs"]["gl"]["settings"]["bias"] = False
    assert counts(params, "gl")["completion"] == 6_069_155


def test_shapes_of_every_layer(params):
    with torch.device("meta"):
        model = made(params, "gl")
        critic = model.networks["critic"]
        found, _ = shapes(model.networks["completion"], torch.empty(2, 4, 256, 256))
        everywhere, _ = shapes(list(critic.everywhere)[:6], torch.empty(2, 3, 256, 256))
        local, _ = shapes(list(critic.local)[:5], torch.empty(2, 3, 128, 128))
        assert critic(torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256)).shape == (2, 1)
    down, up = [(64, 256), (128, 128), (128, 128)], [(128, 128), (128, 128), (64, 256), (32, 256), (3, 256)]
    assert found == [*down, *[(256, 64)] * 9, *up]
    assert everywhere == [(64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4)]
    assert local == [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4)]


def textbook(state, names, x, rectified_first):
    """A released completion network up to its raw output, by the names of its own layers and their norms.

    otenim's layers are convolution, ReLU, batch normalisation; mmagic's have batch normalisation before ReLU.
    """
    for k, (name, norm) in enumerate(names, 1):
        weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
        if k in (13, 15):
            x = conv_transpose2d(x, weight, bias, stride=2, padding=1)
        else:
            dilation = {7: 2, 8: 4, 9: 8, 10: 16}.get(k, 1)
            x = conv2d(x, weight, bias, 2 if k in (2, 4) else 1, 2 if k == 1 else dilation, dilation)
        if k < 17:
            statistics = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
            x = batch_norm(x.relu(), *statistics) if rectified_first else batch_norm(x, *statistics).relu()
    return x


OTENIM = [(f"{'de' if k in (13, 15) else ''}conv{k}", f"bn{k}") for k in range(1, 18)]
MMAGIC = [
    (f"generator.{part}.conv", f"generator.{part}.bn")
    for part in (
        *(f"encoder.enc{k}" for k in range(1, 7)),
        *(f"dilation_neck.dilation_convs.{k}" for k in range(4)),
        *(f"decoder.dec{k}" for k in range(1, 8)),
    )
]


def otenim(state, x, hole, rectified_first=True):
    """`mpv` of the file beside the weights is the colour of the hole."""
    colour = torch.tensor([0.5, 0.25, 0.75])[:, None, None]
    inputs = torch.cat([x - x * hole + colour * hole, hole], 1)
    return textbook(state, OTENIM, inputs, rectified_first).sigmoid()


def mmagic(state, x, hole, rectified_first=False):
    """Pictures are in [-1, 1], with holes of 0."""
    inputs = torch.cat([(x * 2 - 1) * (1 - hole), hole], 1)
    return (textbook(state, MMAGIC, inputs, rectified_first).clamp(-1, 1) + 1) / 2


@pytest.mark.parametrize(
    ("name", "released_code", "colour", "rectified_first"),
    [("gl-otenim", otenim, [0.5, 0.25, 0.75], True), ("mmagic-gl", mmagic, [0.5] * 3, False)],
)
def test_a_released_state_fills_as_its_own_code_does(params, four, name, released_code, colour, rectified_first):
    params["runs"]["gl"]["settings"] |= {"width": 16, "critic_width": 1}
    model, state = as_released(params, name)
    enliven(state)
    held = model.networks["mean_colour"].colour
    held.copy_(torch.tensor(colour)[:, None, None])
    image, hole = together(four)
    image, hole = image[..., 4:100, :], hole[..., 4:100, :]
    wanted = released_code(state, image, hole)
    assert wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
    assert (released_code(state, image, hole, not rectified_first) - wanted).abs().max() > 0.01
    held.zero_()
    assert (model.inpaint(image, hole) - wanted).abs().max() > 0.01


def test_normalisation_and_activation_come_in_the_order_that_is_asked_for():
    torch.manual_seed(0)
    x, conv = torch.randn(4, 3, 8, 8), nn.Conv2d(3, 5, 3, padding=1)
    paper, otenim = Unit(conv, "before-relu")(x), Unit(conv, "after-relu")(x)
    assert paper.min() == 0
    assert otenim.min() < 0
    torch.testing.assert_close(otenim.mean((0, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    rectified = conv(x).relu()
    deviation = (rectified.var((0, 2, 3), unbiased=False) + 1e-5).sqrt()
    expected = (rectified - rectified.mean((0, 2, 3))[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(otenim, expected)


@pytest.mark.parametrize("colours", ["unit", "signed"])
def test_the_hole_is_filled_with_the_mean_colour(params, four, colours):
    params["runs"]["gl"]["settings"]["colours"] = colours
    model = tiny(params)
    model.networks["mean_colour"].colour.copy_(torch.tensor([0.5, 0.25, 0.75])[:, None, None])
    image, hole = to_tensors(*four)
    calls = given(model.networks["completion"][0])
    output = model.inpaint(image, hole)
    (x,) = calls[0]
    seen = x[:, :3] if colours == "unit" else (x[:, :3] + 1) / 2
    assert torch.equal(x[:, 3:], hole)
    torch.testing.assert_close(seen * (1 - hole), image * (1 - hole))
    assert [seen[:, i][hole[:, 0] > 0].unique().item() for i in range(3)] == [0.5, 0.25, 0.75]
    assert output.min() >= 0 and output.max() <= 1


def test_the_mean_colour_is_that_of_all_pictures_seen():
    colour, batches = MeanColour(), torch.rand(5, 2, 3, 8, 8)
    for batch in batches:
        colour.see(batch)
    torch.testing.assert_close(colour.colour[:, 0, 0], batches.mean((0, 1, 3, 4)))


def test_steps_learn_the_mean_colour_and_filling_does_not(params, four):
    model, colour = tiny(params), lambda: model.networks["mean_colour"].colour[:, 0, 0]
    image, hole = to_tensors(*four)
    model.inpaint(image, hole)
    assert colour().tolist() == [0.5] * 3
    model.begin(BOTH)
    model.step(image, hole)
    torch.testing.assert_close(colour(), image.mean((0, 2, 3)))


def test_the_completion_loss_counts_the_hole_alone():
    """An error of 0.2 in a quarter of the picture."""
    image, hole = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    hole[..., :4, :4] = 1
    output = torch.where(hole > 0, image + 0.2, torch.rand(2, 3, 8, 8))
    assert completion_loss(output, image, hole).item() == pytest.approx(0.2**2 / 4, rel=1e-4)


def test_phases_train_what_they_say(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    trained, logged = {}, {}
    for phase in ("completion", "critic", "both"):
        before = {name: value.clone() for name, value in model.networks.named_parameters()}
        model.begin(BOTH.model_copy(update={"name": phase}))
        logged[phase] = set(model.step(image, hole))
        moved = {name for name, value in model.networks.named_parameters() if not torch.equal(value, before[name])}
        trained[phase] = {name.split(".")[0] for name in moved}
    assert trained == {"completion": {"completion"}, "critic": {"critic"}, "both": {"completion", "critic"}}
    assert logged["completion"] == {"hole", "completion"} and logged["critic"] == {"critic"}
    assert logged["both"] == {"critic", "hole", "adversarial", "completion"}


def test_the_loss_is_equation_four(params, four):
    params["runs"]["gl"]["settings"]["loss"] |= {"hole": 2.0, "adversarial": 0.25}
    model = tiny(params)
    model.begin(BOTH)
    log = {name: value.item() for name, value in model.step(*to_tensors(*four)).items()}
    assert log["completion"] == pytest.approx(2.0 * log["hole"] + 0.25 * log["adversarial"], rel=1e-5)


def test_the_critic_sees_results_around_their_holes_and_real_pictures_around_others(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    hole[1] = hole[1].roll(20, 1)
    critic = model.networks["critic"]
    pictures, squares = given(critic.everywhere), given(critic.local)
    model.begin(BOTH)
    model.step(image, hole)
    (real,), (result,), _ = pictures
    assert torch.equal(real, image)
    assert torch.equal(result * (1 - hole), image * (1 - hole)) and not torch.equal(result, image)
    assert torch.equal(squares[0][0], crop_about(hole.roll(1, 0), 32, image)[0])
    assert torch.equal(squares[1][0], crop_about(hole, 32, result)[0])


def test_a_batch_of_one_trains(params, four):
    model = tiny(params)
    image, hole = to_tensors(*(part[:1] for part in four))
    model.begin(BOTH)
    assert all(value.isfinite() for value in model.step(image, hole).values())


def test_settings_that_cannot_be_are_refused(params):
    settings = params["runs"]["gl"]["settings"]
    settings["patch_size"]["tiny"] = 96
    with pytest.raises(InputError, match="patch_size is 96 px; accepted: at most the pictures' 64 px"):
        tiny(params)
    settings["schedule"]["phases"]["tiny"][0]["name"] = "joint"
    with pytest.raises(InputError, match="found 'joint'; accepted: completion, critic, both"):
        tiny(params)
