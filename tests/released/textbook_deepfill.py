"""The released networks of DeepFill v1 and v2, their ports and CRFill, by the names of the files' own keys.

Pictures go in and come out as red, green, blue. `Conventions` says in what the files differ; the layers, in the order
of the released code, are the same 42 in all of them.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import conv2d, elu, interpolate, pad

from layers.textbook_attention import sampled, textbook_attention


def by_layer(before: str, up: str, after: str) -> dict[str, list[str]]:
    """Keys without their ends where each layer has its name in the released code."""
    coarse = "conv1 conv2_downsample conv3 conv4_downsample conv5 conv6 conv7_atrous conv8_atrous conv9_atrous "
    coarse += "conv10_atrous conv11 conv12 conv13_upsample conv14 conv15_upsample conv16 conv17"
    names = coarse.split()
    parts = {
        "coarse": names,
        "conv": [f"x{name}" for name in names[:10]],
        "attention": [f"pm{name}" for name in names[:6]] + ["pmconv9", "pmconv10"],
        "decoder": [f"all{name}" for name in names[10:]],
    }
    return {
        part: [before + name.replace("upsample", up.format(name)) + after for name in held]
        for part, held in parts.items()
    }


def blocks(stage: str, encoder: str, middle: str, count: int) -> list[str]:
    """An encoder of nipponjo's networks.py, and what follows at a quarter of the size."""
    halving = [f"{encoder}down_block{i}.{conv}" for i in (1, 2) for conv in ("conv1_downsample", "conv2")]
    return [
        f"{stage}.{name}.conv" for name in (f"{encoder}conv1", *halving, *(f"{middle}{i + 1}" for i in range(count)))
    ]


def doubling(stage: str) -> list[str]:
    names = [f"up_block{i}.{conv}" for i in (1, 2) for conv in ("conv1_upsample.conv", "conv2")]
    return [f"{stage}.{name}.conv" for name in (*names, "conv_to_rgb")]


TENSORFLOW = by_layer("inpaint_net/", "upsample/{}_conv", "")
NIPPONJO_TF = by_layer("", "upsample.conv", ".conv")
CRFILL = by_layer("", "upsample_conv", "")
CRFILL_TWO_STAGE = by_layer("baseg.", "upsample_conv", "")
NIPPONJO_PT = {
    "coarse": [*blocks("stage1", "", "conv_bn", 7), *doubling("stage1")],
    "conv": blocks("stage2", "conv_", "conv_conv_bn", 5),
    "attention": [*blocks("stage2", "ca_", "ca_conv_bn", 1), "stage2.ca_conv_bn4.conv", "stage2.ca_conv_bn5.conv"],
    "decoder": ["stage2.conv_bn6.conv", "stage2.conv_bn7.conv", *doubling("stage2")],
}
MMAGIC = {
    part: [f"generator.{name}.conv" for name in names]
    for part, names in {
        "coarse": [f"stage1.encoder.enc{i}" for i in range(1, 7)]
        + [f"stage1.dilation_neck.dilation_convs.{i}" for i in range(4)]
        + [f"stage1.decoder.dec{i}" for i in range(1, 8)],
        "conv": [f"stage2.encoder_conv.enc{i}" for i in range(1, 7)]
        + [f"stage2.dilation_neck.dilation_convs.{i}" for i in range(4)],
        "attention": [f"stage2.encoder_attention.enc{i}" for i in range(1, 7)]
        + [f"stage2.contextual_attention_neck.conv{i}" for i in (1, 2)],
        "decoder": [f"stage2.decoder.dec{i}" for i in range(1, 8)],
    }.items()
}
STRIDES = {1: 2, 3: 2}
DILATIONS = {6: 2, 7: 4, 8: 8, 9: 16}


@dataclass(frozen=True)
class Conventions:
    keys: dict[str, list[str]]
    gated: bool = (
        True  # DeepFill v2 and CRFill; v1 has an ELU alone, clips its outputs and sees the hole in stage 2 too
    )
    gate_first: bool = False
    blue_first_in: bool = False
    blue_first_out: bool = False
    padding: str = "alike"  # on both sides; "after" is TensorFlow's, "reflect" mmagic's
    attention: dict | None = None
    coarse_at_half: bool = False


class Textbook:
    def __init__(self, conventions: Conventions, state: dict[str, Tensor]):
        self.how, self.state = conventions, state

    def kernel(self, key: str) -> tuple[Tensor, Tensor]:
        if f"{key}/kernel" in self.state:
            return self.state[f"{key}/kernel"].permute(3, 2, 0, 1), self.state[f"{key}/bias"]
        return self.state[f"{key}.weight"], self.state[f"{key}.bias"]

    def conv(self, key: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
        weight, bias = self.kernel(key)
        reach, margins = dilation * (weight.shape[-1] - 1), []
        for size in (x.shape[3], x.shape[2]):
            total = max((ceil(size / stride) - 1) * stride + reach + 1 - size, 0)
            margins += [total // 2, total - total // 2] if self.how.padding == "after" else [reach // 2] * 2
        mode = "reflect" if self.how.padding == "reflect" else "constant"
        return conv2d(pad(x, margins, mode=mode), weight, bias, stride, dilation=dilation)

    def unit(self, key: str, x: Tensor, activation=elu, **switches) -> Tensor:
        x = self.conv(key, x, **switches)
        if not self.how.gated:
            return activation(x)
        half = x.shape[1] // 2
        first, second = x[:, :half], x[:, half:]
        features, gate = (second, first) if self.how.gate_first else (first, second)
        return activation(features) / (1 + torch.exp(-gate))

    def encode(self, part: str, x: Tensor, count: int) -> Tensor:
        for place, key in enumerate(self.how.keys[part][:count]):
            activation = torch.relu if (part, place) == ("attention", 5) else elu
            x = self.unit(key, x, activation, stride=STRIDES.get(place, 1), dilation=DILATIONS.get(place, 1))
        return x

    def decode(self, part: str, x: Tensor) -> Tensor:
        *keys, last = self.how.keys[part][-7:]
        for place, key in enumerate(keys):
            x = self.unit(key, interpolate(x, scale_factor=2) if place in (2, 4) else x)
        x = self.conv(last, x)
        return x.tanh() if self.how.gated else x.clamp(-1, 1)

    def coarse(self, inputs: Tensor) -> Tensor:
        if self.how.coarse_at_half:
            inputs = interpolate(inputs, scale_factor=0.5)
        x = self.decode("coarse", self.encode("coarse", inputs, 10))
        return interpolate(x, scale_factor=2) if self.how.coarse_at_half else x

    def __call__(self, x: Tensor, hole: Tensor) -> list[Tensor]:
        """The outputs of both stages."""
        x = (x.flip(1) if self.how.blue_first_in else x) * (1 - hole)
        planes = [torch.ones_like(hole), hole]
        first = self.coarse(torch.cat([x, *planes], 1))
        pasted = first * hole + x * (1 - hole)
        inputs = pasted if self.how.gated else torch.cat([pasted, *planes], 1)
        attended = self.encode("attention", inputs, 6)
        if self.how.attention:
            sampling = self.how.attention["sampling"]
            small = hole if sampling == "aligned-at-once" else sampled(hole, 4, sampling)
            attended, _ = textbook_attention(attended, attended, small, **self.how.attention)
        for key in self.how.keys["attention"][6:]:
            attended = self.unit(key, attended)
        second = self.decode("decoder", torch.cat([self.encode("conv", inputs, 10), attended], 1))
        return [output.flip(1) if self.how.blue_first_out else output for output in (first, second)]
