"""The machine-checkable facts of MAT, and what it makes of a released state."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, fold, interpolate, linear, normalize, pad, unfold

from building import as_released
from palimpsest.config.yaml import InputError
from palimpsest.evaluation.counting import count_parameters
from palimpsest.models import without_values

SMALL = {"transformer": 12, "heads": 2, "width": {"base": 1024, "most": 16}, "latent": 10}


@pytest.mark.parametrize(("size", "parameters"), [(512, 61_562_518), (256, 59_779_834)])
def test_parameters_by_size(params, size, parameters):
    with without_values():
        model, _ = as_released(params, f"mat-{size}", size=size)
    assert count_parameters(model)["generator"] == parameters
    assert model.size_divisor == size


class Textbook:
    """The released generator by the names of its own keys, for pictures in [-1, 1] and masks where 1 = known.

    `draw` is the source of noise for maps of which none is stored; `kept` says which values of the two middle maps
    stay, (C, h, w) each.
    """

    def __init__(self, state, heads, draw, kept):
        self.state, self.heads, self.draw, self.kept = state, heads, draw, list(kept)

    def dense(self, name, x, rate=1.0):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return linear(x, weight * rate / math.sqrt(weight.shape[1]), bias * rate)

    def filtered(self, x, before, after, gain=1.0):
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = (torch.outer(line, line) * gain / 64).expand(x.shape[1], 1, -1, -1)
        return conv2d(pad(x, (before, after, before, after)), kernel, groups=x.shape[1])

    def spread(self, x):
        wide = torch.zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
        wide[..., ::2, ::2] = x
        return wide

    def resampled(self, x, weight, resize):
        if resize == "half":
            return conv2d(self.filtered(x, 2, 2), weight, stride=2)
        if resize == "double":
            return conv2d(self.filtered(self.spread(x), 3, 2, gain=4.0), weight)
        return conv2d(x, weight, padding=weight.shape[-1] // 2)

    def conv(self, name, x, resize=None):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        x = self.resampled(x, weight / math.sqrt(weight[0].numel()), resize)
        return lrelu(x + bias[:, None, None])

    def partial(self, name, x, mask, resize=None):
        x = self.conv(f"{name}.conv", x, resize)
        if mask is None:
            return x, None
        held = conv2d(mask, torch.ones(1, 1, 3, 3), stride=2 if resize else 1, padding=1)
        return x * held.clamp(0, 1) * 9 / held.clamp_min(1e-8), held.clamp(0, 1)

    def styled(self, name, x, style, resize=None):
        """Each picture has weights of its own, scaled by its style and divided by their norms."""
        weight, styles = self.state[f"{name}.conv.weight"], self.dense(f"{name}.conv.affine", style)
        own = weight / math.sqrt(weight[0, 0].numel()) * styles[:, None, :, None, None]
        own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
        x = torch.cat([self.resampled(x[b : b + 1], own[b], resize) for b in range(len(x))])
        if f"{name}.noise_strength" in self.state:
            stored = self.state[f"{name}.noise_const"]
            noise = stored if stored.shape == x.shape[2:] else torch.randn(x.shape[2:], generator=self.draw)
            x = x + noise * self.state[f"{name}.noise_strength"]
        return lrelu(x + self.state[f"{name}.bias"][:, None, None])

    def coloured(self, name, x, style, picture):
        weight, styles = self.state[f"{name}.conv.weight"], self.dense(f"{name}.conv.affine", style)
        own = weight[0, :, :, 0, 0] / math.sqrt(weight.shape[2]) * styles[:, None]
        colours = torch.einsum("boi,bihw->bohw", own, x) + self.state[f"{name}.bias"][:, None, None]
        return colours if picture is None else self.filtered(self.spread(picture), 2, 1, gain=4.0) + colours

    def grown(self, name, x, beside, style, picture):
        x = self.styled(f"{name}.conv0", x, style, "double") + beside
        x = self.styled(f"{name}.conv1", x, style)
        return x, self.coloured(f"{name}.toRGB", x, style, picture)

    def block(self, name, x, mask, window, shift):
        """Maps (B, C, H, W); windows are columns of `unfold`."""

        def windows(maps):
            rolled = maps.roll((-shift, -shift), (2, 3))
            return unfold(rolled, window, stride=window).unflatten(1, (maps.shape[1], -1)).permute(0, 3, 2, 1)

        def back(cut):
            columns = cut.permute(0, 3, 2, 1).flatten(1, 2)
            return fold(columns, x.shape[2:], window, stride=window).roll((shift, shift), (2, 3))

        def heads(part, x):
            return self.dense(f"{name}.attn.{part}", x).unflatten(3, (self.heads, -1))

        places = torch.stack(torch.meshgrid(*map(torch.arange, x.shape[2:]), indexing="ij"))[None].float()
        own, features = windows(places), windows(x)
        apart = ((own[:, :, :, None] - own[:, :, None]).abs() >= window).any(4)
        query, key = (heads(part, normalize(features, dim=3)) for part in "qk")
        scores = torch.einsum("bnphd,bnqhd->bnhpq", query, key) / math.sqrt(query.shape[4]) - 100.0 * apart[:, :, None]
        if mask is not None:
            known = windows(mask)
            scores = scores - 100 * (1 - known.transpose(2, 3)[:, :, None])
            mask = back(known.amax(2, keepdim=True).expand_as(known))
        seen = torch.einsum("bnhpq,bnqhd->bnphd", scores.softmax(4), heads("v", features)).flatten(3)
        joined = torch.cat([features, self.dense(f"{name}.attn.proj", seen)], 3)
        hidden = lrelu(self.dense(f"{name}.mlp.fc1", lrelu(self.dense(f"{name}.fuse", joined))))
        return back(self.dense(f"{name}.mlp.fc2", hidden)), mask

    def group(self, number, x, mask, blocks, window, resize=None):
        name = f"synthesis.first_stage.tran.{number}"
        if resize:
            x, mask = self.partial(f"{name}.downsample.conv", x, mask, resize)
        before = x
        for k in range(blocks):
            shift = window // 2 if k % 2 and number != 2 else 0
            x, mask = self.block(f"{name}.blocks.{k}", x, mask, window, shift)
        x, mask = self.partial(f"{name}.conv", x, mask)
        return x + before, mask

    def first(self, x, mask, w):
        name = "synthesis.first_stage"
        full, held = self.partial(f"{name}.conv_first", torch.cat([mask - 0.5, x], 1), mask)
        largest, held = self.partial(f"{name}.enc_conv.0", full, held, "half")
        large, held = self.group(0, largest, held, 2, 8)
        medium, held = self.group(1, large, held, 3, 16, "half")
        small, _ = self.group(2, medium, None, 4, 16, "half")
        w = lrelu(self.dense(f"{name}.ws_style", w))
        square = lrelu(self.dense(f"{name}.to_square", w))[:, None]
        square = interpolate(square, small.shape[2] * small.shape[3], mode="linear").view(len(x), 1, *small.shape[2:])
        small = torch.where(self.kept.pop(0), small, square)
        summary = small
        for k in range(4):
            summary = self.conv(f"{name}.down_conv.{k}", summary, "half")
        style = torch.cat([lrelu(self.dense(f"{name}.to_style", summary.mean((2, 3)))), w], 1)
        up, _ = self.group(3, small, None, 3, 16, "double")
        up, _ = self.group(4, up + medium, None, 2, 8, "double")
        return self.grown(f"{name}.dec_conv.0", up + large, full, style, None)[1]

    def second(self, x, w):
        maps = {}
        for side in (128, 64, 32, 16):
            name = f"synthesis.enc.EncConv_Block_{side}x{side}"
            x = self.conv(f"{name}.conv1", self.conv(f"{name}.conv0", x, "half" if side < 128 else None))
            maps[side] = x
        square = lrelu(self.dense("synthesis.to_square", w)).view(-1, 1, 16, 16)
        x = torch.where(self.kept.pop(0), x, interpolate(square, x.shape[2:], mode="bilinear"))
        summary = x
        for k in range(3):
            summary = self.conv(f"synthesis.to_style.conv.{k}", summary, "half")
        style = torch.cat([w, lrelu(self.dense("synthesis.to_style.fc", summary.mean((2, 3))))], 1)
        name = "synthesis.dec.Dec_16x16"
        x = self.styled(f"{name}.conv1", self.conv(f"{name}.conv0", x) + x, style)
        picture = self.coloured(f"{name}.toRGB", x, style, None)
        for side in (32, 64, 128):
            x, picture = self.grown(f"synthesis.dec.Dec_{side}x{side}", x, maps[side], style, picture)
        return picture

    def __call__(self, x, mask, z):
        w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
        for layer in range(8):
            w = lrelu(self.dense(f"mapping.fc{layer}", w, rate=0.01))
        guess = self.first(x * mask, mask, w) * (1 - mask) + x * mask
        return self.second(torch.cat([mask - 0.5, guess, x * mask], 1), w)


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


@pytest.fixture
def released(params):
    """A small network of 128 px and its state, with random biases and strengths of noise."""
    model, state = as_released(params, "mat-256", size=128, **SMALL)
    for key, value in state.items():
        if key.endswith("noise_strength"):
            value.fill_(0.3)
        elif "toRGB.conv.weight" in key:
            value.mul_(0.05)
        elif key.endswith("bias"):
            value.normal_(1.0 if "affine" in key else 0.0, 20.0 if "mapping" in key else 0.3)
    return model, state


def holed(height, width):
    hole = torch.zeros(2, 1, height, width)
    hole[0, :, 20:100, 30:120], hole[1, :, :60, 40:], hole[1, :, -30:-3, 2:20] = 1, 1, 1
    return hole


@pytest.mark.parametrize(("height", "width"), [(128, 128), (128, 256)])
def test_a_released_state_fills_as_its_own_code_does(released, height, width):
    model, state = released
    hole, x = holed(height, width), torch.rand(2, 3, height, width) * 2 - 1
    draw = torch.Generator().manual_seed(240)
    z = torch.randn(1, 10, generator=draw).expand(2, -1)
    small = height // 8, width // 8
    kept = [torch.rand(channels, *small, generator=draw) < 0.5 for channels in (12, 16)]
    wanted = Textbook(state, 2, draw, kept)(x, 1 - hole, z)
    assert 0.3 < wanted.std() < 3
    found = model.networks["generator"](x, hole, torch.Generator().manual_seed(240))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.inpaint((x + 1) / 2, hole), ((wanted + 1) / 2).clamp(0, 1), atol=1e-5, rtol=0)


def test_the_same_picture_is_filled_alike_whatever_came_before(params, released):
    model, _ = released
    hole, image = holed(128, 128), torch.rand(2, 3, 128, 128)
    output = model.inpaint(image, hole)
    torch.rand(7)
    model.inpaint(image.flip(3), hole)
    assert torch.equal(model.inpaint(image, hole), output)
    state = torch.get_rng_state()
    model.inpaint(image, hole)
    assert torch.equal(torch.get_rng_state(), state)
    other, _ = as_released(params, "mat-256", size=128, **SMALL, seed=1)
    other.networks.load_state_dict(model.networks.state_dict())
    assert (other.inpaint(image, hole) - output).abs().mean() > 0.01


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (64, {}, "pictures of 64 px; accepted: a power of 2 from 128 px up"),
        (192, {}, "pictures of 192 px; accepted: a power of 2"),
        (256, {"width": {"base": 128}}, r"width\.base is 128 for pictures of 256 px; accepted: 256 or more"),
        (256, {"heads": 7}, "heads is 7, of 180 channels; accepted: a divisor of them"),
        (256, {"windows": [8, 16, 16, 16, 7]}, r"windows is \[8, .* 7\]; accepted: divisors of 64, 32, 16, 32, 64 px"),
    ],
)
def test_sizes_that_do_not_divide_each_other_are_refused(params, size, changes, message):
    with without_values(), pytest.raises(InputError, match=message):
        as_released(params, "mat-256", size=size, **changes)
