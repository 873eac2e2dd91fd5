"""The machine-checkable facts of HiFill at its own scale, 512 px, and what it promises for larger pictures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, elu, fold, interpolate, max_pool2d, pad, unfold

from building import as_released, counts, enliven, made, shapes, together
from layers.textbook_attention import fused
from palimpsest.inpainting import to_tensors
from palimpsest.learning.schedule import Phase
from palimpsest.models.hifill import Outputs

ROOT = Path(__file__).parents[2]
JOINT = Phase(name="joint", iterations=1, learning_rate=1e-3)


def tiny(params, **changes):
    params["runs"]["cra"]["settings"] |= changes
    return made(params, "cra", "tiny", 64)


def holed(height, width, top, left, side, seed=0):
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    hole = torch.zeros(1, 1, height, width)
    hole[..., top : top + side, left : left + side] = 1
    return image, hole


def test_parameters(params):
    found = counts(params, "cra")
    assert found["generator"] == 2_722_791
    assert found["generator.coarse"] == 811_489
    assert found["generator.refinement"] == 1_911_302


def test_the_critic_of_pictures_of_512_px(params):
    with torch.device("meta"):
        critic = made(params, "cra", size=512).networks["critic"]
    assert sum(value.numel() for value in critic.parameters()) == 5_961_601


def test_a_depth_separable_gate_adds_what_the_released_code_leaves_out(params):
    """A 3 x 3 kernel and a bias for each input channel of each layer."""
    params["runs"]["cra"]["settings"]["generator"]["refinement_gate"] = "depth-separable"
    layers = [4, 32, 32, 64, 64, 128, *[128] * 5, 128, 256, 128, 64, 64, 64, 128, 32, 32, 32, 64]
    assert counts(params, "cra")["generator.refinement"] == 1_911_302 + 10 * sum(layers)


def test_shapes_of_every_layer(params):
    with torch.device("meta"):
        generator = made(params, "cra", size=512).networks["generator"]
        coarse = [block for part in generator.coarse for block in part]
        found, _ = shapes(coarse, torch.empty(1, 4, 256, 256))
        refinement = generator.refinement
        encoder, _ = shapes([layer for level in refinement.encoder for layer in level], torch.empty(1, 4, 512, 512))
        scores = torch.empty(1, 1024, 1024)
        first = refinement.decoder[0](torch.empty(1, 128, 64, 64), torch.empty(1, 64, 128, 128), scores)
        second = refinement.decoder[1](first, torch.empty(1, 32, 256, 256), scores)
        x1, x2, scores = generator(torch.empty(1, 3, 512, 512), torch.empty(1, 1, 512, 512))
    assert found[:3] == [(32, 128), (32, 128), (64, 64)]
    assert found[3:23] == [(64, 64)] * 20
    assert found[23:] == [(32, 128), (32, 128), (3, 256), (3, 256)]
    assert encoder == [(32, 256), (32, 256), (64, 128), (64, 128), (128, 64), (128, 64)]
    assert first.shape == (1, 128, 128, 128) and second.shape == (1, 64, 256, 256)
    assert x1.shape == x2.shape == (1, 3, 512, 512)
    assert scores.shape == (1, 1024, 1024)


def test_dilations(params):
    with torch.device("meta"):
        generator = made(params, "cra").networks["generator"]
    coarse = [layer.features.dilation[0] for layer in generator.coarse.dilated]
    assert coarse == [1, 1, 1, 2, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8]
    assert [layer.features.dilation[0] for layer in generator.refinement.dilated] == [1, 2, 4, 8, 16]
    assert all(layer.gate.dilation == (1, 1) for layer in generator.refinement.dilated)
    assert [level.transferred[1].features.dilation[0] for level in generator.refinement.decoder] == [2, 2]


class Textbook:
    """The released generator, by the names of its own keys, for one picture in [-1, 1]; `choices` are made wrong."""

    def __init__(self, state, **choices):
        self.state = state
        self.choices = {"before": 0, "resized": "from the corner", "masking": "multiply", "fuse": True, **choices}

    def conv(self, weight, bias, x, stride=1, dilation=1):
        """TensorFlow's SAME: of an odd margin the larger part comes after."""
        weight, bias = self.state[f"generator/{weight}"], self.state[f"generator/{bias}"]
        margin = dilation * (weight.shape[2] - 1) + 1 - stride
        before = margin // 2 + (stride - 1) * self.choices["before"]
        x = pad(x, [before, margin - before] * 2)
        return conv2d(x, weight, bias, stride, dilation=dilation)

    def coarse_unit(self, name, x, stride=1, dilation=1):
        parts = [(f"{name}_{half}/w", f"{name}_{half}/biases") for half in ("gate", "feat")]
        gate, features = (self.conv(*part, x, stride, dilation) for part in parts)
        return gate.sigmoid() * elu(features)

    def unit(self, name, x, stride=1, dilation=1):
        weight, bias = (self.state[f"generator/{name}/{part}"] for part in ("pw", "ds_biases"))
        return (
            elu(self.conv(f"{name}/w", f"{name}/biases", x, stride, dilation))
            * conv2d(x, weight, bias, stride).sigmoid()
        )

    def doubled(self, x):
        """TensorFlow 1's bilinear interpolation, from i / 2, along each axis."""
        if self.choices["resized"] == "half-pixel":
            return interpolate(x, scale_factor=2, mode="bilinear")
        for axis in (2, 3):
            after = torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), x.narrow(axis, -1, 1)], axis)
            x = torch.stack([x, (x + after) / 2], axis + 1).flatten(axis, axis + 1)
        return x

    def halved(self, x):
        """It takes every second pixel."""
        return (
            interpolate(x, scale_factor=0.5, mode="bilinear")
            if self.choices["resized"] == "half-pixel"
            else x[..., ::2, ::2]
        )

    def coarse(self, x):
        x = self.coarse_unit("c_en_down_128", self.halved(x), stride=2)
        x = self.coarse_unit("c_en_down_64", self.coarse_unit("c_en_conv_128", x), stride=2)
        for k in (1, 2, 3):
            x = self.coarse_unit(f"c_en_conv{k}_64", x)
        for k, dilation in enumerate([1] * 3 + [2] * 5 + [4] * 4 + [8] * 2, 1):
            x = self.coarse_unit(f"c_dil_d{k}", x, dilation=dilation)
        for k in (1, 2, 3):
            x = self.coarse_unit(f"c_de_conv{k}_64", x)
        x = self.coarse_unit("c_de_up_128/c_de_up_128_conv", self.doubled(x))
        x = self.coarse_unit("c_de_toRGB/c_de_toRGB_conv", self.doubled(self.coarse_unit("c_de_conv_128", x)))
        return self.doubled(x.clamp(-1, 1))

    def scores(self, x, hole):
        """(1, places to take from, h, w)."""
        small = x[..., ::2, ::2]
        kernels = unfold(small, 3, padding=1)[0].T.reshape(-1, x.shape[1], 3, 3)
        scores = conv2d(small, kernels / kernels.flatten(1).norm(dim=1).clamp_min(1e-8)[:, None, None, None], padding=1)
        scores = fused(scores) if self.choices["fuse"] else scores
        known = 1 - max_pool2d(max_pool2d(hole, 16), 3, stride=1, padding=1).flatten()[None, :, None, None]
        if self.choices["masking"] == "exclude":
            return (scores * 10).masked_fill(known == 0, -torch.inf).softmax(1)
        return (scores * known * 10).softmax(1) * known

    def attended(self, x, scores):
        """Patches of 3 x 3 at a stride of 2, from the first pixel on, summed."""
        patches = unfold(pad(x, (0, 1, 0, 1)), 3, stride=2)
        return fold(patches @ scores.flatten(2)[0], [side + 1 for side in x.shape[2:]], 3, stride=2)[..., :-1, :-1]

    def transferred(self, name, x, scores):
        rate = x.shape[2] // scores.shape[2]
        patches = unfold(x, 2 * rate, stride=rate, padding=rate // 2)[0].T.unflatten(1, (-1, 2 * rate, 2 * rate))
        x = conv_transpose2d(scores, patches, stride=rate, padding=rate // 2)
        return self.unit(f"{name}_2", self.unit(f"{name}_1", x), dilation=2)

    def __call__(self, image, hole):
        x = image * (1 - hole)
        x = torch.cat([self.coarse(torch.cat([x, hole], 1)) * hole + x * (1 - hole), hole], 1)
        levels = []
        for side in (256, 128, 64):
            x = self.unit(f"re_en_conv_{side}", self.unit(f"re_en_down_{side}", x, stride=2))
            levels.append(x)
        for dilation in (1, 2, 4, 8, 16):
            x = self.unit(f"re_dil_d{dilation}", x, dilation=dilation)
        scores = self.scores(x, hole)
        x = self.unit("re_att_64_att3", torch.cat([x, self.unit("re_att_64_att1", self.attended(x, scores))], 1))
        for side, level in ((128, levels[1]), (256, levels[0])):
            x = self.unit(f"re_de_conv_{side}", self.unit(f"re_de_up__{side}/re_de_up__{side}_conv", self.doubled(x)))
            x = torch.cat([self.transferred(f"re_de_att_{side}", level, scores), x], 1)
        return self.unit("re_de_toRGB__256/re_de_toRGB__256_conv", self.doubled(x)).clamp(-1, 1)


@pytest.mark.parametrize("size", [(128, 128), (96, 256)])
def test_a_released_state_fills_as_its_own_code_does(params, four, size):
    settings = params["runs"]["cra"]["settings"]
    settings["generator"]["width"] = settings["critic"]["width"] = 8
    model, state = as_released(params, "hifill-places2", size=512)
    enliven(state)
    for part in ("w", "biases"):
        state[f"generator/re_dil_d16/{part}"].mul_(0.002)  # so that attention takes something from many places
    image, _ = together(four)
    image = torch.cat([image, image.flip(3)], 3)[..., : size[0], : size[1]]
    hole = torch.zeros_like(image[:, :1])
    hole[..., 40:70, 36:60] = 1
    wanted = (Textbook(state)(image * 2 - 1, hole) + 1) / 2
    assert wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
    wrong = [{"before": 1}, {"resized": "half-pixel"}, {"masking": "exclude"}, {"fuse": False}]
    for choices in wrong if size == (128, 128) else []:
        found = (Textbook(state, **choices)(image * 2 - 1, hole) + 1) / 2
        assert (found - wanted).abs().max() > 0.01, choices


def test_attention_takes_nothing_from_cells_that_touch_the_hole_or_its_neighbours(params):
    """A hole of one pixel makes its cell unknown, and with it the eight around."""
    model = tiny(params)
    _, hole = holed(64, 64, 27, 38, 1)
    scores = model.networks["generator"].refinement.scores(torch.randn(1, 16, 16, 16), hole)
    taken = (scores[0].amax(0) > 0).view(8, 8)
    missing = torch.zeros(8, 8, dtype=torch.bool)
    missing[2:5, 3:6] = True
    assert torch.equal(taken, ~missing)
    torch.testing.assert_close(scores.sum(2), torch.ones(1, 64))


def test_the_released_codes_masking_leaves_weight_to_the_hole(params):
    """Where all patches are alike, each has the same share, and what the 36 unknown ones have of it is lost."""
    params["runs"]["cra"]["settings"]["attention"]["masking"] = "multiply"
    _, hole = holed(64, 64, 16, 16, 32)
    scores = tiny(params).networks["generator"].refinement.scores(torch.zeros(1, 16, 16, 16), hole)
    torch.testing.assert_close(scores.sum(2), torch.full((1, 64), 28 / 64))


def test_one_set_of_scores_moves_features_of_every_level_and_residuals_alike(params):
    """If each place takes all from the place d cells to its right, so does every level of the decoder."""
    model = tiny(params)
    transfer = model.networks["generator"].refinement.decoder[0]
    level = torch.randn(1, 8, 32, 32)
    right = torch.arange(64).view(8, 8).roll(-2, 1)
    scores = torch.eye(64)[right.flatten()][None]
    seen = []
    transfer.transferred.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    transfer(torch.randn(1, 16, 16, 16), level, scores)
    inside = seen[0][..., 2:-2, 2:18]  # overlaps of four patches are summed
    torch.testing.assert_close(inside, 4 * level[..., 2:-2, 10:26])


def test_the_loss_is_the_weighted_sum_of_its_terms(params, four):
    loss = {"hole": 2.0, "known": 3.0, "coarse": 0.5, "adversarial": 0.25, "gradient_penalty": 10.0}
    model = tiny(params, loss=loss)
    image, hole = (torch.cat([part, part]) for part in to_tensors(*four))
    x = image[:4] * 2 - 1
    model.begin(JOINT)
    with torch.no_grad():
        x1, x2, _ = model.networks["generator"](x, hole[:4])
    log = {name: value.item() for name, value in model.step(image, hole).items()}
    errors = [(output - x).abs() for output in (x1, x2)]
    in_hole, context = (
        0.5 * (errors[0] * part).mean() + (errors[1] * part).mean() for part in (hole[:4], 1 - hole[:4])
    )
    assert log["l1_hole"] == pytest.approx(in_hole.item(), rel=1e-4)
    assert log["l1_known"] == pytest.approx((context / (1 - hole).mean()).item(), rel=1e-4)
    expected = 2.0 * log["l1_hole"] + 3.0 * log["l1_known"] + 0.25 * log["adversarial"]
    assert log["generator"] == pytest.approx(expected, rel=1e-5)


def test_each_step_of_the_critic_has_a_batch_of_its_own(params, four):
    model = tiny(params, critic_steps=3)
    model.begin(JOINT)
    seen = []
    model.networks["generator"].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    image, hole = (part.repeat(2, 1, 1, 1) for part in to_tensors(*four))
    model.step(image, hole)
    assert model.batches == 4 and torch.equal(torch.cat(seen), image * 2 - 1)


def test_a_picture_of_the_networks_size_or_below_is_filled_as_it_is(params):
    model = tiny(params)
    for height, width in ((64, 64), (40, 64), (16, 24)):
        image, hole = holed(height, width, 4, 4, 6)
        with torch.no_grad():
            x = image * 2 - 1
            assert torch.equal(model.inpaint(image, hole), (model.networks["generator"](x, hole).x2 + 1) / 2)


@pytest.mark.parametrize("height, width, times", [(128, 128, 2), (129, 70, 3), (200, 320, 5)])
def test_what_is_lost_by_reduction_comes_back(params, height, width, times):
    """A network that copies what it sees, and attention of each block to itself, give the picture back."""
    model = tiny(params)
    image, hole = torch.rand(2, 3, height, width), torch.zeros(2, 1, height, width)
    seen = []

    def copy(x, hole):
        seen.append(x)
        return Outputs(x, x, torch.eye(x.shape[2] * x.shape[3] // 64).expand(2, -1, -1))

    model.networks["generator"].forward = copy
    torch.testing.assert_close(model.inpaint(image, hole), image)
    assert seen[0].shape[2:] == tuple(-(-side // (8 * times)) * 8 for side in (height, width))
    whole = image[..., : height // times * times, : width // times * times] * 2 - 1
    small = avg_pool2d(whole, times)
    torch.testing.assert_close(seen[0][..., : small.shape[2], : small.shape[3]], small)


def test_pixels_under_the_hole_of_a_large_picture_cannot_change_the_output(params):
    model = tiny(params)
    image, hole = holed(150, 230, 37, 51, 70)
    other = torch.where(hole > 0, torch.rand(image.shape), image)
    with torch.no_grad():
        assert torch.equal(model.inpaint(image, hole), model.inpaint(other, hole))


def test_texture_that_repeats_comes_back_in_the_hole_of_a_large_picture(params):
    """The network says grey; what it cannot say, stripes of 2 px, is aggregated from the known blocks."""
    model = tiny(params)
    stripes = torch.tensor([0.25, 0.25, 0.75, 0.75]).repeat(64).expand(1, 3, 256, 256).contiguous()
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 96:160, 96:160] = 1
    with torch.no_grad():
        scores = model.networks["generator"](torch.zeros(1, 3, 64, 64), avg_pool2d(hole, 4)).scores
        model.networks["generator"].forward = lambda x, hole: Outputs(torch.zeros_like(x), torch.zeros_like(x), scores)
        output = model.inpaint(stripes * (1 - hole), hole)
    torch.testing.assert_close(output, stripes)


@pytest.mark.parametrize("height, width, block", [(64, 64, 1), (320, 200, 5)])
def test_the_flow_leads_from_block_to_block_inside_the_picture(params, height, width, block):
    """In units of 8 px, of which a block of the attention's grid has as many as the picture was reduced by."""
    image, hole = holed(height, width, 8, 8, 16)
    with torch.no_grad():
        flow = tiny(params).inspect(image, hole)[1]["flow"]
    assert flow.shape == (1, 2, height // 8, width // 8) and (flow % block == 0).all()
    down = flow[0, 0] + torch.arange(height // 8)[:, None]
    assert down.min() >= 0 and down.max() < height // 8


MEASURE = """
import re, sys
from pathlib import Path
import torch
from building import made
from palimpsest.config.yaml import read_yaml

def held(line):
    return int(re.search(rf"{line}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

height, width = map(int, sys.argv[1:])
model = made(read_yaml("params.yaml"), "cra", size=512)
image, hole = torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width)
hole[..., height // 4 : height // 2, width // 4 : width // 2] = 1
before = held("VmRSS")
with torch.inference_mode():
    assert model.inpaint(image, hole).isfinite().all()
print(held("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("height, width, budget", [(1080, 1920, 384), (2000, 3000, 768)])
def test_peak_memory_of_large_pictures(height, width, budget):
    """In MiB, at the paper's widths; a process that has loaded PyTorch and holds the picture is not counted."""
    command = [sys.executable, "-c", MEASURE, str(height), str(width)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert int(run.stdout) < budget
