"""The machine-checkable facts of GL at paper scale, its mean colour, and what its phases train."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d

from building import counts, made, shapes
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.local_crops import crop_about
from palimpsest.learning.schedule import Phase
from palimpsest.models.gl import MeanColour, Unit, completion_loss
from palimpsest.released import read

PARTS = ("weight", "bias", "running_mean", "running_var")
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


def textbook(state, x):
    """otenim's completion network, by the names of its own keys: convolution, ReLU, batch normalisation."""
    for k in range(1, 17):
        if k in (13, 15):
            x = conv_transpose2d(x, state[f"deconv{k}.weight"], state[f"deconv{k}.bias"], stride=2, padding=1)
        else:
            dilation = {7: 2, 8: 4, 9: 8, 10: 16}.get(k, 1)
            stride, padding = 2 if k in (2, 4) else 1, 2 if k == 1 else dilation
            x = conv2d(x, state[f"conv{k}.weight"], state[f"conv{k}.bias"], stride, padding, dilation)
        statistics = (state[f"bn{k}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        x = batch_norm(x.relu(), *statistics, eps=1e-5)
    return conv2d(x, state["conv17.weight"], state["conv17.bias"], padding=1).sigmoid()


def test_a_released_state_fills_as_its_own_code_does(params, four):
    layout = read("gl-otenim")
    params["runs"]["gl"]["settings"] |= layout.settings
    model = made(params, "gl", size=128)
    completion = model.networks["completion"].eval()
    names = {name: value for name, value in completion.state_dict().items() if value.is_floating_point()}
    for name, value in names.items():
        if "norm" in name:
            value.uniform_(0.5, 1.5)
    keys = [f"{kind}{k}.{part}" for k in range(1, 18) for kind in ("conv", "deconv", "bn") for part in PARTS]
    state = {key: names[place] for key in keys if (place := layout.place(key).removeprefix("completion.")) in names}
    image, hole = to_tensors(*four)
    colour = torch.tensor([0.5, 0.25, 0.75])[:, None, None]
    wanted = textbook(state, torch.cat([image - image * hole + colour * hole, hole], 1))
    torch.testing.assert_close(completion(image, hole, colour), wanted)


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
    with pytest.raises(InputError, match="phase 'joint'; accepted: completion, critic, both"):
        tiny(params)
