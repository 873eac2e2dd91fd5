"""The machine-checkable facts of MEDFE at paper scale, 256 px, and what filling, equalisation and losses promise."""

import pytest
import torch
from torch import nn
from torch.nn.functional import (
    avg_pool2d,
    conv2d,
    conv_transpose2d,
    instance_norm,
    interpolate,
    leaky_relu,
    pad,
    relu,
)

from building import as_released, counts, enliven, made, shrink
from layers.textbook_neighbour_means import textbook_distance, textbook_resemblance
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.partial_convolution import PartialConv
from palimpsest.layers.structure import structure
from palimpsest.learning.schedule import Phase
from palimpsest.losses.adversarial import relativistic_average
from palimpsest.models.medfe import Equalisation

PHASE = Phase(name="joint", iterations=1, learning_rate=1e-3)

WITHOUT_FEATURES = {"perceptual": 0.0, "style": 0.0}


def tiny(params, **changes):
    shrink(params["runs"]["medfe"], changes)
    return made(params, "medfe", "tiny", 64)


def test_parameters(params):
    found = counts(params, "medfe")
    assert found["encoder"] == 30_026_432
    assert found["decoder"] == 18_098_499
    assert found["core"] == 54_992_928
    assert found["read_out"] == 771
    assert found["critic"] == found["local_critic"] == 2_764_737


def test_shapes(params):
    with torch.device("meta"):
        networks = made(params, "medfe").networks
        maps = networks["encoder"](torch.empty(2, 6, 256, 256))
        sizes = [(2, 64, 128), (2, 128, 64), (2, 256, 32), (2, 512, 16), (2, 512, 8), (2, 512, 4)]
        assert [tuple(x.shape[:3]) for x in maps] == sizes
        equalised, structures, textures = networks["core"](maps, torch.empty(2, 1, 256, 256))
        assert [x.shape for x in equalised] == [x.shape for x in maps]
        assert structures.shape == textures.shape == (2, 256, 32, 32)
        assert networks["decoder"](equalised).shape == (2, 3, 256, 256)
        assert networks["critic"](torch.empty(2, 3, 256, 256)).shape == (2, 1, 8, 8)
        assert networks["local_critic"](torch.empty(2, 3, 64, 64)).shape == (2, 1, 2, 2)


class Textbook:
    """The released networks, by the names of their own keys, for one picture (1, 3, 256, 256) in [-1, 1]."""

    def __init__(self, state):
        self.state = state

    def conv(self, name, x, **switches):
        return conv2d(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"), **switches)

    def norm(self, name, x):
        return instance_norm(x, weight=self.state[f"{name}.weight"], bias=self.state[f"{name}.bias"])

    def unit(self, name, x, **switches):
        return leaky_relu(instance_norm(self.conv(name, x, **switches)), 0.2)

    def encode(self, x):
        halving = {"stride": 2, "padding": 1}
        maps = [leaky_relu(self.conv("Encoder_1.model.0", x, **halving), 0.2)]
        for level in range(2, 6):
            x = self.conv(f"Encoder_{level}.model.1", maps[-1], **halving)
            maps.append(leaky_relu(self.norm(f"Encoder_{level}.model.2", x), 0.2))
        x = self.conv("Encoder_6.model.1", maps[-1], **halving)
        for block in range(4):
            name = f"middle.{block}.conv_block"
            hidden = relu(instance_norm(self.conv(f"{name}.1", pad(x, [2] * 4, mode="reflect"), dilation=2)))
            x = x + instance_norm(self.conv(f"{name}.5", pad(hidden, [1] * 4, mode="reflect")))
        return [*maps, x]

    def fill(self, x):
        """The mask is valid everywhere, and what a window counts is what its own kernel makes of it."""
        filled = []
        for kernel in (3, 5, 7):
            hidden = x
            for layer in range(5):
                name = f"pc_block.cov_{kernel}.{layer}"
                held = self.conv(f"{name}.conv.mask_conv", torch.ones_like(hidden), padding=kernel // 2)
                hidden = self.conv(f"{name}.conv.input_conv", hidden, padding=kernel // 2) / held
                hidden = leaky_relu(self.norm(f"{name}.bn", hidden), 0.2)
            filled.append(hidden)
        return self.unit("pc_block.down.model.0", torch.cat(filled, 1))

    def equalise(self, x):
        squeezed = relu(self.conv("pc_block.base.model.0.fc.0", x.mean((2, 3), keepdim=True)))
        x = x * self.conv("pc_block.base.model.0.fc.2", squeezed).sigmoid()
        means = [textbook_distance(x), textbook_resemblance(x)]
        scrambled = [mean.permute(0, 2, 3, 1).reshape(x.shape) for mean in means]
        return self.unit("pc_block.base.down.0", torch.cat(scrambled, 1))

    def core(self, maps):
        def resized(name, x, side):
            return self.unit(f"pc_block.{name}.conv", interpolate(x, side, mode="bilinear"))

        def halved(name, x, layers, activated):
            for layer in range(layers):
                x = instance_norm(self.conv(f"pc_block.{name}.model.{3 * layer}", x, stride=2, padding=1))
                x = leaky_relu(x, 0.2) if activated or layer < layers - 1 else x
            return x

        active = [leaky_relu(x, 0.2) for x in maps]
        texture = [halved("down_128", active[0], 2, True), halved("down_64", active[1], 1, True)]
        texture.append(self.unit("pc_block.down_32.model.0", active[2]))
        groups = [torch.cat([resized("up", x, 32) for x in active[3:]], 1), torch.cat(texture, 1)]
        filled = [self.fill(self.unit("pc_block.down.model.0", group)) for group in groups]
        x = self.equalise(self.unit("pc_block.fuse.model.0", torch.cat(filled, 1)))
        back = [resized(f"up_{side}", x, side) for side in (128, 64, 32)]
        back += [halved(f"down_{side}", x, layers, False) for side, layers in ((16, 1), (8, 2), (4, 3))]
        return [a + b for a, b in zip(maps, back, strict=True)], *filled

    def decode(self, maps):
        x = maps[5]
        for level in range(1, 7):
            weight, bias = (self.state[f"Decoder_{level}.model.1.{part}"] for part in ("weight", "bias"))
            x = conv_transpose2d(relu(x), weight, bias, stride=2, padding=1)
            if level < 6:
                x = torch.cat([self.norm(f"Decoder_{level}.model.2", x), maps[5 - level]], 1)
        return x.tanh()


def test_a_released_state_fills_as_its_own_code_does(params):
    params["runs"]["medfe"]["settings"]["width"] = 8
    model, *states = as_released(params, "medfe-EN", "medfe-DE", "medfe-MEDFE")
    for state in states:
        enliven(state)
    model.networks.double()
    book = Textbook({key: value.double() for state in states for key, value in state.items()})
    image, hole = torch.rand(2, 3, 256, 256).double(), torch.zeros(2, 1, 256, 256).double()
    hole[0, :, 20:100, 30:120], hole[1, :, :40, 60:] = 1, 1
    x = image * 2 - 1
    output, structures, textures = model.generate(x, hole)
    colour = torch.tensor([123.0, 104.0, 117.0]).double().view(3, 1, 1) / 127.5 - 1
    for own in range(2):  # the released code takes one picture at a time
        one = slice(own, own + 1)
        inputs = torch.cat([torch.where(hole[one] > 0, colour, x[one]), 1 - hole[one].expand(-1, 3, -1, -1)], 1)
        maps, wanted_structures, wanted_textures = book.core(book.encode(inputs))
        wanted = book.decode(maps)
        assert wanted.std() > 0.1
        torch.testing.assert_close(structures[one], wanted_structures)
        torch.testing.assert_close(textures[one], wanted_textures)
        torch.testing.assert_close(output[one], wanted, atol=1e-6, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), (output + 1) / 2)
    for module in model.networks["core"].modules():
        if isinstance(module, PartialConv):
            module.normalisation = "sum"
    assert (model.generate(x[:1], hole[:1])[0] - output[:1]).abs().max() > 0.01


def test_equalised_maps_stay_where_they_are():
    """A change of one place reaches those near it; read as released, it turns up elsewhere."""
    x, reached = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(0)), {}
    other = x.clone()
    other[..., 4, 5] += 1
    for read in ("by place", "as released"):
        layer = Equalisation(16, read).requires_grad_(False)
        layer.join = nn.Identity()
        for value in layer.squeeze.parameters():
            value.zero_()  # all channels count alike
        reached[read] = ((layer(other) - layer(x)).abs().amax(1)[0] > 1e-6).nonzero()
    assert reached["by place"].max() < 14
    assert reached["as released"].max() > 20


def test_a_place_is_missing_where_most_of_its_pixels_are(params, four):
    image, hole = to_tensors(*four)
    hole[:, :, 20:22, 44:47] = 1
    for above, wanted in ((0.5, (avg_pool2d(hole, 4) <= 0.5).float()), (1.0, torch.ones(4, 1, 16, 16))):
        model, seen = tiny(params, missing_above=above), []
        for fill in model.networks["core"].fill:
            fill[0].register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0].valid))
        model.inpaint(image, hole)
        assert len(seen) == 2 and all(torch.equal(valid, wanted.repeat(2, 1, 1, 1)) for valid in seen)


def test_what_the_network_sees(params, four):
    model, seen = tiny(params), []
    model.networks["encoder"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image, hole = to_tensors(*four)
    model.inpaint(image, hole)
    colours, known = seen[0].chunk(2, 1)
    grey = torch.tensor([123.0, 104.0, 117.0]).view(3, 1, 1) / 127.5 - 1
    torch.testing.assert_close(colours, torch.where(hole > 0, grey, image * 2 - 1))
    assert torch.equal(known, (1 - hole).expand(-1, 3, -1, -1))


def test_the_loader_gives_the_structure_of_the_whole_picture(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    (found,) = model.derive(image, hole)
    assert torch.equal(found, structure(avg_pool2d(image, 2), model.config.structure))
    assert torch.equal(found, model.derive(image, torch.zeros_like(hole))[0])


def test_a_step_trains_all_networks(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    before = {key: value.clone() for key, value in model.networks.named_parameters()}
    model.begin(PHASE)
    model.step(image, hole, *model.derive(image, hole))
    moved = {
        key.split(".")[0] for key, value in model.networks.named_parameters() if not torch.equal(value, before[key])
    }
    assert moved == {"encoder", "core", "decoder", "read_out", "critic", "local_critic"}


def test_the_losses(params, four, features):
    weights = {"l1": 2.0, "read_outs": 3.0, "perceptual": 4.0, "style": 5.0, "adversarial": 6.0}
    model = tiny(params, loss=weights)
    image, hole = to_tensors(*four)
    (structures,) = model.derive(image, hole)
    model.begin(PHASE)
    x, read = image * 2 - 1, model.networks["read_out"]
    with torch.no_grad():
        output, *filled = model.generate(x, hole)
        wanted = [interpolate(y, (16, 16), mode="bilinear") for y in (structures * 2 - 1, x)]
        errors = [(read(maps).tanh() - y).abs().mean() for maps, y in zip(filled, wanted, strict=True)]
    log = {name: value.item() for name, value in model.step(image, hole, structures).items()}
    assert log["l1"] == pytest.approx((output - x).abs().mean().item(), rel=1e-4)
    assert log["read_outs"] == pytest.approx(sum(errors).item(), rel=1e-4)
    assert log["generator"] == pytest.approx(sum(weight * log[name] for name, weight in weights.items()), rel=1e-5)
    assert min(log.values()) > 0


def test_critics_see_the_same_square_of_both_pictures(params, four):
    model, seen = tiny(params), {}
    model.networks.eval()  # else each pass moves the spectral norms
    for name in ("critic", "local_critic"):
        model.networks[name].register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    image, _ = to_tensors(*four)
    real, fake = image, 1 - image
    squares = {tuple(part.start for part in model.random_square(image)) for _ in range(400)}
    assert min(min(square) for square in squares) == 0 and max(max(square) for square in squares) == 32
    rows, columns = square = model.random_square(image)
    scores = model.scores(real, fake, square)
    assert torch.equal(seen["critic"], torch.cat([real, fake]))
    assert torch.equal(seen["local_critic"], torch.cat([real, fake])[:, :, rows, columns])
    assert seen["local_critic"].shape == (8, 3, 32, 32)
    for (a, b), name in zip(scores, ("critic", "local_critic"), strict=True):
        assert torch.equal(torch.cat([a, b]), model.networks[name](seen[name]))


def test_real_and_fake_change_places_in_the_game(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    model.networks.eval()
    with torch.no_grad():
        output = model.generate(image * 2 - 1, hole)[0]
        square = (slice(0, 32), slice(0, 32))
        model.random_square = lambda _: square
        scores = model.scores(image * 2 - 1, output, square)
    model.begin(PHASE.model_copy(update={"learning_rate": 1e-12}))  # the critics stay as they are
    log = model.step(image, hole, *model.derive(image, hole))
    assert log["critic"].item() == pytest.approx(sum(relativistic_average(r, f) for r, f in scores).item(), rel=1e-4)
    wanted = sum(relativistic_average(f, r) for r, f in scores)
    assert log["adversarial"].item() == pytest.approx(wanted.item(), rel=1e-4)


@pytest.mark.parametrize("normalised", [True, False])
def test_without_normalisation_only_residual_blocks_have_it(params, normalised):
    networks = tiny(params, normalised=normalised).networks
    norms = {name for name, module in networks.named_modules() if isinstance(module, nn.InstanceNorm2d)}
    residual = {name for name in norms if name.startswith("encoder.middle.")}
    assert len(residual) == 2 * len(networks["encoder"].middle) > 0
    assert bool(norms - residual) == normalised


@pytest.mark.parametrize(
    ("size", "changes", "accepted"),
    [
        (96, {}, "2 kernels, so 4 levels, for pictures of 96 px; accepted: multiples of 64 px"),
        (64, {"structure": {"side": 48}}, r"structure\.side is 48 for pictures of 64 px; accepted: a divisor of 64"),
        (64, {"critic": {"side": 8}}, r"critic\.side is 8, critic\.layers 3; accepted: a side from 16 px"),
        (64, {"critic": {"side": 65}}, r"critic\.side is 65, critic\.layers 3; .* to the picture's 64 px"),
    ],
)
def test_pictures_that_the_networks_cannot_take_are_refused(params, size, changes, accepted):
    shrink(params["runs"]["medfe"], changes)
    with pytest.raises(InputError, match=accepted):
        made(params, "medfe", "tiny", size)
