"""PConv: G. Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018.

Code: https://github.com/NVIDIA/partialconv, the layer alone; others' at
https://github.com/naoto0804/pytorch-inpainting-with-partial-conv and in mmagic.

Sections 3.1 (partial convolution, `layers/partial_convolution.py`), 3.2 (network) and 3.3 (losses) of arXiv 1804.07723.
"Released code" is that of naoto0804 and of mmagic, who released weights too.

    I_gt, M       picture, and where it is known: 1 - hole
    I_out         output of the network
    I_comp        result: I_out in the hole, I_gt elsewhere

A U-Net of partial convolutions, `layers/partial_unet.py`, whose masks travel beside the features; its last skip
connection is the picture itself.

Departures
- Seven levels for pictures of 256 px, as in the released code; the paper has eight, for 512 px (`levels: 8`).
- Windows count as equation 1 has it; naoto0804's code leaves sum(1) out (`normalisation: sum`).
- Colours are normalised by ImageNet's mean and deviation, as in naoto0804's code, and the l1 losses and total variation
  are measured in them. mmagic's are in [-1, 1] (`colours: signed`), and BGR.
- The first layer has no bias, as in naoto0804's code; in mmagic's it has one (`first_bias: true`).
- Fine-tuning freezes the statistics of the encoder's batch normalisation, as the released code does. Its scales and
  shifts go on learning.
- Total variation is that of equation 6, within 1 px of the hole; the released code takes all of I_comp.
- Perceptual and style losses read the pooled maps of the network that all methods share, VGG19 or else VGG16; the paper
  reads VGG16.
- 500,000 iterations and as many of fine-tuning, in batches of 16, as in naoto0804's code.
- Training holes are our own (`holes/binned.py`), spread evenly over all hole ratios up to 60 %; the paper's 55,116
  masks are not among the data.
- The output has no bounds; it is clipped where a hole is filled.
"""

from functools import cached_property
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.config.numbers import Channels, Levels, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.initial_weights import he
from palimpsest.layers.partial_convolution import Block, Normalisation, PartialConv, Stream
from palimpsest.layers.partial_unet import Decoder, Encoder, levels, size_divisor
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.perceptual import perceptual_and_style_l1
from palimpsest.losses.reconstruction import hole_variation
from palimpsest.losses.weights import Weights

FEATURES = ("pool1", "pool2", "pool3")
PHASES = ("training", "fine-tuning")
COLOURS = {  # mean and deviation of red, green and blue in [0, 1]
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


class Loss(Weights):
    """Weights of equation 7."""

    known: Weight
    hole: Weight
    perceptual: Weight
    style: Weight
    total_variation: Weight


class Config(Settings):
    width: Channels  # channels of the first layer
    levels: Annotated[Levels, Field(ge=3)]  # each halves the size
    normalisation: Normalisation  # of a window by what is valid in it
    first_bias: bool  # of the first layer
    colours: Literal["imagenet", "signed"]
    betas: Betas
    loss: Loss
    schedule: Schedule


class Generator(nn.Module):
    """I_gt (B, 3, H, W) and holes (B, 1, H, W) → I_out (B, 3, H, W), in the colours of I_gt. Section 3.2."""

    def __init__(self, config: Config):
        super().__init__()
        channels, normalisation = levels(config.width, config.levels), config.normalisation
        self.encoder = Encoder(3, channels, config.first_bias, normalisation)
        last = PartialConv(channels[0] + 3, 3, bias=True, normalisation=normalisation)
        self.decoder = Decoder(channels, Block(last, nn.Identity(), nn.Identity()), "nearest", normalisation)

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        picture = Stream(x, 1 - hole)
        *skips, deepest = self.encoder(picture)
        return self.decoder(deepest, [picture, *skips]).features


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        self.size_divisor = size_divisor(config.levels, size)
        self.config = config
        self.networks = nn.ModuleDict({"generator": Generator(config).apply(he)})

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"generator": adam(self.generator.parameters(), self.config.betas)}

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]

    def begin(self, phase: Phase) -> None:
        """Fine-tuning no longer lets holes into the statistics of the encoder's batch normalisation; section 4.2."""
        set_rates(self.optimisers, phase)
        self.generator.encoder.keep_statistics(phase.name == "fine-tuning")

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        x = self.coloured(image)
        output = self.generator(x, hole)
        terms = self.terms(output, x, image, hole)
        loss = self.config.loss.total(terms)
        descend(self.optimisers["generator"], loss)
        return {**terms, "generator": loss}

    def terms(self, output: Tensor, x: Tensor, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """Section 3.3, without the terms of weight 0 that read features."""
        result = paste(output, x, hole)
        error = (output - x).abs()
        terms = {
            "known": (error * (1 - hole)).mean(),
            "hole": (error * hole).mean(),
            "total_variation": hole_variation(result, hole),
        }
        if self.config.loss.read_features:
            pictures = self.picture(output), self.picture(result)
            terms["perceptual"], terms["style"] = perceptual_and_style_l1(pictures, image, FEATURES)
        return terms

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.picture(self.generator(self.coloured(image), hole)).clamp(0, 1)

    def coloured(self, image: Tensor) -> Tensor:
        mean, deviation = self._colours(image)
        return (image - mean) / deviation

    def picture(self, output: Tensor) -> Tensor:
        mean, deviation = self._colours(output)
        return output * deviation + mean

    def _colours(self, like: Tensor) -> Tensor:
        """Mean and deviation, each (1, 3, 1, 1)."""
        return torch.tensor(COLOURS[self.config.colours], device=like.device).view(2, 1, 3, 1, 1)
