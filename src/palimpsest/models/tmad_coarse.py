"""T-MAD's coarse network: R. Xu et al., "Texture Memory-Augmented Deep Patch-Based Image Inpainting", IEEE TIP 2021.

Code: none released.

Section III-A, equation 1; section IV and table I. It is pre-trained alone, then trained jointly inside `tmad`.

    I, M          image in [-1, 1], hole
    I_s           the network's output
    λ_m, λ_v      `loss.hole`, `loss.valid`

Departures
- Widths are not published: here those of PGGAN at these sizes, which the paper says it follows; the residual blocks
  have 256 channels.
- The weights λ of table II (6 and 1 for both kinds of holes) contradict the text (5 and 0 for rectangles, 6 and 1 for
  irregular holes). We follow the text, which distinguishes the kinds.
- Both terms are means over all elements of the picture, as the scale of the norm is not published.
- Four epochs are counted over 1.8 million pictures; Adam's betas and initial weights are not published, here He's.
"""

from functools import cached_property

import torch
from torch import Tensor, nn

from palimpsest.config.numbers import Channels, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.blocks import DownBlock, InputConv, OutConv, ResidualBlock, UpBlock, plain
from palimpsest.layers.initial_weights import he
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.weights import Weights

RESIDUAL_BLOCKS, DILATION = 8, 2


class Loss(Weights):
    """Equation 1."""

    hole: Weight  # λ_m
    valid: Weight  # λ_v


class Config(Settings):
    width: Channels  # channels at full size
    betas: Betas
    loss: Loss
    schedule: Schedule


class Coarse(nn.Sequential):
    """Picture and hole, (B, 4, H, W) → I_s, (B, 3, H, W)."""

    def __init__(self, width: int):
        w = width
        super().__init__(
            InputConv(4, w, plain),
            *(DownBlock(channels, plain) for channels in (w, 2 * w, 4 * w)),
            *(ResidualBlock(8 * w, DILATION, plain) for _ in range(RESIDUAL_BLOCKS)),
            *(UpBlock(2 * channels, channels, plain) for channels in (4 * w, 2 * w, w)),
            OutConv(w, 3, plain),
        )


class Model:
    size_divisor = 32
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        self.networks = nn.ModuleDict({"generator": Coarse(config.width).apply(he)})

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"generator": adam(self.networks["generator"].parameters(), self.config.betas)}

    def begin(self, phase: Phase) -> None:
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        _, loss = self.reconstruct(image * 2 - 1, hole)
        descend(self.optimisers["generator"], loss)
        return {"reconstruction": loss}

    def reconstruct(self, x: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """I_s and L_recon, equation 1, of pictures in [-1, 1]."""
        output, weight = self.predict(x, hole), self.config.loss
        error = (output - x).abs()
        return output, weight.hole * (error * hole).mean() + weight.valid * (error * (1 - hole)).mean()

    def predict(self, x: Tensor, hole: Tensor) -> Tensor:
        """I_s."""
        return self.networks["generator"](torch.cat([x * (1 - hole), hole], 1))

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return ((self.predict(image * 2 - 1, hole) + 1) / 2).clamp(0, 1)
