"""LBAM: C. Xie et al., "Image Inpainting with Learnable Bidirectional Attention Maps", ICCV 2019 (arXiv 1909.00968).

Code: https://github.com/Vious/LBAM_Pytorch.

Sections 3.2 (attention maps), 3.3 (both directions), 3.4 (networks) and 3.5 (losses); released code and weights.

    I, M          image in [0, 1], known pixels: 1 - hole
    M^c           convolved mask
    g_A, g_M      attention map and updated mask, functions of M^c
    a, μ, γ_l, γ_r    learned numbers of g_A
    α             `ALPHA`
    λ             `loss`: `gradient_penalty` is WGAN-GP's

A U-Net whose maps are multiplied by attention maps: the encoder's come from the known pixels, the decoder's from the
hole, so that the decoder attends to what is missing. A skip connection is multiplied by the encoder's map again and
activated; without normalisation in between this is the encoder's own output, which goes on unchanged.

Departures
- There is no batch normalisation and the output is (tanh + 1) / 2, as in the released network; the paper has
  normalisation and |tanh|.
- The losses are the released code's, l1 everywhere with its weights: the paper's reconstruction and perceptual losses
  are l2, and its weights others. The perceptual loss weighs 0.005, as in the code's later revision, first 0.01.
- In the released code the critic's loss lowers the scores of real and of fake pictures, and the generator lowers its
  score too; a sigmoid bounds the critic; and the gradient penalty is per sample, which batch
  normalisation mixes.
  Here the critic is WGAN-GP's: it raises real scores and lowers fake ones, the generator raises its own, and the critic
  has neither sigmoid nor batch normalisation, 7,680 parameters fewer than the released code's 22,316,417.
- The generator's score comes from the critic after its step; the released code takes it from before.
- VGG sees pictures as it was trained on them, normalised; the released code passes them as they are. It is VGG19 where
  that is available, VGG16 in the paper.
- g_A's numbers are put back into their bounds after each step, as the released code does before each pass; outside of
  them they would have no gradient.
- All convolutions start with one deviation; in the released code the last one, and the critic's, have torch's default.
- A picture of 256 px has seven levels, as published; halving the side takes one away, from networks and critic.
- Training holes are PICNet's, as in GM-SRM; the paper takes its masks from PConv. 500 epochs are of GM-SRM's 74,000
  pictures, and crops come from pictures at one scale; the released code resizes each to 350 px.
"""

from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from palimpsest.config.numbers import Channels, Factor, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.initial_weights import normal
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES, gradient_penalty
from palimpsest.losses.perceptual import perceptual_and_style_l1
from palimpsest.losses.reconstruction import weighted_l1
from palimpsest.losses.weights import Weights

FEATURES = ("pool1", "pool2", "pool3")
LEAK = 0.2
ALPHA = 0.8
BOUNDS = {"a": (1.01, 6.0), "mu": (0.1, 3.0), "gamma_l": (0.5, 2.0), "gamma_r": (0.5, 2.0)}
FORWARD = {"a": 1.1, "mu": 2.0, "gamma_l": 1.0, "gamma_r": 1.0}  # at the start, in the encoder
REVERSE = {"a": 1.1, "mu": 1.0, "gamma_l": 0.5, "gamma_r": 0.5}  # and in the decoder
GAN_LOSS = GAN_LOSSES["wgan-gp"]


class Loss(Weights):
    """Weights of the terms, the released code's."""

    hole: Weight  # l1 in the hole, a mean over the picture
    known: Weight  # l1 elsewhere, likewise
    perceptual: Weight  # of the raw output and of the result
    style: Weight  # likewise
    adversarial: Weight
    gradient_penalty: Weight


class CriticConfig(Settings):
    """The two-column critic and how it learns."""

    width: Channels  # channels of the first layer of a column
    rate: Factor  # learning rate, times the generator's
    betas: Betas


class Config(Settings):
    width: Channels  # channels of the first level
    initial_deviation: Factor  # of the normally distributed weights
    critic: CriticConfig
    betas: Betas
    loss: Loss
    schedule: Schedule


def half(inputs: int, outputs: int, bias: bool = False) -> nn.Conv2d:
    """(B, inputs, H, W) → (B, outputs, H / 2, W / 2)."""
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)


def double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """(B, inputs, H, W) → (B, outputs, 2 H, 2 W)."""
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)


class AttentionMap(nn.Module):
    """A mask (B, inputs, H, W) → its attention map and the updated mask, both (B, outputs, H / 2, W / 2).

    Section 3.2. The first mask has a plane for each colour, all equal.
    """

    def __init__(self, inputs: int, outputs: int, initial: dict[str, float]):
        super().__init__()
        self.conv = half(inputs, outputs)
        for name, value in initial.items():
            self.register_parameter(name, nn.Parameter(torch.tensor(value)))

    def forward(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        convolved = self.conv(mask)
        return self.attention(convolved), relu(convolved) ** ALPHA

    def attention(self, convolved: Tensor) -> Tensor:
        """g_A, an asymmetric Gaussian: 0 where M^c is far below μ, a at μ, and 1 far above."""
        a, mu, gamma_l, gamma_r = (getattr(self, name).clamp(*bounds) for name, bounds in BOUNDS.items())
        below = convolved < mu
        bell = (-torch.where(below, gamma_l, gamma_r) * (convolved - mu).square()).exp()
        return torch.where(below, a * bell, 1 + (a - 1) * bell)

    @torch.no_grad()
    def bound(self) -> None:
        """Puts the learned numbers back into their bounds."""
        for name, bounds in BOUNDS.items():
            getattr(self, name).clamp_(*bounds)


class Generator(nn.Module):
    """Image and hole → output (B, 3, H, W) in [0, 1]; sides are multiples of 2^levels. Section 3.4, figure 4."""

    def __init__(self, levels: int, width: int):
        super().__init__()
        channels = [width * min(2**level, 8) for level in range(levels)]
        masks = list(pairwise([3, *channels]))
        self.encoder = nn.ModuleList(half(*pair) for pair in pairwise([4, *channels]))
        self.forward_maps = nn.ModuleList(AttentionMap(*pair, FORWARD) for pair in masks)
        self.reverse_maps = nn.ModuleList(AttentionMap(*pair, REVERSE) for pair in masks[:-1])
        below = [channels[-1], *(2 * count for count in channels[-2:0:-1])]
        self.decoder = nn.ModuleList(double(*pair) for pair in zip(below, channels[-2::-1], strict=True))
        self.out = double(2 * channels[0], 3)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        known = 1 - hole
        x, mask, encoded = torch.cat([image * known, known], 1), known.expand(-1, 3, -1, -1), []
        for conv, attend in zip(self.encoder, self.forward_maps, strict=True):
            attention, mask = attend(mask)
            x = leaky_relu(conv(x) * attention, LEAK)
            encoded.append(x)
        mask, reverse = hole.expand(-1, 3, -1, -1), []
        for attend in self.reverse_maps:
            attention, mask = attend(mask)
            reverse.append(attention)
        for conv, skip, attention in zip(self.decoder, encoded[-2::-1], reverse[::-1], strict=True):
            x = torch.cat([skip, leaky_relu(conv(x) * attention, LEAK)], 1)
        return (self.out(x).tanh() + 1) / 2


class Critic(nn.Module):
    """Pictures (B, 3, size, size) and holes → scores (B, 1), from a column for what is known and one for the hole."""

    def __init__(self, size: int, width: int):
        super().__init__()
        layers = size.bit_length() - 3  # until 4 px are left
        channels = [3, *(width * min(2**layer, 8) for layer in range(layers))]
        self.known, self.missing = (
            nn.Sequential(*(nn.Sequential(half(*pair, bias=True), nn.LeakyReLU(LEAK)) for pair in pairwise(channels)))
            for _ in range(2)
        )
        self.score = nn.Conv2d(2 * channels[-1], 1, 4)

    def forward(self, picture: Tensor, hole: Tensor) -> Tensor:
        columns = [self.known(picture * (1 - hole)), self.missing(picture * hole)]
        return self.score(torch.cat(columns, 1)).flatten(1)


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        if size < 16 or size & (size - 1):
            raise InputError(f"pictures of {size} px; accepted: a power of 2 from 16 px up")
        self.config = config
        levels = size.bit_length() - 2  # until 2 px are left
        self.size_divisor = 2**levels
        networks = {"generator": Generator(levels, config.width), "critic": Critic(size, config.critic.width)}
        self.networks = nn.ModuleDict(networks).apply(normal(config.initial_deviation))

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        betas = {"generator": self.config.betas, "critic": self.config.critic.betas}
        return {name: adam(network.parameters(), betas[name]) for name, network in self.networks.items()}

    def begin(self, phase: Phase) -> None:
        """Both networks train jointly; a phase sets only their learning rates."""
        set_rates(self.optimisers, phase, critic=self.config.critic.rate)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critic's step, then the generator's; section 3.5."""
        output = self.inpaint(image, hole)
        return {**self._step_critic(image, output.detach(), hole), **self._step_generator(image, output, hole)}

    def _step_critic(self, image: Tensor, output: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """WGAN-GP; the critic sees the raw output."""
        critic, holes = self.networks["critic"], torch.cat([hole, hole])
        loss = GAN_LOSS.critic(*critic(torch.cat([image, output]), holes).chunk(2))
        penalty = gradient_penalty(lambda x: critic(x, hole), image, output, torch.ones_like(hole))
        descend(self.optimisers["critic"], loss + self.config.loss.gradient_penalty * penalty)
        return {"critic": loss, "gradient_penalty": penalty}

    def _step_generator(self, image: Tensor, output: Tensor, hole: Tensor) -> dict[str, Tensor]:
        weight = self.config.loss
        terms = {
            "hole": weighted_l1(output, image, hole),
            "known": weighted_l1(output, image, 1 - hole),
            "adversarial": GAN_LOSS.generator(self.networks["critic"](output, hole)),
        }
        if self.config.loss.read_features:
            pictures = [output, paste(output, image, hole)]
            terms["perceptual"], terms["style"] = perceptual_and_style_l1(pictures, image, FEATURES)
        loss = weight.total(terms)
        descend(self.optimisers["generator"], loss)
        for module in self.networks["generator"].modules():
            if isinstance(module, AttentionMap):
                module.bound()
        return {**terms, "generator": loss}

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.networks["generator"](image, hole)
