"""GM-SRM: X. Feng et al., "Generative Memory-Guided Semantic Reasoning Model for Image Inpainting", 2021.

Code: none released.

Sections III-A to III-D, equations 1 to 14 and algorithm 1. The paper is the only source.

    I, M          image in [-1, 1], hole
    F_E           maps of the encoder, each half the size of the one before; the last is F_D of the first level
    c             latent embedding, with which the memory is queried; f_c computes it from a map
    F_M           features recalled from the generative memory at a level, fused with F_E
    F_D           map of the decoder
    μ, σ          mean and deviation of the noise at a level of the memory
    γ, λ1 … λ4    `loss.hole`, `loss.reconstruction`, `.perceptual`, `.adversarial`, `.divergence`

The memory is the model of the run in `needs.inside`, a StyleGAN2 trained on the same kind of pictures; it stays frozen.
The ablation of table IV: `embedding: none` is the base model, without a memory; `single` with plain noise GM-BM;
`single` with conditional noise GM-CSV; `progressive` with conditional noise GM-SRM.

Departures
- Widths, depth and discriminator are not published. Here there are six levels, so that encoder, memory and decoder
  share sizes down to the 4 px at which StyleGAN2 begins; channel attention is squeeze-and-excitation with a reduction
  of 16; instance normalisation has no weights, and forgets how bright a picture is (`normalised: false` leaves it out,
  for LeakyReLU and He's initial weights); the discriminator is DeepFill v2's SN-PatchGAN and sees the hole.
- The memory's features are fused with F_E by a 3 x 3 convolution at each level, the only part of the memory's path that
  is trained; it starts as the identity on the memory's half. Its output is F_M and also the input of the memory's next
  level.
- The memory's last level, at the size of the picture, and its maps to colours are not used.
- Algorithm 1 concatenates F_M after the decoder's block and takes c from another level; here equations 6 and 7 hold.
- f_c has its own weights at each level, as sizes differ: a convolution, ReLU, a mean over 4 x 4 cells, and a fully
  connected layer. One c steers both convolutions of a level.
- μ and σ are two numbers for each picture and level, from which both convolutions draw maps of noise; the memory's own
  strength scales them. The weights w_i of equation 9 are equal and sum to 1.
- Equation 13 as printed is unbounded: hinge losses replace it (`adversarial: linear` is the printed form).
- Norms in equation 10 are means over all pixels of the picture. VGG's layers are not published: relu1_1 to relu5_1.
- Filling uses one fixed draw of noise, so that a picture is always filled alike.
- For pictures of other sizes than the training pictures' the memory grows from its constant, resized.
- One set of pictures serves all methods of a profile, at one scale; the paper crops from pictures of `scale: 320`.
- Adam's betas and the decay of its rate are not published: here the rate falls linearly to 0 over the second half.
"""

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, instance_norm, interpolate, leaky_relu, relu

from palimpsest.config.numbers import Channels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.initial_weights import he
from palimpsest.layers.sn_patchgan import Critic, CriticConfig
from palimpsest.layers.style_synthesis import SMALLEST, Noise, Synthesis, fixed_noise, random_noise
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.perceptual import perceptual_l1
from palimpsest.losses.weights import Weights

SEED = 1  # of the noise with which pictures are filled
REDUCTION = 16
LEAK = 0.2  # without normalisation
CELLS = 4  # along each side, to which f_c averages a map
FEATURES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Loss(Weights):
    """Equations 10 and 14."""

    hole: Weight  # γ
    reconstruction: Weight  # λ1
    perceptual: Weight  # λ2
    adversarial: Weight  # λ3
    divergence: Weight  # λ4


class Config(Settings):
    width: Channels  # channels of the first level
    embedding: Literal["none", "single", "progressive"]  # no memory, one c for all levels, or equation 7
    noise: Literal["none", "plain", "conditional"]
    normalised: bool  # instance normalisation in encoder and decoder
    embedding_width: Channels  # channels of f_c's convolution
    noise_width: Channels  # channels of the convolution before μ and σ
    critic: CriticConfig
    adversarial: Literal["hinge", "linear"]
    betas: Betas
    loss: Loss
    schedule: Schedule


Activation = Callable[[Tensor], Tensor]


def normalised(x: Tensor) -> Tensor:
    return relu(instance_norm(x), inplace=True)


def leaky(x: Tensor) -> Tensor:
    return leaky_relu(x, LEAK, inplace=True)


class ChannelAttention(nn.Sequential):
    """Squeeze-and-excitation (Hu et al. 2018)."""

    def __init__(self, channels: int):
        reduced = max(1, channels // REDUCTION)
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, reduced, 1),
            nn.ReLU(),
            nn.Conv2d(reduced, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


class Refine(nn.Module):
    """The second line of equations 2 and 6: x + CA(ReLU(IN(Conv(x))))."""

    def __init__(self, channels: int, activation: Activation):
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.attention = ChannelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(self.activation(self.conv(x)))


class EncoderBlock(nn.Module):
    """Equation 2: (B, inputs, H, W) → (B, outputs, H / 2, W / 2)."""

    def __init__(self, inputs: int, outputs: int, activation: Activation):
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.refine = Refine(outputs, activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.refine(self.activation(self.conv(x)))


class DecoderBlock(nn.Module):
    """Equation 6: maps of one size, `inputs` channels in all → (B, outputs, 2 H, 2 W)."""

    def __init__(self, inputs: int, outputs: int, activation: Activation):
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.refine = Refine(outputs, activation)

    def forward(self, *maps: Tensor) -> Tensor:
        x = interpolate(torch.cat(maps, 1), scale_factor=2, mode="bilinear")
        return self.refine(self.activation(self.conv(x)))


class Encoder(nn.ModuleList):
    """Picture and hole, (B, 4, H, W) → F_E, from the largest map to the smallest."""

    def __init__(self, channels: list[int], activation: Activation):
        super().__init__(EncoderBlock(*pair, activation) for pair in pairwise([4, *channels]))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for block in self:
            x = block(x)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """Blocks from the smallest map up, and the convolution to colours: Î, (B, 3, H, W) in [-1, 1]."""

    def __init__(self, known: list[int], recalled: list[int], activation: Activation):
        """Channels of F_E and of F_M at each level; F_M's are 0 without a memory."""
        super().__init__()
        outputs = [*known[1:], known[-1]]
        decoded = [0, *outputs[:-1]]
        inputs = [sum(maps) for maps in zip(known, recalled, decoded, strict=True)]
        self.blocks = nn.ModuleList(DecoderBlock(*pair, activation) for pair in zip(inputs, outputs, strict=True))
        self.out = nn.Conv2d(outputs[-1], 3, 3, padding=1)

    def colours(self, x: Tensor) -> Tensor:
        return self.out(x).tanh()


class Embedding(nn.Module):
    """f_c of equations 3 and 7: (B, C, h, w) → c (B, latent)."""

    def __init__(self, channels: int, width: int, latent: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.full = nn.Linear(width * CELLS**2, latent)

    def forward(self, x: Tensor) -> Tensor:
        return self.full(adaptive_avg_pool2d(relu(self.conv(x)), CELLS).flatten(1))


class NoiseHead(nn.Module):
    """Equation 8: F_E and F_D of a level → μ and log σ², each (B,)."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.full = nn.Linear(width, 2)

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        x = relu(self.conv(torch.cat(maps, 1))).mean((2, 3))
        return self.full(x).unbind(1)


def fusion(recalled: int, known: int) -> nn.Conv2d:
    """3 x 3, memory's and encoder's features → memory's; starts as the identity on the memory's."""
    conv = nn.Conv2d(recalled + known, recalled, 3, padding=1)
    nn.init.zeros_(conv.bias)
    nn.init.dirac_(conv.weight)
    return conv


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) of equation 9, element by element."""
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2


def reconstruction_loss(output: Tensor, x: Tensor, hole: Tensor, gamma: float) -> Tensor:
    """L_rec of equation 10: an error in the hole counts γ times."""
    error = (output - x).abs()
    return (error * (1 - hole)).mean() + gamma * (error * hole).mean()


class Model:
    batches = 1

    def __init__(self, config: Config, size: int, inside=None):
        self.config = config
        levels = (size // SMALLEST).bit_length() - 1
        if levels < 1 or size & (size - 1):
            raise InputError(f"pictures of {size} px; accepted: a power of 2 from {2 * SMALLEST} px up")
        if (inside is None) != (config.embedding == "none"):
            found = f"embedding is {config.embedding}, needs.inside {'a model' if inside else 'nothing'}"
            raise InputError(f"{found}; accepted: none and nothing, or another embedding and a generative memory")
        if config.embedding == "none" and config.noise != "none":
            raise InputError(f"embedding is none, noise {config.noise}; accepted: none, as noise goes into the memory")
        if inside is not None and not hasattr(inside, "memory"):
            raise InputError("the model in needs.inside has no generative memory; accepted: a model of stylegan2 there")
        self.inside = inside
        self.size_divisor = 2 << levels  # px; instance normalisation needs 2 x 2 px of the smallest map
        known = [config.width * min(2**level, 8) for level in reversed(range(levels))]  # from the smallest map up
        recalled = [level.channels for level in inside.memory.levels[:levels]] if inside else [0] * levels
        activation = normalised if config.normalised else leaky
        encoder, decoder = Encoder(known[::-1], activation), Decoder(known, recalled, activation)
        if not config.normalised:
            encoder.apply(he), decoder.apply(he)
        decoded = [known[0], *(block.conv.out_channels for block in decoder.blocks[:-1])]  # F_D of the level before
        networks = {"encoder": encoder, "decoder": decoder, "critic": Critic(config.critic)}
        if inside:
            embedded = decoded if config.embedding == "progressive" else decoded[:1]
            embeddings = [Embedding(channels, config.embedding_width, inside.memory.latent) for channels in embedded]
            pairs = list(zip(recalled, known, strict=True))
            networks |= {
                "memory": inside.memory.requires_grad_(False),
                "fusion": nn.ModuleList(fusion(*pair) for pair in pairs),
                "embedding": nn.ModuleList(embeddings),
            }
        if config.noise == "conditional":
            pairs = zip(known, decoded, strict=True)
            networks["noise"] = nn.ModuleList(NoiseHead(sum(pair), config.noise_width) for pair in pairs)
        self.networks = nn.ModuleDict(networks)

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        learning = [value for name, net in self.networks.items() if name != "critic" for value in net.parameters()]
        parts = {"generator": [value for value in learning if value.requires_grad]}
        parts["critic"] = self.networks["critic"].parameters()
        return {name: adam(parameters, self.config.betas) for name, parameters in parts.items()}

    def begin(self, phase: Phase) -> None:
        set_rates(self.optimisers, phase, critic=self.config.critic.rate)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The discriminator's step, equation 13, then the generator's, equation 14."""
        weight, gan_loss, critic = self.config.loss, GAN_LOSSES[self.config.adversarial], self.networks["critic"]
        x = image * 2 - 1
        output, divergences = self.generate(x, hole, random_noise)
        critic_loss = gan_loss.critic(*critic.compare(x, output.detach(), hole))
        descend(self.optimisers["critic"], critic_loss)

        terms = {
            "reconstruction": reconstruction_loss(output, x, hole, weight.hole),
            "adversarial": gan_loss.generator(critic(output, hole)),
        }
        if divergences:
            terms["divergence"] = torch.stack(divergences).mean()
        if weight.perceptual:
            terms["perceptual"] = perceptual_l1((output + 1) / 2, image, FEATURES)
        loss = weight.total(terms)
        descend(self.optimisers["generator"], loss)
        return {"critic": critic_loss, **terms, "generator": loss}

    def generate(self, x: Tensor, hole: Tensor, normal: Noise) -> tuple[Tensor, list[Tensor]]:
        """Î, and with conditional noise the divergence (B,) of each level's; algorithm 1.

        `normal` draws maps of standard normal noise.
        """
        encoded = self.networks["encoder"](torch.cat([x * (1 - hole), hole], 1))[::-1]
        decoder, decoded, divergences = self.networks["decoder"], encoded[0], []
        recalled, c = None, 0.0
        for level, (known, block) in enumerate(zip(encoded, decoder.blocks, strict=True)):
            maps = [known, decoded] if level else [known]
            if self.inside is not None:
                c = self._embed(level, decoded, c)
                noise, divergence = self._noise(level, known, decoded, normal)
                divergences += divergence
                recalled = self._recall(level, recalled, known, c, noise)
                maps.append(recalled)
            decoded = block(*maps)
        return decoder.colours(decoded), divergences

    def _embed(self, level: int, decoded: Tensor, c: Tensor | float) -> Tensor | float:
        """c of a level; equations 3 and 7."""
        embeddings = self.networks["embedding"]
        return c + embeddings[level](decoded) if level < len(embeddings) else c

    def _noise(self, level: int, known: Tensor, decoded: Tensor, normal: Noise) -> tuple[Noise, list[Tensor]]:
        """The noise of the memory's convolutions at a level, and its divergence if it is conditional; equation 8."""
        match self.config.noise:
            case "none":
                return lambda x: x.new_zeros(1, 1, 1, 1), []
            case "plain":
                return normal, []
        mean, log_variance = self.networks["noise"][level](known, decoded)
        centre, deviation = (value.view(-1, 1, 1, 1) for value in (mean, (log_variance / 2).exp()))
        return lambda x: centre + deviation * normal(x), [divergence(mean, log_variance)]

    def _recall(self, level: int, before: Tensor | None, known: Tensor, c: Tensor, noise: Noise) -> Tensor:
        """F_M of a level: the frozen convolutions on F_M of the level before, fused with F_E; equation 4."""
        memory: Synthesis = self.networks["memory"]
        layers = memory.levels[level]
        x = memory.start(*known[:, 0].shape) if before is None else before
        x = layers(x, [c] * len(layers.convs), noise)
        return self.networks["fusion"][level](torch.cat([x, known], 1))

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        output, _ = self.generate(image * 2 - 1, hole, fixed_noise(SEED))
        return (output + 1) / 2
