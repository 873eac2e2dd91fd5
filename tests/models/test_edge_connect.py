"""The machine-checkable facts of EdgeConnect at paper scale, 256 px, and what its phases promise."""

import pytest
import torch

from building import counts, made, shrink
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.compositing import cover
from palimpsest.layers.edges import canny, grey
from palimpsest.learning.schedule import Phase

PHASES = {name: Phase(name=name, iterations=1, learning_rate=1e-3) for name in ("edges", "painting", "joint")}

WITHOUT_FEATURES = {"perceptual": 0.0, "style": 0.0}


def tiny(params, **changes):
    shrink(params["runs"]["edge-connect"], changes)
    return made(params, "edge-connect", "tiny", 64)


def batch(model, four):
    image, hole = to_tensors(*four)
    return image, hole, *model.derive(image, hole)


def test_parameters(params):
    found = counts(params, "edge-connect")
    assert found["edge_generator"] == 10_761_089
    assert found["painter"] == 10_774_595
    assert found["edge_critic"] == 2_762_752
    assert found["critic"] == 2_763_776


def test_shapes_of_the_generator(params):
    with torch.device("meta"):
        painter = made(params, "edge-connect").networks["painter"]
        encoded = painter.encoder(torch.empty(2, 4, 256, 256))
        assert encoded.shape == painter.middle(encoded).shape == (2, 256, 64, 64)
        assert painter.decoder(encoded).shape == (2, 3, 256, 256)


def test_the_loader_gives_true_edges_and_those_that_known_pixels_show(params, four):
    model = tiny(params)
    image, hole, true, known = batch(model, four)
    assert torch.equal(true, canny(image, torch.zeros_like(hole), 1.0))
    assert torch.equal(known, canny(image, hole, 1.0))


def test_what_the_networks_see(params, four):
    """The hole is white, and G2 is not told where it is."""
    model, seen = tiny(params, colours="unit", hole_colour="white"), {}
    for name in ("edge_generator", "painter"):
        model.networks[name].register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    image, hole, _, known = batch(model, four)
    model.inpaint(image, hole)
    luminance, edges, missing = seen["edge_generator"].split(1, 1)
    assert torch.equal(luminance, torch.where(hole > 0, 1, grey(image)))
    assert torch.equal(edges, known) and torch.equal(missing, hole)
    colours, completed = seen["painter"].split([3, 1], 1)
    assert torch.equal(colours, torch.where(hole > 0, 1, image))
    assert torch.equal(completed * (1 - hole), known)
    assert 0 < (completed * hole).max() < 1


def test_the_smoke_run_paints_from_signed_colours_without_normalisation(params, four):
    model, seen = tiny(params), []
    model.networks["painter"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image, hole, *_ = batch(model, four)
    model.inpaint(image, hole)
    assert torch.equal(seen[0][:, :3], cover(image, hole, "mean") * 2 - 1)
    for normalised in (False, True):
        layers = tiny(params, normalised=normalised).networks["painter"].modules()
        assert any(isinstance(layer, torch.nn.InstanceNorm2d) for layer in layers) == normalised


def test_the_released_code_paints_along_predicted_edges_everywhere(params, four):
    model = tiny(params, known_edges="predicted")
    image, hole, _, known = batch(model, four)
    model.networks.eval()  # else each pass moves the spectral norms
    assert torch.equal(model.complete_edges(image, hole, known), model.predict_edges(image, hole, known))


def test_phases_train_what_they_say(params, four):
    model = tiny(params, loss=WITHOUT_FEATURES)
    inputs, trained = batch(model, four), {}
    for name in ("edges", "painting", "prediction", "joint"):
        before = {key: value.clone() for key, value in model.networks.named_parameters()}
        model.begin(Phase(name=name, iterations=1, learning_rate=1e-3))
        model.step(*inputs)
        moved = {key for key, value in model.networks.named_parameters() if not torch.equal(value, before[key])}
        trained[name] = {key.split(".")[0] for key in moved}
    assert trained["edges"] == {"edge_generator", "edge_critic"}
    assert trained["painting"] == trained["prediction"] == {"painter", "critic"}
    assert trained["joint"] == {"edge_generator", "painter", "critic"}


def test_painting_is_first_learned_along_true_edges(params, four):
    model, seen = tiny(params, loss=WITHOUT_FEATURES), []
    model.networks["painter"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 3:]))
    image, hole, true, known = batch(model, four)
    model.begin(PHASES["painting"])
    model.step(image, hole, true, known)
    assert torch.equal(seen[0], true)


def test_the_losses_are_equations_two_and_nine(params, four, features):
    weights = {"edge_adversarial": 2.0, "feature_matching": 3.0, "l1": 4.0, "adversarial": 5.0, "perceptual": 6.0}
    model = tiny(params, loss={**weights, "style": 7.0})
    image, hole, true, known = batch(model, four)
    model.begin(PHASES["edges"])
    log = {name: value.item() for name, value in model.step(image, hole, true, known).items()}
    wanted = 2.0 * log["edge_adversarial"] + 3.0 * log["feature_matching"]
    assert log["edge_generator"] == pytest.approx(wanted, rel=1e-5)
    with torch.no_grad():
        model.networks.eval()
        l1 = (model.paint(image, hole, true) - image).abs().mean() / hole.mean()
    model.begin(PHASES["painting"])
    log = {name: value.item() for name, value in model.step(image, hole, true, known).items()}
    wanted = sum(weight * log[name] for name, weight in [*list(weights.items())[2:], ("style", 7.0)])
    assert log["generator"] == pytest.approx(wanted, rel=1e-5)
    assert log["l1"] == pytest.approx(l1.item(), rel=1e-4)
    assert min(log.values()) > 0


def test_critics_learn_at_a_tenth_of_the_rate(params):
    model = tiny(params)
    model.begin(PHASES["joint"])
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in model.optimisers.items()}
    assert rates == {"generator": 1e-3, "critic": pytest.approx(1e-4)}


def test_edges_are_shown(params, four):
    model = tiny(params)
    image, hole, _, known = batch(model, four)
    with torch.no_grad():
        shown = model.inspect(image, hole)[1]["edges"]
    assert torch.equal(shown * (1 - hole), known.expand_as(image) * (1 - hole))


def test_an_unknown_phase_is_refused(params):
    phases = [{"name": "edge", "iterations": 1, "learning_rate": 1e-3}]
    with pytest.raises(InputError, match="phase 'edge'; accepted: edges, painting, prediction, joint"):
        tiny(params, schedule={"phases": phases})
