"""The machine-checkable facts of E2I at paper scale, 256 px, its four steps, and what its phases promise."""

import pytest
import torch
from torch.nn.functional import softplus

from building import counts, made, shapes, shrink
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.compositing import cover, paste
from palimpsest.layers.edges import canny, grey
from palimpsest.learning.schedule import Phase
from palimpsest.models.e2i import balanced_cross_entropy

WITHOUT_FEATURES = {"perceptual": 0.0, "style": 0.0}


def tiny(params, **changes):
    """A model whose painter no longer fills with grey."""
    shrink(params["runs"]["e2i"], changes)
    model = made(params, "e2i", "tiny", 64)
    painter = model.networks["painter"]
    for stage in (painter.coarse, painter.refinement):
        torch.nn.init.xavier_uniform_(stage.last.weight)
    return model


def phase(name):
    return Phase(name=name, iterations=1, learning_rate=1e-3)


def batch(model, four):
    image, hole = to_tensors(*four)
    return image, hole


def seen_by(model, name):
    """What each pass of a network takes, once it has been called."""
    seen = []
    model.networks[name].register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    return seen


def test_parameters(params):
    found = counts(params, "e2i")
    assert found["edge_generator"] == 5_780_285
    assert found["painter"] == 3_779_284
    assert found["painter.coarse"] == 1_450_986
    assert found["painter.refinement"] == 2_328_298
    assert found["edge_critic"] == 2_762_752
    assert found["critic"] == 2_763_776


def test_shapes_at_paper_scale(params):
    with torch.device("meta"):
        networks = made(params, "e2i").networks
        picture, plane = torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256)
        planes = torch.empty(2, 2, 256, 256)
        assert networks["detector"](picture).shape == (2, 5, 256, 256)
        assert networks["edge_generator"](picture).shape == (2, 1, 256, 256)
        coarse = networks["painter"].coarse
        stems = coarse.stems(picture, plane, planes)
        found, _ = shapes(coarse.trunk, stems)
        x2, offsets = networks["painter"].refinement(picture, picture, plane, planes)
    assert stems.shape == (2, 64, 256, 256)
    assert found[:6] == [(64, 256), (64, 128), (64, 128), (64, 64), (128, 64), (128, 64)]
    assert found[-1] == (16, 256)
    assert x2.shape == (2, 3, 256, 256) and offsets.shape == (2, 2, 32, 32)


def test_the_detector_learns_cannys_edges_of_the_whole_picture(params, four):
    model = tiny(params)
    image, hole = batch(model, four)
    with torch.no_grad():
        wanted = balanced_cross_entropy(model.networks["detector"](image), canny(image, torch.zeros_like(hole), 1.0))
    model.begin(phase("detector"))
    torch.testing.assert_close(model.step(image, hole)["detector"], wanted)


def test_the_four_steps(params, four):
    model = tiny(params)
    model.networks.eval()
    image, hole = to_tensors(*four)
    painted, detected, completed = (seen_by(model, name) for name in ("painter", "detector", "edge_generator"))
    with torch.no_grad():
        output, shown = model.inspect(image, hole)
        rough = paste(model.paint(image, hole, torch.zeros_like(hole))[1].clamp(0, 1), image, hole)
        edges = model.detect(rough)
    assert (painted[0][1] == 1).all()  # white: no edges
    assert torch.equal(detected[0][0], rough) and torch.equal(shown["rough"], rough)
    white, ones, missing = completed[0][0].split(1, 1)
    assert torch.equal(white, torch.where(hole > 0, 1, 1 - 2 * edges))
    assert (ones == 1).all() and torch.equal(missing, hole)
    along = (1 - painted[1][1]) / 2
    torch.testing.assert_close(along * (1 - hole), edges * (1 - hole))
    torch.testing.assert_close(shown["edges"], along.expand_as(image))
    torch.testing.assert_close(output, model.paint(image, hole, along)[1].clamp(0, 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("colour", ["white", "mean"])
def test_the_colour_of_the_hole(params, four, colour):
    model = tiny(params, hole_colour=colour)
    image, hole = to_tensors(*four)
    painted = seen_by(model, "painter")
    model.paint(image, hole, torch.zeros_like(hole))
    x = (painted[0][0] + 1) / 2
    known = hole[0, 0] == 0
    mean = image[:, :, known].mean(2)
    wanted = torch.ones_like(mean) if colour == "white" else mean
    torch.testing.assert_close(x[..., ~known], wanted[..., None].expand_as(x[..., ~known]))
    torch.testing.assert_close(x[..., known], image[..., known])


def test_both_stages_start_with_grey(params, four):
    model = made(params, "e2i", "tiny", 64)
    image, hole = to_tensors(*four)
    x1, x2, _ = model.paint(image, hole, torch.zeros_like(hole))
    assert (x1 == 0.5).all() and (x2 == 0.5).all()


def test_the_signal_does_not_fade_in_the_trunk(params, four):
    """Pictures of different brightness leave it as far apart, to a tenth, as they enter."""
    model = tiny(params)
    image, hole = to_tensors(*four)
    coarse, ends = model.networks["painter"].coarse, []
    coarse.trunk.register_forward_hook(lambda _, inputs, output: ends.extend([inputs[0], output]))
    with torch.no_grad():
        model.paint(image, hole, torch.zeros_like(hole))
    entered, left = (maps.mean((2, 3)).std(0).mean() for maps in ends)
    assert left > entered / 10


def test_phases_train_what_they_say(params, four):
    model = tiny(params, loss=WITHOUT_FEATURES, edgeless=0.0)
    inputs, trained = batch(model, four), {}
    for name in ("detector", "edges", "painting", "joint"):
        before = {key: value.clone() for key, value in model.networks.named_parameters()}
        model.begin(phase(name))
        model.step(*inputs)
        moved = {key for key, value in model.networks.named_parameters() if not torch.equal(value, before[key])}
        trained[name] = {key.split(".")[0] for key in moved}
    assert trained["detector"] == {"detector"}
    assert trained["edges"] == {"edge_generator", "edge_critic"}
    assert trained["painting"] == {"painter", "critic"}
    assert trained["joint"] == {"edge_generator", "painter", "critic"}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_painting_is_learned_along_the_detectors_edges_and_without_any(params, four, share):
    model = tiny(params, loss=WITHOUT_FEATURES, edgeless=share)
    painted, inputs = seen_by(model, "painter"), batch(model, four)
    model.begin(phase("painting"))
    model.step(*inputs)
    edges = model.detect(inputs[0]) if share == 0 else torch.zeros_like(inputs[1])
    assert torch.equal(painted[0][1], 1 - 2 * edges)


def test_the_edge_generator_does_not_see_edges_in_the_hole(params, four):
    model = tiny(params)
    completed, inputs = seen_by(model, "edge_generator"), batch(model, four)
    model.begin(phase("edges"))
    model.step(*inputs)
    hole = inputs[1]
    assert (completed[0][0][:, :1][hole > 0] == 1).all()
    assert completed[0][0][:, :1][hole == 0].max() < 1


def test_rare_edges_weigh_as_much_as_what_is_around_them():
    scores, edges = torch.full((2, 5, 4, 8), 3.0), torch.zeros(2, 1, 4, 8)
    edges[..., 0] = 1  # an eighth
    loss = balanced_cross_entropy(scores, edges)
    there, elsewhere = softplus(torch.tensor(-3.0)), softplus(torch.tensor(3.0))
    torch.testing.assert_close(loss, 5 * (1 / 8 * 7 / 8 * there + 7 / 8 * 1 / 8 * elsewhere))


def test_the_l1_is_that_of_both_stages_before_clipping(params, four):
    model = tiny(params, loss={**WITHOUT_FEATURES, "l1": 3.0, "adversarial": 2.0}, edgeless=1.0)
    model.networks["painter"].forward = lambda x, edges, hole: (x + 4, x + 8, None)
    model.optimisers["generator"].step = lambda: None
    image, hole = batch(model, four)
    image.requires_grad_()  # in place of the painter's weights
    model.optimisers["generator"].param_groups[0]["params"] = [image]
    model.begin(phase("painting"))
    log = model.step(image, hole)
    with torch.no_grad():
        off = [(cover(image, hole, model.config.hole_colour) - image + shift).abs().mean() for shift in (2, 4)]
    assert log["l1"].item() == pytest.approx((sum(off) / hole.mean()).item(), rel=1e-5)
    assert log["generator"].item() == pytest.approx((3 * log["l1"] + 2 * log["adversarial"]).item(), rel=1e-5)


def test_the_edge_critic_sees_the_grey_picture_and_soft_edges(params, four):
    model = tiny(params)
    judged, inputs = seen_by(model, "edge_critic"), batch(model, four)
    model.begin(phase("edges"))
    model.step(*inputs)
    real = judged[0][0][:4]
    torch.testing.assert_close(real, torch.cat([grey(inputs[0]), model.detect(inputs[0])], 1))


def test_critics_learn_at_a_tenth_of_the_rate(params):
    model = tiny(params)
    model.begin(phase("joint"))
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in model.optimisers.items()}
    assert rates == {"detector": 1e-3, "generator": 1e-3, "critic": pytest.approx(1e-4)}


def test_a_phase_of_no_network_is_refused(params):
    with pytest.raises(InputError, match="accepted: detector, edges, painting, joint"):
        tiny(params, schedule={"phases": [{"name": "edge", "iterations": 1, "learning_rate": 1e-3}]})
