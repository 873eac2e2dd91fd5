"""HiFill, also known as CRA: Z. Yi et al., "Contextual Residual Aggregation for Ultra High-Resolution Image
Inpainting", CVPR 2020 (arXiv 2005.09704).

Code: https://github.com/duxingren14/Hifill-tensorflow; filling alone at
https://github.com/Atlas200dk/sample-imageinpainting-HiFill.

Sections 3.1 (pipeline), 3.2 (attention, its transfer, residuals), 3.3 (networks) and 3.4 (losses); released code,
Hifill-tensorflow (training) and sample-imageinpainting-HiFill (inference).

    x, m          image in [-1, 1], hole
    x1, x2        outputs C(x, m) of the coarse and G(x, m) of the refinement network
    x̃             result: x2 in the hole, x elsewhere
    P, P^l        features that attention compares, and those of the encoder's level l
    s_ij          attention scores: how much of patch i goes into patch j
    R             contextual residual: a large picture less what is left of it after reduction
    α, α1, α2, β  `loss.coarse`, `loss.hole`, `loss.known`, `loss.adversarial`

Convolutions pad, and maps are enlarged, as in TensorFlow 1, with which the released weights were trained.

Departures
- Pictures whose longer side is above `size` px are reduced by the smallest whole number that brings them there, and
  padded to sides that the network can divide; others stay as they are. The released code stretches every picture to a
  square of 512 px times a number that the user chooses, and cannot be built for less.
- The coarse network works at half the size, which is the released code's 256 px where `size` is 512.
- A pixel of the reduced picture is missing if one of its pixels is. The released code takes the hole's nearest pixel,
  and averages over missing pixels too, which leaks what was there.
- R is what is lost by half-pixel bilinear interpolation, as in the released inference code; the training code's script
  interpolates as TensorFlow 1, which shifts pictures by up to half a block.
- Results are pasted with sharp borders. The released code blurs the hole's border with a Gaussian or bilinearly, which
  shows pixels under the hole.
- The refinement network's gates are pixelwise, as in the released code, which calls them depth-separable; the paper
  leaves the choice (`generator.refinement_gate: depth-separable`).
- Attention excludes patches that are not known with -inf; the released code multiplies scores by 0
  (`attention.masking: multiply`). As there, only the source patches are normalised, scores are fused as in DeepFill v1
  before the softmax, and overlapping patches are summed and not averaged.
- Each sample has its own hole; the released code shares one across a batch (`schedule.one_hole_a_batch: true`).
- Training holes are CRFill's. The released code turns and scales a list of silhouettes, which is not among the data.
- One set of pictures serves all methods of a profile: at 256 px, where the paper trains at 512 px. Pictures of up to
  512 px are filled as they are, as in the paper.
- Pictures are RGB; the released weights take BGR.
"""

from collections import OrderedDict
from functools import cached_property, partial
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

from palimpsest.config.numbers import Channels, Factor, Levels, Pixels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import Masking, attention_weights, patch_sum
from palimpsest.layers.gated import Gate, LightGatedConv
from palimpsest.layers.pasting import Canvas, paste_blocks, paste_three
from palimpsest.layers.patches import relative_to_own
from palimpsest.layers.strided_critic import Critic
from palimpsest.layers.tensorflow_conventions import enlarge, glorot, truncated_normal
from palimpsest.learning.optimisation import Betas, adam_for_each, critics_first, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES, gradient_penalty
from palimpsest.losses.reconstruction import known_l1, weighted_l1
from palimpsest.losses.weights import Weights

SMALLEST_NORM = 1e-8  # of a patch
FLOW_UNIT = 8  # px, see the contract in palimpsest/models/__init__.py

Dilated = Annotated[list[Annotated[int, Field(ge=0, le=64)]], Field(min_length=1)]  # layers of dilation 1, 2, 4, …


class GeneratorConfig(Settings):
    """The coarse and the refinement network."""

    width: Channels  # channels of the first layers
    levels: Annotated[Levels, Field(ge=2)]  # of the refinement network's encoder; each halves the size
    coarse_dilated: Dilated
    refinement_dilated: Dilated
    coarse_gate: Gate
    refinement_gate: Gate
    initial_deviation: Factor  # of the convolutions' weights, the critic's too


class Attention(Settings):
    """How scores come about, see layers/contextual_attention.py."""

    softmax_scale: Factor
    fuse: bool
    masking: Masking


class CriticConfig(Settings):
    width: Channels  # channels of the first layer
    layers: Annotated[int, Field(ge=1, le=6)]  # each halves the size


class Loss(Weights):
    """Weights of the terms."""

    hole: Weight  # α1, of L_in-hole
    known: Weight  # α2, of L_context
    coarse: Weight  # α, of x1 within both
    adversarial: Weight  # β
    gradient_penalty: Weight  # σ


class Config(Settings):
    size: Pixels  # px, longest side that the networks see; larger pictures are reduced
    generator: GeneratorConfig
    attention: Attention
    critic: CriticConfig
    critic_steps: Annotated[int, Field(ge=0, le=64)]  # for each of the generator's
    betas: Betas
    loss: Loss
    schedule: Schedule


class Enlarge(nn.Module):
    """Twice the size: (B, C, H, W) → (B, C, 2 H, 2 W)."""

    def forward(self, x: Tensor) -> Tensor:
        return enlarge(x, 2)


def conv(inputs: int, outputs: int, gate: Gate, kernel=3, stride=1, dilation=1) -> LightGatedConv:
    return LightGatedConv(inputs, outputs, gate, kernel, stride, dilation, padding="tensorflow")


def up(inputs: int, outputs: int, gate: Gate) -> nn.Sequential:
    return nn.Sequential(Enlarge(), conv(inputs, outputs, gate))


def dilated(channels: int, gate: Gate, layers: Dilated) -> nn.Sequential:
    rates = [2**power for power, count in enumerate(layers) for _ in range(count)]
    return nn.Sequential(*(conv(channels, channels, gate, dilation=rate) for rate in rates))


class Coarse(nn.Sequential):
    """Stage 1: (B, 4, H, W) → (B, 3, H, W), clipped. Section 3.3."""

    def __init__(self, config: GeneratorConfig):
        w, gate = config.width, config.coarse_gate
        super().__init__(
            OrderedDict(
                encoder=nn.Sequential(
                    conv(4, w, gate, kernel=5, stride=2), conv(w, w, gate), conv(w, 2 * w, gate, stride=2)
                ),
                before=dilated(2 * w, gate, [3]),
                dilated=dilated(2 * w, gate, config.coarse_dilated),
                after=dilated(2 * w, gate, [3]),
                decoder=nn.Sequential(up(2 * w, w, gate), conv(w, w, gate), up(w, 3, gate), nn.Hardtanh(-1, 1)),
            )
        )


class Transfer(nn.Module):
    """A level of the decoder: what comes from below, enlarged, beside the encoder's map with its hole filled.

    (B, inputs, H, W), (B, width, 2 H, 2 W) and scores (B, N, N) → (B, 2 · width, 2 H, 2 W). Section 3.2, attention
    transfer: P^l_j = Σ_i s_ij P^l_i over patches of 2 `rate` px at a stride of `rate`.
    """

    def __init__(self, inputs: int, width: int, rate: int, gate: Gate):
        super().__init__()
        self.rate = rate
        self.enlarged = nn.Sequential(up(inputs, width, gate), conv(width, width, gate))
        self.transferred = nn.Sequential(conv(width, width, gate), conv(width, width, gate, dilation=2))

    def extra_repr(self) -> str:
        return f"rate={self.rate}"

    def forward(self, x: Tensor, level: Tensor, scores: Tensor) -> Tensor:
        canvas = Canvas(level, self.rate)
        canvas.paste(scores, 0, level.shape[2] // self.rate)
        return torch.cat([self.transferred(canvas.picture("summed")), self.enlarged(x)], 1)


class Refinement(nn.Module):
    """Stage 2: (B, 4, H, W), hole (B, 1, H, W) → (B, 3, H, W), clipped, and scores (B, N, N). Sections 3.2 and 3.3.

    N places on a grid of `cell` px; row j, column i of the scores is s_ij.
    """

    def __init__(self, config: GeneratorConfig, attention: Attention):
        super().__init__()
        gate, widths = config.refinement_gate, [config.width * 2**level for level in range(config.levels)]
        top = widths[-1]
        self.cell = 2 ** (config.levels + 1)
        self.options = {name: getattr(attention, name) for name in Attention.model_fields}
        self.encoder = nn.ModuleList(
            nn.Sequential(conv(inputs, width, gate, stride=2), conv(width, width, gate))
            for inputs, width in pairwise([4, *widths])
        )
        self.dilated = dilated(top, gate, config.refinement_dilated)
        self.attended = conv(top, top, gate)
        self.joined = conv(2 * top, top, gate)
        self.decoder = nn.ModuleList()
        channels, rate = top, 4
        for width in reversed(widths[:-1]):
            self.decoder.append(Transfer(channels, width, rate, gate))
            channels, rate = 2 * width, 2 * rate
        self.to_picture = nn.Sequential(up(channels, 3, gate), nn.Hardtanh(-1, 1))

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items())

    def forward(self, inputs: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        levels = [inputs]
        for halve in self.encoder:
            levels.append(halve(levels[-1]))
        x = self.dilated(levels.pop())
        scores = self.scores(x, hole)
        x = self.joined(torch.cat([x, self.attended(paste_three(x, scores))], 1))
        for transfer in self.decoder:
            x = transfer(x, levels.pop(), scores)
        return self.to_picture(x), scores

    def scores(self, features: Tensor, hole: Tensor) -> Tensor:
        """s_ij of patches of 3 x 3 places, of which those are known that touch no cell with a missing pixel."""
        valid = patch_sum(max_pool2d(hole, self.cell)) == 0
        return attention_weights(features[..., ::2, ::2], valid, smallest_norm=SMALLEST_NORM, **self.options)


class Outputs(NamedTuple):
    """Everything the generator computes for a picture."""

    x1: Tensor  # coarse prediction, (B, 3, H, W) in [-1, 1]
    x2: Tensor  # refined prediction, likewise
    scores: Tensor  # (B, N, N)


class Generator(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] and holes (B, 1, H, W) → Outputs."""

    def __init__(self, config: GeneratorConfig, attention: Attention):
        super().__init__()
        self.coarse = Coarse(config)
        self.refinement = Refinement(config, attention)

    def forward(self, x: Tensor, hole: Tensor) -> Outputs:
        inputs = torch.cat([x * (1 - hole), hole], 1)
        x1 = enlarge(self.coarse(inputs[..., ::2, ::2].contiguous()), 2)
        x2, scores = self.refinement(torch.cat([paste(x1, x, hole), hole], 1), hole)
        return Outputs(x1, x2, scores)


class Model:
    def __init__(self, config: Config, size: int):
        self.config = config
        self.size_divisor = 2 ** (config.generator.levels + 1)
        if config.size < self.size_divisor:
            raise InputError(f"size is {config.size} px; accepted: {self.size_divisor} px or more")
        self.batches = config.critic_steps + 1
        generator = Generator(config.generator, config.attention)
        critic = Critic(size, config.critic.width, [1, 2, 4, 4, 4, 4][: config.critic.layers], "tensorflow")
        self.networks = nn.ModuleDict({"generator": generator, "critic": critic})
        self.networks.apply(glorot).apply(truncated_normal(config.generator.initial_deviation))

    optimisers = cached_property(adam_for_each)

    def begin(self, phase: Phase) -> None:
        """Both networks train jointly; a phase sets only their learning rate."""
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critic's steps, each on a batch of its own, then the generator's."""
        return critics_first(self.batches, image * 2 - 1, hole, self._step_critic, self._step_generator)

    def _step_critic(self, x: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """L_d; the penalty is on the gradient of the whole picture."""
        critic = self.networks["critic"]
        with torch.no_grad():
            result = paste(self.networks["generator"](x, hole).x2, x, hole)
        loss = GAN_LOSSES["wgan-gp"].critic(*critic(torch.cat([x, result])).chunk(2))
        penalty = gradient_penalty(critic, x, result, torch.ones_like(hole))
        descend(self.optimisers["critic"], loss + self.config.loss.gradient_penalty * penalty)
        return {"critic": loss, "gradient_penalty": penalty}

    def _step_generator(self, x: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """L_g = α1 L_in-hole + α2 L_context + β L_adv."""
        weight = self.config.loss
        x1, x2, _ = self.networks["generator"](x, hole)
        in_hole = weight.coarse * weighted_l1(x1, x, hole) + weighted_l1(x2, x, hole)
        context = weight.coarse * known_l1(x1, x, hole) + known_l1(x2, x, hole)
        adversarial = GAN_LOSSES["wgan-gp"].generator(self.networks["critic"](paste(x2, x, hole)))
        loss = weight.hole * in_hole + weight.known * context + weight.adversarial * adversarial
        descend(self.optimisers["generator"], loss)
        return {"l1_hole": in_hole, "l1_known": context, "adversarial": adversarial, "generator": loss}

    def reduction(self, picture: Tensor) -> int:
        """How many times a picture is larger than the networks' size."""
        return -(-max(picture.shape[-2:]) // self.config.size)

    def fill(self, x: Tensor, hole: Tensor) -> Outputs:
        """The outputs for a picture of any size; a large one is reduced, and gets its residuals back. Section 3.1.

        Residuals are aggregated as features are transferred, R_j = Σ_i s_ij R_i, but over blocks that do not overlap.
        """
        times = self.reduction(x)
        if times == 1:
            return self.networks["generator"](x, hole)
        height, width = x.shape[-2:]
        block = times * self.size_divisor
        margin = (0, -width % block, 0, -height % block)
        x, hole = (pad(tensor, margin, mode="replicate") for tensor in (x, hole))
        small = avg_pool2d(x, times)
        x1, x2, scores = self.networks["generator"](small, max_pool2d(hole, times))
        blurred = partial(interpolate, scale_factor=times, mode="bilinear")
        aggregated = paste_blocks(x - blurred(small), scores, block)
        output = (blurred(x2) + aggregated).clamp(-1, 1)
        return Outputs(blurred(x1)[..., :height, :width], output[..., :height, :width], scores)

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.fill(image * 2 - 1, hole).x2 + 1) / 2

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the coarse prediction, and for each block of the attention's grid the one that it takes most from."""
        x1, x2, scores = self.fill(image * 2 - 1, hole)
        height, width = image.shape[-2:]
        block = self.reduction(image) * self.size_divisor
        best = relative_to_own(scores.argmax(2), -(-height // block), -(-width // block))
        share = block // FLOW_UNIT
        flow = (share * best).repeat_interleave(share, 2).repeat_interleave(share, 3)
        flow = flow[..., : height // FLOW_UNIT, : width // FLOW_UNIT]
        return (x2 + 1) / 2, {"coarse": (x1 + 1) / 2, "flow": flow}
