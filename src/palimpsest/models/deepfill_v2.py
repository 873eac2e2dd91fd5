"""DeepFill v2: J. Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019 (arXiv 1806.03589).

Sections 3.1 (gated convolution), 3.2 (networks) and 3.3 (SN-PatchGAN); released code, version 2.0.0.

    x, z          image, image with the hole at 0, both in [-1, 1]
    m             hole
    x1, x2        outputs of the coarse and the refinement network
    x̃             result: x2 in the hole, z elsewhere

Departures
- Widths count channels after gating, half of the released code's 48.
- As in the released code: the refinement network sees the pasted colours alone, no plane of the hole; no edge channel
  is drawn by a user, a plane of ones stands in its place.
- Convolutions pad both sides alike; TensorFlow pads more after than before.
- Critic and generator step on one batch, from one pass of the generator; the released code draws a batch for each.
- Attention excludes hole patches with -inf and divides overlapping patches by their true count; the released code
  multiplies scores by 0 and divides by 4 (`attention.masking: multiply`, `attention.overlap: constant`).
- Pictures above `generator.coarse_at_half_above` px pass the coarse network at half their size, as CRFill's released
  code does with large pictures.
- The flip of the strokes, without effect in the released code, is left out.
- 500,000 iterations are our reading of "until convergence".
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, relu
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import ContextualAttention, Options
from palimpsest.layers.gated import GatedConv, gated_up
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES


class GeneratorConfig(Settings):
    """The two networks that fill a hole."""

    width: Annotated[int, Field(ge=2, multiple_of=2)]  # channels of the first layer, after gating
    coarse_at_half_above: PositiveInt  # px, longer side: larger pictures pass the coarse network at half their size


class CriticConfig(Settings):
    """SN-PatchGAN, section 3.3."""

    width: PositiveInt  # channels of the first layer
    layers: Annotated[int, Field(ge=1, le=6)]  # each halves the size
    leak: NonNegativeFloat  # slope of the activation below 0
    sees: Literal["hole", "ones"]  # the plane beside the picture
    rate: PositiveFloat  # learning rate, times the generator's


class Loss(Settings):
    """Weights of the terms."""

    coarse: NonNegativeFloat  # l1 of x1
    refinement: NonNegativeFloat  # l1 of x2
    adversarial: NonNegativeFloat
    critic: PositiveFloat  # of the critic's own loss


class Config(Settings):
    generator: GeneratorConfig
    attention: Options
    critic: CriticConfig
    adversarial: Literal["hinge", "hinge-on-both"]
    betas: Betas
    loss: Loss
    schedule: Schedule


def dilated(channels: int) -> list[nn.Module]:
    return [GatedConv(channels, channels, dilation=d) for d in (2, 4, 8, 16)]


def to_picture(width: int) -> list[nn.Module]:
    """4 · width channels at a quarter of the size → 3 at full size, in [-1, 1]."""
    return [
        gated_up(4 * width, 2 * width),
        GatedConv(2 * width, 2 * width),
        gated_up(2 * width, width),
        GatedConv(width, width // 2),
        nn.Sequential(nn.Conv2d(width // 2, 3, 3, padding=1), nn.Tanh()),
    ]


class Coarse(nn.Sequential):
    """Stage 1: (B, 5, H, W) → (B, 3, H, W)."""

    def __init__(self, width: int):
        w = width
        super().__init__(
            GatedConv(5, w, kernel=5),
            GatedConv(w, 2 * w, stride=2),
            GatedConv(2 * w, 2 * w),
            GatedConv(2 * w, 4 * w, stride=2),
            GatedConv(4 * w, 4 * w),
            GatedConv(4 * w, 4 * w),
            *dilated(4 * w),
            GatedConv(4 * w, 4 * w),
            GatedConv(4 * w, 4 * w),
            *to_picture(w),
        )


class Refinement(nn.Module):
    """Stage 2, two encoders and one decoder: (B, 3, H, W) → (B, 3, H, W).

    `before` ends in the features that attention compares, (B, 4 · width, H / 4, W / 4), none below 0.
    """

    def __init__(self, width: int, attention: Options | None):
        super().__init__()
        w = width
        self.conv_branch = nn.Sequential(
            GatedConv(3, w, kernel=5),
            GatedConv(w, w, stride=2),
            GatedConv(w, 2 * w),
            GatedConv(2 * w, 2 * w, stride=2),
            GatedConv(2 * w, 4 * w),
            GatedConv(4 * w, 4 * w),
            *dilated(4 * w),
        )
        self.attention_branch = nn.ModuleDict(
            {
                "before": nn.Sequential(
                    GatedConv(3, w, kernel=5),
                    GatedConv(w, w, stride=2),
                    GatedConv(w, 2 * w),
                    GatedConv(2 * w, 4 * w, stride=2),
                    GatedConv(4 * w, 4 * w),
                    GatedConv(4 * w, 4 * w, activation=relu),
                ),
                "after": nn.Sequential(GatedConv(4 * w, 4 * w), GatedConv(4 * w, 4 * w)),
            }
        )
        self.attention = ContextualAttention(attention) if attention else None
        self.decoder = nn.Sequential(GatedConv(8 * w, 4 * w), GatedConv(4 * w, 4 * w), *to_picture(w))

    def forward(self, inputs: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """x2, the features, and the attention's offsets where there is attention."""
        features = self.attention_branch["before"](inputs)
        attended, offsets = self.attention(features, hole[:, :, ::4, ::4]) if self.attention else (features, None)
        branches = [self.conv_branch(inputs), self.attention_branch["after"](attended)]
        return self.decoder(torch.cat(branches, 1)), features, offsets


class Drawn(NamedTuple):
    """What the generator makes of a picture."""

    x1: Tensor
    x2: Tensor
    features: Tensor  # of the refinement network, before attention
    offsets: Tensor | None


class Generator(nn.Module):
    """Coarse to fine, section 3.2; without `attention`, the network that CRFill trains."""

    def __init__(self, config: GeneratorConfig, attention: Options | None):
        super().__init__()
        self.coarse_at_half_above = config.coarse_at_half_above
        self.coarse = Coarse(config.width)
        self.refinement = Refinement(config.width, attention)

    def extra_repr(self) -> str:
        return f"coarse_at_half_above={self.coarse_at_half_above}"

    def forward(self, x: Tensor, hole: Tensor) -> Drawn:
        x1 = self.draw_coarse(x, hole)
        x2, features, offsets = self.refinement(paste(x1, x, hole), hole)
        return Drawn(x1, x2, features, offsets)

    def draw_coarse(self, x: Tensor, hole: Tensor) -> Tensor:
        inputs = torch.cat([x * (1 - hole), torch.ones_like(hole), hole], 1)
        if max(x.shape[-2:]) <= self.coarse_at_half_above:
            return self.coarse(inputs)
        return interpolate(self.coarse(inputs[..., ::2, ::2].contiguous()), scale_factor=2)


def glorot(module: nn.Module) -> None:
    """Weights as TensorFlow draws them where nothing is said."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class Critic(nn.Sequential):
    """SN-PatchGAN: picture and a plane, (B, 4, H, W) → scores (B, C, h, w), each of a patch and a feature."""

    def __init__(self, config: CriticConfig):
        self.sees = config.sees
        channels = [4, *(config.width * w for w in (1, 2, 4, 4, 4, 4)[: config.layers])]
        layers = []
        for inputs, outputs in pairwise(channels):
            conv = nn.Conv2d(inputs, outputs, 5, 2, 2)
            glorot(conv)
            layers += [spectral_norm(conv), nn.LeakyReLU(config.leak)]
        super().__init__(*layers)

    def forward(self, picture: Tensor, hole: Tensor) -> Tensor:
        return super().forward(torch.cat([picture, hole if self.sees == "hole" else torch.ones_like(hole)], 1))

    def compare(self, real: Tensor, fake: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of real and of fake, in one pass."""
        return self(torch.cat([real, fake]), torch.cat([hole, hole])).chunk(2)


class Model:
    size_divisor = 8
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        generator = Generator(config.generator, config.attention).apply(glorot)
        self.networks = nn.ModuleDict({"generator": generator, "critic": Critic(config.critic)})

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {name: adam(network.parameters(), self.config.betas) for name, network in self.networks.items()}

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]

    def begin(self, phase: Phase) -> None:
        """Both networks train jointly; a phase sets their learning rates alone."""
        set_rates(self.optimisers, phase, critic=self.config.critic.rate)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critic's step, then the generator's."""
        weight, gan_loss, critic = self.config.loss, GAN_LOSSES[self.config.adversarial], self.networks["critic"]
        x = image * 2 - 1
        drawn = self.generator(x, hole)
        result = paste(drawn.x2, x, hole)
        critic_loss = gan_loss.critic(*critic.compare(x, result.detach(), hole))
        descend(self.optimisers["critic"], weight.critic * critic_loss)

        coarse, refined = l1_loss(drawn.x1, x), l1_loss(drawn.x2, x)
        adversarial = gan_loss.generator(critic(result, hole))
        loss = weight.coarse * coarse + weight.refinement * refined + weight.adversarial * adversarial
        descend(self.optimisers["generator"], loss)
        return {
            "critic": critic_loss,
            "l1_coarse": coarse,
            "l1_refined": refined,
            "adversarial": adversarial,
            "generator": loss,
        }

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.generator(image * 2 - 1, hole).x2 + 1) / 2

    def diagnose(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The coarse prediction in [0, 1]."""
        return {"coarse": (self.generator.draw_coarse(image * 2 - 1, hole) + 1) / 2}

    def references(self, image: Tensor, hole: Tensor) -> Tensor:
        """The patches that attention weighs most; of nine samples of the hole none lies in them, but pixels may."""
        return self.generator(image * 2 - 1, hole).offsets
