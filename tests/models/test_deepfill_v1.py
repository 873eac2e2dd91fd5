"""The machine-checkable facts of DeepFill v1 at paper scale, 256 px."""

import math

import pytest
import torch
from torch.nn.functional import pad

from building import counts, made, shapes
from palimpsest.inpainting import to_tensors
from palimpsest.layers.strided_critic import Critic
from palimpsest.learning.schedule import Phase
from palimpsest.losses.perceptual import perceptual_l1, style_loss
from palimpsest.models.deepfill_v1 import FEATURES, AppearanceFlow, SpatialTransformer


def test_parameters_of_the_full_model(params):
    found = counts(params, "deepfill-v1")
    assert found["generator"] == 3_601_542
    assert found["generator.coarse"] == 1_448_227
    assert found["generator.refinement"] == 2_153_315
    assert found["generator.refinement.conv_branch"] == 880_480
    assert found["generator.refinement.attention_branch"] == 695_968
    assert found["generator.refinement.decoder"] == 576_867
    assert found["local_critic"] == 4_339_329
    assert found["global_critic"] == 2_733_441


def test_parameters_of_the_variants(params):
    assert counts(params, "deepfill-v1-baseline")["generator"] == 2_896_454
    assert counts(params, "deepfill-v1-appearance-flow")["generator"] == 3_601_542 + 2_306
    assert counts(params, "deepfill-v1-spatial-transformer")["generator"] == 3_601_542 + 48_934


def test_shapes_of_every_layer(params):
    with torch.device("meta"):
        model = made(params, "deepfill-v1")
        inputs = torch.empty(1, 5, 256, 256)
        coarse, _ = shapes(model.generator.coarse, inputs)
        conv, _ = shapes(model.generator.refinement.conv_branch, inputs)
        attention, _ = shapes(model.generator.refinement.attention_branch.before, inputs)
        decoder, _ = shapes(model.generator.refinement.decoder, torch.empty(1, 256, 64, 64))
        local, _ = shapes(list(model.networks["local_critic"])[:4], torch.empty(1, 3, 128, 128))
        whole, _ = shapes(list(model.networks["global_critic"])[:4], torch.empty(1, 3, 256, 256))
        scores = [
            model.networks[f"{name}_critic"](torch.empty(2, 3, s, s)) for name, s in (("local", 128), ("global", 256))
        ]
    assert coarse[:4] == [(32, 256), (64, 128), (64, 128), (128, 64)]
    assert coarse[4:12] == [(128, 64)] * 8
    assert coarse[12:] == [(64, 128), (64, 128), (32, 256), (16, 256), (3, 256)]
    assert conv == [(32, 256), (32, 128), (64, 128), (64, 64)] + [(128, 64)] * 6
    assert attention == [(32, 256), (32, 128), (64, 128), (128, 64), (128, 64), (128, 64)]
    assert decoder[-1] == (3, 256)
    assert local[-1] == (512, 8) and whole[-1] == (256, 16)
    assert [score.shape for score in scores] == [(2, 1), (2, 1)]


def test_the_attention_branch_ends_in_features_that_are_not_negative(params, four):
    model = made(params, "deepfill-v1", "tiny", 64)
    image, hole = to_tensors(*four)
    features = model.generator.refinement.attention_branch.before(torch.cat([image, hole, hole], 1))
    assert features.min() == 0 and features.max() > 0


def test_a_picture_of_512_x_680_keeps_its_size(params):
    with torch.no_grad():
        model = made(params, "deepfill-v1", "tiny", 64)
        hole = torch.zeros(1, 1, 512, 680)
        hole[..., 200:328, 300:428] = 1
        assert model.inpaint(torch.rand(1, 3, 512, 680), hole).shape == (1, 3, 512, 680)


def test_the_weights_of_the_l1_terms(params, four):
    """Coarse 1.2 · 1.2, refined 1.2; the generator's loss is their sum with 0.0001 of the adversarial one."""
    model = made(params, "deepfill-v1", "tiny", 64)
    model.generator.forward = lambda x, hole: (x + 0.25, x + 0.5, None)
    x, hole = (t.double() for t in to_tensors(*four))
    model.networks.double()
    log = model._step_generator(x, hole)
    discount = _discount(32, 0.9)
    assert log["l1_hole_coarse"].item() == pytest.approx(0.25 * discount, rel=1e-6)
    assert log["l1_hole_refined"].item() == pytest.approx(0.5 * discount, rel=1e-6)
    assert log["l1_known_coarse"].item() == pytest.approx(0.25, rel=1e-6)
    assert log["l1_known_refined"].item() == pytest.approx(0.5, rel=1e-6)
    l1 = (1.44 * 0.25 + 1.2 * 0.5) * discount + 1.44 * 0.25 + 1.2 * 0.5
    assert log["generator"].item() == pytest.approx(l1 + 0.0001 * log["adversarial"].item(), rel=1e-6)


def _discount(side, gamma):
    near = [gamma ** min(i, side - i) for i in range(side)]
    return sum(max(a, b) for a in near for b in near) / side**2


def test_refinement_without_l1_gets_no_gradient_from_it(params, four):
    model = made(params, "deepfill-v1-no-l1", "tiny", 64)
    model.generator.forward = lambda x, hole: (x + 0.25, x + 0.5, None)
    x, hole = (t.double() for t in to_tensors(*four))
    model.networks.double()
    log = model._step_generator(x, hole)
    expected = 1.44 * 0.25 * (1 + _discount(32, 0.9)) + 0.0001 * log["adversarial"].item()
    assert log["generator"].item() == pytest.approx(expected, rel=1e-6)


def test_critics_rest_while_the_l1_loss_trains_alone(params, four):
    model = made(params, "deepfill-v1", "tiny", 64)
    first, joint = model.config.schedule.phases
    image, hole = (part.repeat(model.batches, 1, 1, 1) for part in to_tensors(*four))
    critics = [value.clone() for value in model.networks["global_critic"].parameters()]
    model.begin(first)
    log = model.step(image, hole)
    assert log.keys().isdisjoint({"critic", "adversarial"})
    assert all(map(torch.equal, critics, model.networks["global_critic"].parameters()))
    model.begin(joint)
    assert model.step(image, hole).keys() >= {"critic", "adversarial"}


def test_a_step_is_five_of_the_critics_and_one_of_the_generator(params, four):
    params["runs"]["deepfill-v1"]["settings"]["critic_steps"] = 5
    model = made(params, "deepfill-v1", "tiny", 64)
    taken = []
    for name, optimiser in model.optimisers.items():
        optimiser.register_step_post_hook(lambda *_, name=name: taken.append(name))
    image, hole = to_tensors(*four)
    model.step(image.repeat(6, 1, 1, 1), hole.repeat(6, 1, 1, 1))
    assert taken == ["critics"] * 5 + ["generator"]


def test_a_phase_sets_the_learning_rate_of_every_optimiser(params):
    model = made(params, "deepfill-v1", "tiny", 64)
    model.begin(Phase(name="slow", iterations=1, learning_rate=1e-5))
    assert {group["lr"] for optimiser in model.optimisers.values() for group in optimiser.param_groups} == {1e-5}


def test_the_critics_step_leaves_the_generator_alone(params, four):
    model = made(params, "deepfill-v1", "tiny", 64)
    model.begin(model.config.schedule.phases[0])
    before = {name: value.clone() for name, value in model.networks.state_dict().items()}
    model._step_critics(*to_tensors(*four))
    changed = {n for n, value in model.networks.state_dict().items() if not torch.equal(value, before[n])}
    assert {name.split(".")[0] for name in changed} == {"local_critic", "global_critic"}


def test_the_refinement_loss_reaches_the_coarse_network(params, four):
    model = made(params, "deepfill-v1", "tiny", 64)
    image, hole = to_tensors(*four)
    _, x2, _ = model.generator(image * 2 - 1, hole)
    (x2 * hole).sum().backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for layer in list(model.generator.coarse)[:4]
        for p in layer.parameters()
    )


def test_a_spatial_transformer_starts_as_the_identity_and_shifts_by_what_it_is_told(params):
    model = made(params, "deepfill-v1-spatial-transformer", "tiny", 64)
    warp = model.generator.refinement.attention_branch.attention
    assert isinstance(warp, SpatialTransformer)
    features, hole = torch.rand(2, 32, 16, 16), torch.zeros(2, 1, 64, 64)
    same, offsets = warp(features, hole)
    assert torch.allclose(same, features, atol=1e-5)
    assert (offsets == 0).all()
    with torch.no_grad():
        warp.localise[-1].bias[2] = 2 * 4 / 16
    moved, offsets = warp(features, hole)
    assert torch.allclose(moved[..., :12], features[..., 4:], atol=1e-5)
    assert (offsets[:, 0] == 0).all() and (offsets[:, 1, :, :6] == 2).all()
    assert (offsets[:, 1, :, 6:] == torch.tensor([1, 0])).all()  # what lies beyond the border comes from the border


def test_an_appearance_flow_samples_where_it_points():
    flow = AppearanceFlow(4)
    with torch.no_grad():
        flow.flow.weight.zero_()
        flow.flow.bias.copy_(torch.tensor([0.0, 4 / 16]).atanh())
    features = torch.rand(1, 4, 16, 16)
    moved, offsets = flow(features, torch.zeros(1, 1, 16, 16))
    assert torch.allclose(moved[:, :, :12], features[:, :, 4:], atol=1e-5)
    assert (offsets[:, 0, :6] == 2).all() and (offsets[:, 1] == 0).all()
    assert (offsets[:, 0, 6:, 0] == torch.tensor([1, 0])).all()


@pytest.mark.parametrize("name", ["perceptual", "style"])
def test_features_are_read_for_a_loss_with_a_weight(params, name):
    assert not made(params, "deepfill-v1", "tiny", 64).config.loss.read_features
    params["runs"]["deepfill-v1"]["settings"]["loss"][name] = 1.0
    assert made(params, "deepfill-v1", "tiny", 64).config.loss.read_features


@pytest.mark.slow
def test_perceptual_and_style_loss_compare_the_result(params, four, features):
    """The generator's loss is the sum of its terms, and a result that is the picture costs nothing."""
    weights = {"perceptual": 0.5, "style": 2.0}
    params["runs"]["deepfill-v1"]["settings"]["loss"] |= weights
    model = made(params, "deepfill-v1", "tiny", 64)
    assert model.config.loss.read_features
    image, hole = to_tensors(*four)
    _, x2, _ = model.generator(image * 2 - 1, hole)
    result = (x2 * hole + (image * 2 - 1) * (1 - hole) + 1) / 2
    wanted = {"perceptual": perceptual_l1(result, image, FEATURES), "style": style_loss(result, image, FEATURES)}
    log = model._step_generator(image * 2 - 1, hole)
    for name, value in wanted.items():
        assert log[name].item() == pytest.approx(value.item(), rel=1e-4) and value > 0
    plain = model.config.model_copy(update={"loss": model.config.loss.model_copy(update=dict.fromkeys(weights, 0.0))})
    without = made(params, "deepfill-v1", "tiny", 64)
    without.config = plain
    rest = without._step_generator(image * 2 - 1, hole)["generator"].item()
    added = sum(weight * log[name].item() for name, weight in weights.items())
    assert log["generator"].item() == pytest.approx(rest + added, rel=1e-4)
    assert model._further_terms(image * 2 - 1, image * 2 - 1) == {"perceptual": 0, "style": 0}


def test_total_variation_is_a_term_when_asked(params, four):
    params["runs"]["deepfill-v1"]["settings"]["loss"]["total_variation"] = 0.1
    with_tv = made(params, "deepfill-v1", "tiny", 64)._step_generator(*to_tensors(*four))
    params["runs"]["deepfill-v1"]["settings"]["loss"]["total_variation"] = 0.0
    without = made(params, "deepfill-v1", "tiny", 64)._step_generator(*to_tensors(*four))
    assert with_tv["generator"] > without["generator"]
    assert with_tv["l1_hole_refined"] == without["l1_hole_refined"]


@pytest.mark.parametrize(("size", "last"), [(64, 4), (60, 4), (33, 3)])
def test_a_critic_takes_any_size(size, last):
    assert Critic(size, 4, [1, 2, 4, 4])(torch.zeros(1, 3, size, size)).shape == (1, 1)
    found, _ = shapes(list(Critic(size, 4, [1, 2, 4, 4]))[:4], torch.zeros(1, 3, size, size))
    assert found[-1] == (16, last)


@pytest.mark.parametrize("padding", ["reflect", "tensorflow"])
def test_the_released_codes_switches_build(params, four, padding):
    settings = params["runs"]["deepfill-v1"]["settings"]
    settings["attention"] |= {"masking": "multiply", "overlap": "constant", "sampling": "aligned"}
    settings["padding"] = padding
    image, hole = to_tensors(four[0].repeat(2, 1).repeat(2, 2), four[1].repeat(2, 1).repeat(2, 2))
    with torch.no_grad():
        output = made(params, "deepfill-v1", "tiny", 128).inpaint(image, hole)
    assert output.isfinite().all()


def halving(network):
    return [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d) and layer.stride == (2, 2)]


def test_tensorflows_padding_is_that_of_every_convolution_that_halves(params, four):
    """Against a port that keeps equal margins and puts a row and a column of zeros before each such kernel."""
    port = made(params, "deepfill-v1", "tiny", 64)
    params["runs"]["deepfill-v1"]["settings"]["padding"] = "tensorflow"
    ours = made(params, "deepfill-v1", "tiny", 64)
    image, hole = to_tensors(*four)
    critics = ("local_critic", image[..., :32, :32]), ("global_critic", image)
    with torch.no_grad():
        alike = port.generator(image, hole)
        for layer in halving(port.networks):
            layer.weight = torch.nn.Parameter(pad(layer.weight, (1, 0, 1, 0)))
        found, wanted = ours.generator(image, hole), port.generator(image, hole)
        scores = [[model.networks[name](picture) for name, picture in critics] for model in (ours, port)]
    assert [len(halving(ours.networks[name])) for name in ours.networks] == [6, 4, 4]
    torch.testing.assert_close(found[:2], wanted[:2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-5)
    assert all((one - other).abs().max() > 0.01 for one, other in zip(found[:2], alike[:2], strict=True))


@pytest.mark.parametrize("sampling", ["strided", "aligned"])
def test_the_spatial_transformer_sees_the_hole_as_attention_samples_it(params, four, sampling):
    params["runs"]["deepfill-v1"]["settings"]["attention"]["sampling"] = sampling
    branch, seen = made(params, "deepfill-v1-spatial-transformer", "tiny", 64).generator.refinement.attention_branch, []
    branch.attention.localise.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0][:, -1:]))
    image, hole = to_tensors(*four)
    hole[..., 41:44] = 0
    with torch.no_grad():
        branch(torch.cat([image, hole, hole], 1), hole)
    places = [math.floor(i * 63 / 15 + 0.5) for i in range(16)] if sampling == "aligned" else list(range(0, 64, 4))
    assert torch.equal(seen[0], hole[:, :, places][..., places])
