"""StyleGAN2, a generative prior: T. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020.

Code: https://github.com/NVlabs/stylegan2-ada-pytorch.

Sections 3.1 and 3.2 (lazy and path-length regularisation) and 4.1 (residual discriminator); the synthesis network is in
`layers/style_synthesis.py`. Widths and schedule are those of NVIDIA's preset `paper256` (StyleGAN2-ADA, without
augmentation). It fills no holes: GM-SRM and Lahiri et al. work with it.

    z, w          latent code, and the mapping network's output for it
    y, a          a picture of normal noise, the running mean of the path lengths |Jᵀ y|
    γ             `loss.r1`

Departures
- A modulated convolution scales its input by s and its output by the demodulation, which equals scaling its weights.
- There is no running mean of w for truncation, as nothing here truncates.
- The running mean a is a constant to the gradient of equation 4.
"""

import math
from copy import deepcopy
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.config.numbers import Channels, Count, Factor, Few, Iterations, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.resampling import halve, halve_conv
from palimpsest.layers.style_synthesis import (
    SMALLEST,
    Dense,
    ScaledConv,
    Synthesis,
    Width,
    activate,
    conv,
    fixed_noise,
    random_noise,
)
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES, r1_penalty
from palimpsest.losses.weights import Weights

GAN_LOSS = GAN_LOSSES["dcgan"]  # non-saturating
SHOWN = 1  # seed of the latent codes of sample pictures

Fraction = Annotated[float, Field(ge=0, le=1)]


class Loss(Weights):
    """Regularisation: each term is computed once in so many steps, and weighted by as many."""

    r1: Weight  # γ
    r1_every: Iterations  # steps
    path_length: Weight
    path_length_every: Iterations  # steps
    path_length_decay: Fraction  # of the running mean a


class Config(Settings):
    width: Width
    latent: Channels  # channels of z and w
    mapping_layers: Few
    mapping_rate: Factor  # learning rate of the mapping network, times the others'
    deviation_group: Count  # pictures over which the discriminator sees the standard deviation
    mixing: Fraction  # share of the batches that mix two z in each picture
    average: Iterations  # pictures, half-life of the averaged weights
    betas: Betas
    loss: Loss
    schedule: Schedule


class Mapping(nn.Sequential):
    """z (B, latent) → w (B, latent)."""

    def __init__(self, latent: int, layers: int, rate: float):
        super().__init__(*(Dense(latent, latent, rate=rate) for _ in range(layers)))

    def forward(self, z: Tensor) -> Tensor:
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self:
            x = activate(layer(x))
        return x


class Generator(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, config: Config, size: int):
        super().__init__()
        self.mapping = Mapping(config.latent, config.mapping_layers, config.mapping_rate)
        self.synthesis = Synthesis(config.width, config.latent, size)

    def styled(self, z: Tensor) -> Tensor:
        """w of every layer and of the last picture: (B, latent) → (B, layers + 1, latent)."""
        return self.mapping(z)[:, None].expand(-1, self.synthesis.layers + 1, -1)


class ResidualDown(nn.Module):
    """Section 4.1: two convolutions, and a 1 x 1 without bias as shortcut, to half the size; variance stays 1."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = ScaledConv(inputs, inputs, 3)
        self.second = ScaledConv(inputs, outputs, 3, halve_conv)
        self.beside = nn.Parameter(torch.randn(outputs, inputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        beside = conv(halve(x), self.beside / math.sqrt(x.shape[1]))
        return (self.second(self.first(x)) + beside) / math.sqrt(2)


def with_deviation(x: Tensor, group: int) -> Tensor:
    """One more channel: the standard deviation over each `group` of pictures, averaged over all features."""
    count = min(group, len(x))
    if len(x) % count:
        raise InputError(f"deviation_group is {group}, of a process's {len(x)} pictures; accepted: a divisor of them")
    apart = x.unflatten(0, (count, -1))
    deviation = ((apart - apart.mean(0)).square().mean(0) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.repeat(count).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])], 1)


class Discriminator(nn.Module):
    """Picture (B, 3, size, size) → score (B, 1)."""

    def __init__(self, config: Config, size: int):
        super().__init__()
        sides = [SMALLEST << k for k in range((size // SMALLEST).bit_length())]
        channels = [config.width.at(side) for side in reversed(sides)]
        last = channels[-1]
        self.from_picture = ScaledConv(3, channels[0], 1)
        self.down = nn.Sequential(*(ResidualDown(*pair) for pair in pairwise(channels)))
        self.group = config.deviation_group
        self.conv = ScaledConv(last + 1, last, 3)
        self.hidden, self.score = Dense(last * SMALLEST**2, last), Dense(last, 1)

    def forward(self, picture: Tensor) -> Tensor:
        x = self.down(self.from_picture(picture))
        x = self.conv(with_deviation(x, self.group))
        return self.score(activate(self.hidden(x.flatten(1))))


class Course(nn.Module):
    """What training needs besides weights to resume."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("path_length", torch.zeros(()))  # a


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        if size < 2 * SMALLEST or size & (size - 1):
            raise InputError(f"pictures of {size} px; accepted: a power of 2 from {2 * SMALLEST} px up")
        if config.width.base < size:
            raise InputError(f"width.base is {config.width.base} for pictures of {size} px; accepted: {size} or more")
        self.config = config
        generator = Generator(config, size)
        networks = {"generator": generator, "critic": Discriminator(config, size)}
        averaged = deepcopy(generator).requires_grad_(False)
        self.networks = nn.ModuleDict({**networks, "average": averaged, "course": Course()})
        self.check_batch(config.schedule.batch_size)

    def check_batch(self, size: int) -> None:
        """InputError unless the discriminator's groups divide batches of that size."""
        if size % min(self.config.deviation_group, size):
            found = f"deviation_group is {self.config.deviation_group}, schedule.batch_size {size}"
            raise InputError(f"{found}; accepted: a divisor of the batch")

    @property
    def memory(self) -> Synthesis:
        """The averaged generator without its mapping."""
        return self.networks["average"].synthesis

    @property
    def critic(self) -> Discriminator:
        return self.networks["critic"]

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Adam]:
        """Section 3.1: rate and momenta make up for the extra steps of regularisation."""
        return {
            name: adam(self.networks[name].parameters(), [beta**share for beta in self.config.betas])
            for name, share in self._shares.items()
        }

    @property
    def _shares(self) -> dict[str, float]:
        """The share of an optimiser's steps that are not regularisation's."""
        loss = self.config.loss
        every = {"generator": (loss.path_length, loss.path_length_every), "critic": (loss.r1, loss.r1_every)}
        return {name: steps / (steps + 1) if weight else 1.0 for name, (weight, steps) in every.items()}

    def begin(self, phase: Phase) -> None:
        set_rates(self.optimisers, phase, **self._shares)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The generator's step and the critic's on (B, 3, size, size) in [0, 1], each with its lazy regularisation."""
        x, weight, steps = image * 2 - 1, self.config.loss, self.networks["course"].steps.item()
        critic, log = self.networks["critic"], {}
        log["generator"] = GAN_LOSS.generator(critic(self.generate(len(x), x.device)[0]))
        descend(self.optimisers["generator"], log["generator"])
        if weight.path_length and steps % weight.path_length_every == 0:
            log["path_length"] = self.path_length_penalty(max(1, len(x) // 2), x.device)
            loss = weight.path_length * weight.path_length_every * log["path_length"]
            descend(self.optimisers["generator"], loss)

        with torch.no_grad():
            fake = self.generate(len(x), x.device)[0]
        log["critic"] = GAN_LOSS.critic(critic(x), critic(fake))
        descend(self.optimisers["critic"], log["critic"])
        if weight.r1 and steps % weight.r1_every == 0:
            log["r1"] = r1_penalty(critic, x)
            descend(self.optimisers["critic"], weight.r1 / 2 * weight.r1_every * log["r1"])
        self._average()
        self.networks["course"].steps += 1
        return log

    def generate(self, count: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Pictures of random z, in most batches two for each picture, and their w."""
        generator, mixing = self.networks["generator"], torch.rand(()) < self.config.mixing
        ws = generator.styled(torch.randn(count, self.config.latent, device=device))
        if mixing:
            first = int(torch.randint(1, ws.shape[1], ()))
            others = generator.styled(torch.randn(count, self.config.latent, device=device))
            ws = torch.cat([ws[:, :first], others[:, first:]], 1)
        return generator.synthesis(ws, random_noise), ws

    def path_length_penalty(self, count: int, device: torch.device | str) -> Tensor:
        """Section 3.2, equation 4: mean((|Jᵀ y| - a)²); updates a."""
        picture, ws = self.generate(count, device)
        y = torch.randn_like(picture) / math.sqrt(math.prod(picture.shape[2:]))
        (slopes,) = torch.autograd.grad((picture * y).sum(), ws, create_graph=True)
        lengths = slopes.square().sum(2).mean(1).sqrt()
        mean = self.networks["course"].path_length
        mean.lerp_(lengths.detach().float().mean(), self.config.loss.path_length_decay)
        return (lengths - mean).square().mean()

    @torch.no_grad()
    def _average(self) -> None:
        new = 1 - 0.5 ** (self.config.schedule.batch_size / self.config.average)
        pairs = zip(*(self.networks[name].parameters() for name in ("average", "generator")), strict=True)
        for average, value in pairs:
            average.lerp_(value, new)

    @torch.no_grad()
    def sample(self, first: int, count: int, device: torch.device | str) -> Tensor:
        """The averaged generator's pictures numbered first, first + 1, …: (count, 3, size, size) in [0, 1]."""
        generators = [torch.Generator().manual_seed(SHOWN + number) for number in range(first, first + count)]
        z = torch.stack([torch.randn(self.config.latent, generator=each) for each in generators]).to(device)
        average = self.networks["average"]
        return ((average.synthesis(average.styled(z), fixed_noise(SHOWN)) + 1) / 2).clamp(0, 1)
