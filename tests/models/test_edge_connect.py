"""The machine-checkable facts of EdgeConnect at paper scale, 256 px, and what its phases promise."""

import pytest
import torch
from skimage.color import rgb2gray
from skimage.feature import canny as detect
from torch.nn.functional import conv2d, conv_transpose2d, instance_norm, pad, relu

from building import as_released, counts, enliven, made, shrink, together
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


class Textbook:
    """A released generator, by the names of its own keys; with spectral normalisation where the file has it."""

    def __init__(self, state):
        self.state = state

    def weight(self, name, axis):
        if f"{name}.weight" in self.state:
            return self.state[f"{name}.weight"]
        weight, u, v = (self.state[f"{name}.weight_{part}"] for part in ("orig", "u", "v"))
        return weight / (u @ weight.movedim(axis, 0).flatten(1) @ v)

    def mirrored(self, name, x, margin, dilation=1):
        x = pad(x, [margin] * 4, mode="reflect")
        return conv2d(x, self.weight(name, 0), self.state.get(f"{name}.bias"), dilation=dilation)

    def __call__(self, x):
        x = relu(instance_norm(self.mirrored("encoder.1", x, 3)))
        for name in ("encoder.4", "encoder.7"):
            x = conv2d(x, self.weight(name, 0), self.state[f"{name}.bias"], stride=2, padding=1)
            x = relu(instance_norm(x))
        for block in range(8):
            hidden = relu(instance_norm(self.mirrored(f"middle.{block}.conv_block.1", x, 2, dilation=2)))
            x = x + instance_norm(self.mirrored(f"middle.{block}.conv_block.5", hidden, 1))
        for name in ("decoder.0", "decoder.3"):
            x = conv_transpose2d(x, self.weight(name, 1), self.state[f"{name}.bias"], stride=2, padding=1)
            x = relu(instance_norm(x))
        return self.mirrored("decoder.7", x, 3)


def released_code(edge_state, painter_state, image, hole):
    """Mode 3 of the released test script: the predicted edges of the whole picture lead the painter."""
    grey = rgb2gray(image[0].permute(1, 2, 0).numpy())
    found = detect(grey, 2.0, mask=hole[0, 0].numpy() == 0)
    luminance, found = (torch.tensor(part)[None, None].float() for part in (grey, found))
    edges = Textbook(edge_state)(torch.cat([luminance * (1 - hole) + hole, found * (1 - hole), hole], 1)).sigmoid()
    return (Textbook(painter_state)(torch.cat([image * (1 - hole) + hole, edges], 1)).tanh() + 1) / 2


def test_a_released_state_fills_as_its_own_code_does(params, four):
    params["runs"]["edge-connect"]["settings"]["width"] = 8
    model, *states = as_released(params, "edgeconnect-edge", "edgeconnect-inpaint")
    for state in states:
        enliven(state)
    image, hole = together(four)
    image, hole = image[..., 20:112, 10:126], hole[..., 20:112, 10:126]
    wanted = released_code(*states, image, hole)
    assert model.size_divisor == 4 and wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=3e-5, rtol=0)  # processors round differently
    other = torch.where(hole > 0, 1 - image, image)
    assert torch.equal(model.inpaint(image, hole), model.inpaint(other, hole))
    released = model.config
    for name, wrong in (("known_edges", "detected"), ("hole_colour", "grey"), ("colours", "signed"), ("sigma", 1.0)):
        model.config = released.model_copy(update={name: wrong})
        assert (model.inpaint(image, hole) - wanted).abs().max() > 0.01, name


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
    with pytest.raises(InputError, match="found 'edge'; accepted: edges, painting, prediction, joint"):
        tiny(params, schedule={"phases": phases})
