"""PICNet: C. Zheng et al., "Pluralistic Image Completion", CVPR 2019 (arXiv 1903.04227).

Code: https://github.com/lyndonzheng/Pluralistic-Inpainting.

The paper's section 3 (two paths, losses, short + long term attention); released code, branch `master`.

    I_m, I_c, I_g image with 0 in the hole, its complement with 0 elsewhere, whole image, all in [-1, 1]
    z_c           latent maps of what the hole shows
    q_ψ           posterior of z_c given I_c
    p_φ           conditional prior of z_c given I_m
    N_m           fixed prior N(0, σ²): the larger the hole, the more may vary
    I_rec, I_gen  outputs of the reconstructive path, from z_c of q_ψ, and of the generative path, from z_c of p_φ
    D1, D2        critics of I_rec, `reconstruction_critic`, and of I_gen, `critic`
    α             `loss`: α_KL `divergence`, α_app `appearance`, α_ad `adversarial`

The result that is measured is one of `samples` that the generative path draws for a hole: the one whose composite D2
scores highest, by which the released code ranks them. Their latent noise comes from a fixed seed and is the same for
every picture of a size, so a picture is always filled alike, whatever is beside it.

Departures
- For their tables the authors say that they measured the one of 50 results that is closest to the original. That looks
  at what is to be filled, so here D2 chooses.
- KL_rec is KL(q_ψ ‖ N_m), as in the paper; the released code computes KL(N_m ‖ q_ψ).
- KL terms are means over the maps and count once for each scale of the output, as in the released code.
- Convolutions start orthogonal, as paper and code both say; in the released code spectral normalisation hides them from
  the initialisation.
- Spectral normalisation keeps its vectors when a hole is filled; the released code iterates on. `refreshed: true` takes
  the step of its first pass, from the vectors of the file, in every pass.
- What attention gathers is merged with the slope of all other blocks; the released code has 0.01 there
  (`merging_leak`).
- The released critics store the second half of an attention layer that they never run.
- Deviations of z_c are at least 1e-6.
- The authors train one network for each kind of hole; here one fills both. One set of pictures serves all methods of
  a profile, at one scale.
- Below 256 px there are fewer levels, attention stays at an eighth of the size, and outputs at that size and above.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import avg_pool2d, interpolate, l1_loss, leaky_relu, mse_loss, softplus

from palimpsest.config.numbers import Channels, Factor, Few, Levels, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.self_attention import attend
from palimpsest.layers.spectral_norm import SpectralNorm, spectral_norm
from palimpsest.learning.optimisation import Betas, adam_for_groups, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.weights import Weights

SEED = 1  # of the noise with which pictures are filled
GAN_LOSS = GAN_LOSSES["lsgan"]
SCALES = 4  # of the output: an eighth of the size to the whole
INFERENCE_BLOCKS = 6  # before the conditional prior
SMALLEST_DEVIATION = 1e-6
LEAK = 0.1


class Loss(Weights):
    """Weights of the terms, for both paths."""

    divergence: Weight  # for each scale of the output
    appearance: Weight
    adversarial: Weight


class Config(Settings):
    width: Channels  # channels of the first layer; z_c and the deepest maps have four times as many
    levels: Annotated[Levels, Field(ge=SCALES)]  # each halves the size
    critic_levels: Annotated[Levels, Field(ge=3)]
    merging_leak: Weight  # slope below 0 where what attention gathers is merged
    refreshed: bool  # whether spectral normalisation takes a step of the power method when a hole is filled too
    critic_rate: Factor  # learning rate, times the generator's
    samples: Few  # results drawn for a hole, of which D2 chooses one
    betas: Betas
    loss: Loss
    schedule: Schedule


def activation(x: Tensor) -> Tensor:
    return leaky_relu(x, LEAK)


def normalised(conv: nn.Module) -> nn.Module:
    """Spectral normalisation; of a transposed convolution too along its first axis, as in the released weights."""
    nn.init.orthogonal_(conv.weight)
    nn.init.zeros_(conv.bias)
    return spectral_norm(conv)


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Module:
    return normalised(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))


def up_conv(inputs: int, outputs: int) -> nn.Module:
    return normalised(nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1))


class Block(nn.Module):
    """3 x 3, 3 x 3, each after an activation, beside a 1 x 1: (B, inputs, H, W) → (B, outputs, H, W)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, leak: float = LEAK):
        super().__init__()
        self.first, self.second, self.bypass = conv(inputs, hidden), conv(hidden, outputs), conv(inputs, outputs, 1)
        self.leak = leak

    def extra_repr(self) -> str:
        return f"leak={self.leak}"

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(leaky_relu(x, self.leak))
        return self.second(leaky_relu(hidden, self.leak)) + self.bypass(x)


class DownBlock(Block):
    """The same, averaged over 2 x 2 px; `begins` leaves a picture's first activation out."""

    def __init__(self, inputs: int, hidden: int, outputs: int, begins: bool = False):
        super().__init__(inputs, hidden, outputs)
        self.begins = begins

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x if self.begins else activation(x))
        return avg_pool2d(self.second(activation(hidden)), 2) + self.bypass(avg_pool2d(x, 2))


class UpBlock(nn.Module):
    """3 x 3 and a transposed 3 x 3, each after normalisation and activation, beside another: twice the size."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first_norm, self.second_norm = (nn.InstanceNorm2d(c, affine=True) for c in (inputs, outputs))
        self.first, self.second = conv(inputs, outputs), up_conv(outputs, outputs)
        self.bypass = up_conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(activation(self.first_norm(x)))
        return self.second(activation(self.second_norm(hidden))) + self.bypass(x)


class ToPicture(nn.Module):
    """(B, inputs, H, W) → (B, 3, H, W) in [-1, 1], with mirrored borders."""

    def __init__(self, inputs: int):
        super().__init__()
        self.conv = normalised(nn.Conv2d(inputs, 3, 3, padding=1, padding_mode="reflect"))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(activation(x)).tanh()


class SelfAttention(nn.Module):
    """x + γ times what attention gathers for each position of x, (B, C, H, W); queries are keys."""

    def __init__(self, channels: int):
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 4, 1)
        nn.init.orthogonal_(self.query.weight, gain=0.02)
        nn.init.zeros_(self.query.bias)
        self.gamma = nn.Parameter(torch.zeros(1))

    def gathered(self, x: Tensor, values: Tensor) -> Tensor:
        query = self.query(x).flatten(2)
        return attend(query, query, values.flatten(2)).unflatten(2, values.shape[2:])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.gathered(x, x)


class ShortLongAttention(SelfAttention):
    """Also brings what the encoder saw, (B, C, H, W), from known positions to missing ones."""

    def __init__(self, channels: int, leak: float):
        super().__init__(channels)
        self.alpha = nn.Parameter(torch.zeros(1))
        self.merge = Block(2 * channels, channels, channels, leak)

    def forward(self, x: Tensor, seen: Tensor, valid: Tensor) -> Tensor:
        near, far = self.gathered(x, torch.cat([x, seen], 1)).chunk(2, 1)
        return self.merge(torch.cat([x + self.gamma * near, valid * seen + self.alpha * (1 - valid) * far], 1))


def doubling(width: int, levels: int) -> list[int]:
    """Channels of each level, from the largest map to the smallest."""
    return [width * min(2**level, 4) for level in range(levels)]


class Encoder(nn.Module):
    """(B, 3, H, W) → its maps at an eighth of the size and at the smallest; z_c's distributions from the latter."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        pairs, deep = pairwise(doubling(width, levels)), 4 * width
        self.first = DownBlock(3, width, width, begins=True)
        self.down = nn.ModuleList(DownBlock(inputs, inputs, outputs) for inputs, outputs in pairs)
        self.infer = nn.Sequential(*(Block(deep, deep, deep) for _ in range(INFERENCE_BLOCKS)))
        self.prior, self.posterior = Block(deep, deep, 2 * deep), Block(deep, deep, 2 * deep)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = [self.first(x)]
        for block in self.down:
            maps.append(block(maps[-1]))
        return maps[SCALES - 2], maps[-1]

    def p(self, deepest: Tensor) -> Normal:
        """p_φ."""
        return normal(self.prior(self.infer(deepest)))

    def q(self, deepest: Tensor) -> Normal:
        """q_ψ."""
        return normal(self.posterior(deepest))


def normal(parameters: Tensor) -> Normal:
    mean, deviation = parameters.float().chunk(2, 1)
    return Normal(mean, softplus(deviation) + SMALLEST_DEVIATION, validate_args=False)


class Generator(nn.Module):
    """z_c and the encoder's maps of I_m → pictures, from an eighth of the size to the whole."""

    def __init__(self, width: int, levels: int, leak: float):
        super().__init__()
        self.attends = levels - SCALES  # the block after which there are attention and outputs
        outputs = doubling(width, levels)[::-1]
        inputs = [4 * width, *outputs[:-1]]
        extra = [3 * (level > self.attends) for level in range(levels)]  # colours of the output before
        self.latent = Block(4 * width, 4 * width, 4 * width)
        self.decoder = nn.ModuleList(UpBlock(i + e, o) for i, e, o in zip(inputs, extra, outputs, strict=True))
        self.attention = ShortLongAttention(outputs[self.attends], leak)
        self.out = nn.ModuleList(ToPicture(channels) for channels in outputs[self.attends :])

    def forward(self, z: Tensor, at_eighth: Tensor, deepest: Tensor, valid: Tensor) -> list[Tensor]:
        x, pictures = deepest + self.latent(z), []
        for level, block in enumerate(self.decoder):
            x = block(torch.cat([x, pictures[-1]], 1) if pictures else x)
            if level == self.attends:
                x = self.attention(x, at_eighth, scaled(valid, x))
            if level >= self.attends:
                pictures.append(self.out[level - self.attends](x))
        return pictures


class Critic(nn.Module):
    """(B, 3, H, W) → scores (B, 1, h, w), with self-attention at an eighth of the size."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        pairs = pairwise(doubling(width, levels))
        self.first = DownBlock(3, width, width, begins=True)
        self.down = nn.ModuleList(DownBlock(inputs, inputs, outputs) for inputs, outputs in pairs)
        self.attention = SelfAttention(4 * width)
        self.last = Block(4 * width, 4 * width, 4 * width)
        self.score = normalised(nn.Conv2d(4 * width, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for level, block in enumerate(self.down, 1):
            x = block(x)
            if level == 2:
                x = self.attention(x)
        return self.score(activation(self.last(x)))

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of real and fake pictures, from one pass."""
        return self(torch.cat([real, fake])).chunk(2)


def scaled(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, with corners aligned: (B, C, H, W) → (B, C, h, w)."""
    return interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


def fixed_prior(hole: Tensor, like: Tensor) -> Normal:
    """N_m, of the shape of `like`: σ grows with the hole's share of the picture."""
    valid = 1 - hole.mean((1, 2, 3), keepdim=True)
    return Normal(torch.zeros_like(like), (8 * (0.8 - valid)).sigmoid().expand_as(like), validate_args=False)


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        self.size_divisor = max(2 << config.levels, 4 << config.critic_levels)  # px; 2 x 2 of z_c, 4 x 4 for D2's end
        self.networks = nn.ModuleDict(
            {
                "encoder": Encoder(config.width, config.levels),
                "generator": Generator(config.width, config.levels, config.merging_leak),
                "critic": Critic(config.width, config.critic_levels),
                "reconstruction_critic": Critic(config.width, config.critic_levels),
            }
        )
        for module in self.networks.modules():
            if isinstance(module, SpectralNorm):
                module.refreshed = config.refreshed

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        pairs = {"generator": ("encoder", "generator"), "critics": ("critic", "reconstruction_critic")}
        return adam_for_groups(self, pairs)

    def begin(self, phase: Phase) -> None:
        """All networks train jointly; a phase sets only their learning rates."""
        set_rates(self.optimisers, phase, critics=self.config.critic_rate)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """Both critics' step, then that of encoder and generator on both paths."""
        weight, d1, d2 = self.config.loss, self.networks["reconstruction_critic"], self.networks["critic"]
        x, valid = image * 2 - 1, 1 - hole
        posterior, prior, rec, gen = self.both_paths(x, hole)
        critic = GAN_LOSS.critic(*d2.compare(x, gen[-1].detach()))
        reconstruction_critic = GAN_LOSS.critic(*d1.compare(x, rec[-1].detach()))
        descend(self.optimisers["critics"], critic + reconstruction_critic)

        with torch.no_grad():
            real = d1(x)
        fixed = Normal(posterior.mean.detach(), posterior.stddev.detach(), validate_args=False)
        pyramid = [(r, g, scaled(x, r), scaled(valid, r)) for r, g in zip(rec, gen, strict=True)]
        divergences = {
            "divergence_rec": SCALES * kl_divergence(posterior, fixed_prior(hole, posterior.mean)).mean(),
            "divergence_gen": SCALES * kl_divergence(fixed, prior).mean(),
        }
        appearances = {
            "appearance_rec": sum(l1_loss(r, wanted) for r, _, wanted, _ in pyramid),
            "appearance_gen": sum(l1_loss(g * known, wanted * known) for _, g, wanted, known in pyramid),
        }
        adversarials = {
            "adversarial_rec": mse_loss(d1(rec[-1]), real),
            "adversarial_gen": 2 * GAN_LOSS.generator(d2(gen[-1])),  # without the half
        }
        loss = weight.divergence * sum(divergences.values())
        loss = loss + weight.appearance * sum(appearances.values()) + weight.adversarial * sum(adversarials.values())
        descend(self.optimisers["generator"], loss)
        log = {"critic": critic, "reconstruction_critic": reconstruction_critic}
        return {**log, **divergences, **appearances, **adversarials, "generator": loss}

    def both_paths(self, x: Tensor, hole: Tensor) -> tuple[Normal, Normal, list[Tensor], list[Tensor]]:
        """q_ψ, p_φ, and I_rec and I_gen at all scales."""
        encoder, valid = self.networks["encoder"], 1 - hole
        maps = encoder(torch.cat([x * valid, x * hole]))
        (at_eighth, _), (deepest, hidden) = (part.chunk(2) for part in maps)
        posterior, prior = encoder.q(hidden), encoder.p(deepest)
        z = torch.cat([posterior.rsample(), prior.rsample()])
        twice = [torch.cat([part, part]) for part in (at_eighth, deepest, valid)]
        pairs = [picture.chunk(2) for picture in self.networks["generator"](z, *twice)]
        return posterior, prior, [rec for rec, _ in pairs], [gen for _, gen in pairs]

    def drawn(self, image: Tensor, hole: Tensor) -> Iterator[Tensor]:
        """`samples` outputs of the generative path, one after the other, each (B, 3, H, W) in [-1, 1]."""
        valid, noise = 1 - hole, torch.Generator().manual_seed(SEED)
        at_eighth, deepest = self.networks["encoder"]((image * 2 - 1) * valid)
        prior = self.networks["encoder"].p(deepest)
        for _ in range(self.config.samples):
            normal = torch.randn(1, *deepest.shape[1:], generator=noise).to(deepest.device)
            z = prior.mean + prior.stddev * normal
            yield self.networks["generator"](z, at_eighth, deepest, valid)[-1]

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        """The output whose composite D2 scores highest, picture by picture."""
        best = highest = None
        for output in self.drawn(image, hole):
            score = self.networks["critic"](paste(output, image * 2 - 1, hole)).mean((1, 2, 3), keepdim=True)
            best = output if best is None else torch.where(score > highest, output, best)
            highest = score if highest is None else torch.maximum(score, highest)
        return (best + 1) / 2
