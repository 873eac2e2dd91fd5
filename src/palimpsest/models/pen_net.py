"""PEN-Net: Y. Zeng et al., "Learning Pyramid-Context Encoder Network for High-Quality Image Inpainting", CVPR 2019.

Code: https://github.com/researchmm/PEN-Net-for-Inpainting.

Sections 3.1 (pyramid-context encoder, attention transfer), 3.2 (multi-scale decoder) and 3.3 (losses) of arXiv
1904.07475; "released code" is the authors' PyTorch version, which by its readme differs slightly from the paper's.

    x             picture in [-1, 1]; the network sees it with its hole white, and the hole beside it
    φ^l, ψ^l      features of the encoder's level l, and what attention makes of them
    x_l           picture that the decoder makes of level l

ψ^l is pieced from patches of φ^l. Which patch goes where is learned from ψ^(l+1), half as large, in which the hole is
filled already: attention goes from the deepest level to the shallowest.

Departures
- Layers, losses and their weights are the released code's, which has no perceptual and no style loss either.
- As in the released code, attention at all levels takes patches only from outside the hole, although the deeper level
  is filled; scores of the hole are 0 in the softmax instead of being left out; and a place counts as known where the
  hole, reduced bilinearly, is 0, so that a hole narrower than a step of the smaller map can slip through.
- The released code draws the critic's weights as the generator's, but spectral normalisation keeps PyTorch's own. Here
  they are drawn; only the shape of the distribution matters.
- Training holes are upright squares; the released code also turns them by up to 45° and widens them by a pixel.
- Colours are not jittered by 5 %.
- The rate falls once, to a tenth; the second fall in the released settings comes after its own limit.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.config.numbers import Channels, Factor, Levels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.attention_transfer import transfer
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import patch_sum
from palimpsest.layers.dilated_branches import DILATIONS, DilatedBranches
from palimpsest.layers.initial_weights import normal
from palimpsest.learning.optimisation import Betas, adam_for_each, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.reconstruction import known_l1
from palimpsest.losses.weights import Weights


class CriticConfig(Settings):
    """How large the critic is."""

    width: Channels  # channels of the first layer
    levels: Levels  # layers that halve the size


class Loss(Weights):
    """Weights of the terms."""

    hole: Weight
    known: Weight
    pyramid: Weight  # pictures of all levels
    adversarial: Weight
    critic: Factor  # of the critic's own loss


class Config(Settings):
    width: Annotated[Channels, Field(multiple_of=len(DILATIONS))]  # channels of the first layer
    levels: Annotated[Levels, Field(ge=2)]  # of the encoder; each halves the size
    initial_deviation: Factor  # of the weights' normal distribution
    critic: CriticConfig
    betas: Betas
    loss: Loss
    schedule: Schedule


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, with the corners on the corners: (B, C, …) → (B, C, *size)."""
    return interpolate(x, size, mode="bilinear", align_corners=True)


def doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class DilatedMix(DilatedBranches):
    """Four dilated convolutions side by side, each of a quarter of the channels; same shape."""

    def __init__(self, channels: int):
        super().__init__(channels, channels // len(DILATIONS))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(super().forward(x), 1)


class AttentionTransfer(nn.Module):
    """ψ^l: a map pieced from its own patches of 4 x 4, as the patches of the map half its size resemble one another.

    φ^l (B, C, 2 h, 2 w), ψ^(l+1) (B, D, h, w) and holes (B, 1, H, W) → (B, C, 2 h, 2 w). At the deepest level patches
    to compare are single pixels, and no convolutions follow.
    """

    def __init__(self, channels: int, deepest: bool):
        super().__init__()
        self.deepest = deepest
        self.mix = nn.Identity() if deepest else DilatedMix(channels)

    def forward(self, shallow: Tensor, deep: Tensor, hole: Tensor) -> Tensor:
        missing = resized(hole, deep.shape[2:])
        valid = (missing if self.deepest else patch_sum(missing)) == 0
        return self.mix(transfer(shallow, deep, valid, kernel=1 if self.deepest else 3))


class Level(nn.Module):
    """One level of the decoder: what comes up at twice its size, joined with ψ^l, and the picture that they make."""

    def __init__(self, below: int, channels: int, deepest: bool):
        super().__init__()
        self.transfer = AttentionTransfer(channels, deepest)
        self.up = nn.Sequential(nn.Conv2d(below, channels, 3, padding=1), nn.ReLU(inplace=True))
        self.colours = nn.Sequential(nn.Conv2d(2 * channels, 3, 1), nn.Tanh())

    def forward(self, joined: Tensor, skip: Tensor, attended: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What goes up, (B, 2 C, h, w); ψ^l, (B, C, h, w); x_l, (B, 3, h, w)."""
        attended = self.transfer(skip, attended, hole)
        joined = torch.cat([self.up(doubled(joined)), attended], 1)
        return joined, attended, self.colours(joined)


class Generator(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] and holes (B, 1, H, W) → output (B, 3, H, W), and all x_l, the deepest first."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        channels = [width * min(2**level, 16) for level in range(levels)]
        self.encoder = nn.ModuleList()
        for inputs, outputs in pairwise([4, *channels]):
            last = len(self.encoder) == levels - 1
            activation = nn.ReLU(inplace=True) if last else nn.LeakyReLU(0.2, inplace=True)
            self.encoder.append(nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), activation))
        self.levels = nn.ModuleList()
        for below, own in pairwise(reversed(channels)):
            deepest = not self.levels
            self.levels.append(Level(below if deepest else 2 * below, own, deepest))
        self.to_picture = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1), nn.Tanh()
        )

    def forward(self, x: Tensor, hole: Tensor) -> tuple[Tensor, list[Tensor]]:
        features, maps = torch.cat([paste(torch.ones_like(x), x, hole), hole], 1), []
        for layer in self.encoder:
            features = layer(features)
            maps.append(features)
        joined = attended = maps.pop()
        pyramid = []
        for level, skip in zip(self.levels, reversed(maps), strict=True):
            joined, attended, picture = level(joined, skip, attended, hole)
            pyramid.append(picture)
        return self.to_picture(doubled(joined)), pyramid


class Critic(nn.Sequential):
    """(B, 3, H, W) → scores (B, 1, h, w), each of a patch."""

    def __init__(self, config: CriticConfig, deviation: float):
        channels = [3, *(config.width * 2**level for level in range(config.levels + 1))]
        layers = []
        for level, (inputs, outputs) in enumerate(pairwise(channels)):
            stride = 2 if level < config.levels else 1
            conv = nn.Conv2d(inputs, outputs, 5, stride, padding=1, bias=False).apply(normal(deviation))
            layers += [spectral_norm(conv), nn.LeakyReLU(0.2, inplace=True)]
        super().__init__(*layers, nn.Conv2d(channels[-1], 1, 5, padding=1).apply(normal(deviation)))


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        self.size_divisor = 2**config.levels
        if size % self.size_divisor:
            found = f"levels is {config.levels} for pictures of {size} px"
            raise InputError(f"{found}; accepted: multiples of {self.size_divisor} px")
        if side_of_scores(size, config.critic.levels) < 1:
            raise InputError(f"critic.levels is {config.critic.levels} for pictures of {size} px; accepted: fewer")
        self.config = config
        generator = Generator(config.width, config.levels).apply(normal(config.initial_deviation))
        critic = Critic(config.critic, config.initial_deviation)
        self.networks = nn.ModuleDict({"generator": generator, "critic": critic})

    optimisers = cached_property(adam_for_each)

    def begin(self, phase: Phase) -> None:
        """A phase sets only the learning rate of both networks."""
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critic's step, then the generator's."""
        weight, gan_loss, critic = self.config.loss, GAN_LOSSES["hinge"], self.networks["critic"]
        x = image * 2 - 1
        output, pyramid = self.networks["generator"](x, hole)
        result = paste(output, x, hole)
        critic_loss = gan_loss.critic(*critic(torch.cat([x, result.detach()])).chunk(2))
        descend(self.optimisers["critic"], weight.critic * critic_loss)

        terms = {
            "hole": known_l1(output, x, 1 - hole),
            "known": known_l1(output, x, hole),
            "pyramid": sum(l1_loss(picture, resized(x, picture.shape[2:])) for picture in pyramid),
            "adversarial": gan_loss.generator(critic(result)),
        }
        loss = weight.total(terms)
        descend(self.optimisers["generator"], loss)
        return {"critic": critic_loss, **terms, "generator": loss}

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.networks["generator"](image * 2 - 1, hole)[0] + 1) / 2


def side_of_scores(size: int, levels: int) -> int:
    """px along one side of the critic's scores."""
    for stride in [*[2] * levels, 1, 1]:
        size = (size - 3) // stride + 1
    return size
