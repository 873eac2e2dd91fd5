"""CTSDG: X. Guo et al., "Image Inpainting via Conditional Texture and Structure Dual Generation", ICCV 2021.

Code: https://github.com/xiefan-guo/ctsdg.

arXiv 2108.09760, generator, discriminator and loss functions; released code and weights.

    I_in, M_in    picture in [-1, 1], and where it is known: 1 - hole
    E, I_gray     edges, 1 or 0, and the grey picture, in [0, 1]: together the structure
    F_t, F_s      features that the texture decoder and the structure decoder give
    I_out         output
    λ             `loss`: `hole` and `known` are the parts of L_rec, `intermediate` is L_inter

Two U-Nets of partial convolutions, `layers/partial_unet.py`, paint texture and structure side by side. Each decoder
starts from the deepest level of the other's encoder and keeps its own skip connections, so that texture is painted
along structure and structure after texture. Then both are fused by gates (Bi-GFF), and a map of half the size is pieced
together from its own similar patches and aggregated over several scales (CFA).

Phases: `training`, and `fine-tuning`, in which the generator's batch normalisation keeps its statistics.

Departures
- Edges that the network sees are found with the hole excluded, in training too. The released code takes them from the
  complete picture and cuts the hole out, so that edges beside the hole leak what is in it.
- The released code computes edges and grey from the picture in [-1, 1] cast to bytes, so that dark colours wrap around
  (`structure: wrapped`, which its weights need); here they are the picture's own.
- In Bi-GFF structure takes from the texture that structure was added to already, in the attention scores only the
  copied patches are normalised, and fine-tuning keeps the statistics of the whole generator, all as in the released
  code.
- The losses and their weights are the released code's: all l1 and cross-entropies; scores of both branches of the
  critic are averaged, and the critic's edge detector learns from real and from painted pictures.
- VGG sees pictures as it was trained on them, normalised; the released code passes them as they are, in [-1, 1]. It is
  VGG19 where that is available, VGG16 in the released code.
- Convolutions with spectral normalisation start as PyTorch's do; only the shape of the distribution matters.
- Fine-tuning takes as many iterations as training, for which the released settings name 300,000.
- A picture of 256 px has seven levels, as published; halving the side takes one away.
- Training holes are our own (`holes/binned.py`), spread evenly over hole ratios up to 60 %; the paper takes PConv's.
  One set of pictures serves all methods of a profile, at one scale.
- Canny's blur is 1 px for pictures of 64 px.
"""

from functools import cached_property, partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import interpolate, l1_loss, leaky_relu

from palimpsest.config.numbers import Blur, Channels, Factor, Levels, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.attention_transfer import transfer
from palimpsest.layers.compositing import paste
from palimpsest.layers.dilated_branches import DILATIONS, DilatedBranches
from palimpsest.layers.edges import canny, edges_of, grey
from palimpsest.layers.initial_weights import normal
from palimpsest.layers.partial_convolution import Stream
from palimpsest.layers.partial_unet import LEAK, Decoder, Encoder, KeepsStatistics, joining, levels, size_divisor
from palimpsest.layers.patchgan import PatchCritic
from palimpsest.learning.optimisation import Betas, adam_for_each, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.perceptual import perceptual_and_style_l1
from palimpsest.losses.reconstruction import weighted_l1
from palimpsest.losses.weights import Weights

FEATURES = ("pool1", "pool2", "pool3")
PHASES = ("training", "fine-tuning")
GAN_LOSS = GAN_LOSSES["dcgan"]
Structure = Literal["own", "wrapped"]

BOTTLENECK = 4  # how many times narrower the inner layer of a decoder's head is


class Loss(Weights):
    """Weights of the terms, the released code's."""

    hole: Weight  # l1 in the hole, a mean over the picture
    known: Weight  # l1 elsewhere, likewise
    perceptual: Weight  # of the raw output and of the result
    style: Weight  # likewise
    adversarial: Weight  # scores, and edges that the critic detects
    intermediate: Weight  # edges and picture that F_s and F_t alone give


class CriticConfig(Settings):
    """The two-branch critic and how it learns."""

    width: Channels  # channels of the first layer of a branch
    detector_width: Channels  # channels of the edge detector
    rate: Factor  # learning rate, times the generator's


class Config(Settings):
    width: Annotated[Channels, Field(multiple_of=BOTTLENECK)]  # channels of the first level
    levels: Annotated[Levels, Field(ge=3)]  # each halves the size
    initial_deviation: Factor  # of the normally distributed weights
    sigma: Blur  # px, of Canny's blur
    structure: Structure  # of the picture itself, or of what is left of it in [-1, 1] as bytes
    critic: CriticConfig
    betas: Betas
    loss: Loss
    schedule: Schedule


class Residual(nn.Module):
    """ReLU(x + BN(3 x 3(ReLU(BN(3 x 3(x)))))), `hidden` channels in between; same shape."""

    def __init__(self, channels: int, hidden: int, bias: bool):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1, bias=bias),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 3, padding=1, bias=bias),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.branch(x)).relu()


class HalfGenerator(nn.Module):
    """One of the two U-Nets, with the head that projects its features to what they depict."""

    def __init__(self, inputs: int, outputs: int, width: int, count: int):
        super().__init__()
        channels = levels(width, count)
        self.encoder = Encoder(inputs, channels, first_bias=False, normalisation="ratio")
        last = joining(width, inputs, width, "ratio")
        self.decoder = Decoder(channels, last, enlarging="bilinear", normalisation="ratio")
        self.head = nn.Sequential(Residual(width, width // BOTTLENECK, bias=False), nn.Conv2d(width, outputs, 1))


class GatedFusion(nn.Module):
    """Bi-GFF: F_t and F_s, (B, C, H, W) each → both, each with what its gate lets through of the other, (B, 2 C, H, W).

    It starts as their concatenation.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.structure_gate, self.texture_gate = (nn.Conv2d(2 * channels, channels, 3, padding=1) for _ in range(2))
        self.structure_share, self.texture_share = (nn.Parameter(torch.zeros(1)) for _ in range(2))

    def forward(self, texture: Tensor, structure: Tensor) -> Tensor:
        both = torch.cat([texture, structure], 1)
        texture = texture + self.texture_share * self.structure_gate(both).sigmoid() * structure
        structure = structure + self.structure_share * self.texture_gate(both).sigmoid() * texture
        return torch.cat([texture, structure], 1)


class ScaleMix(nn.Module):
    """Four dilated convolutions, mixed at each place by shares that sum to 1; same shape."""

    def __init__(self, channels: int):
        super().__init__()
        self.branches = DilatedBranches(channels, channels)
        self.shares = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, len(DILATIONS), 1),
            nn.ReLU(inplace=True),
            nn.Softmax(1),
        )

    def forward(self, x: Tensor) -> Tensor:
        shares = self.shares(x).split(1, 1)
        return sum(share * scale for share, scale in zip(shares, self.branches(x), strict=True))


class Aggregation(nn.Module):
    """CFA and the output layers: fused features (B, 2 C, H, W) → I_out (B, 3, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduce = nn.Conv2d(2 * channels, channels, 3, stride=2, padding=1)
        self.mix = ScaleMix(channels)
        self.join = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.out = nn.Conv2d(3 * channels, 3, 1)

    def forward(self, fused: Tensor) -> Tensor:
        x = leaky_relu(self.reduce(fused), LEAK)
        joined = leaky_relu(self.join(torch.cat([x, self.mix(alike(x))], 1)), LEAK)
        doubled = interpolate(joined, scale_factor=2, mode="bilinear")
        return self.out(torch.cat([doubled, fused], 1)).tanh()


def alike(x: Tensor) -> Tensor:
    """Region affinity: a map pieced from its own patches, those of the hole included; same shape."""
    reduced = interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)
    everywhere = torch.ones_like(reduced[:, :1], dtype=torch.bool)
    return transfer(x, reduced, everywhere, kernel=3)


class Generator(KeepsStatistics):
    """Pictures (B, 3, H, W), structure (B, 2, H, W) and holes → I_out, and what F_t and F_s alone depict.

    That is a picture (B, 3, H, W), in [-1, 1] as I_out, and edges (B, 1, H, W), before the sigmoid.
    """

    def __init__(self, width: int, count: int):
        super().__init__()
        self.texture = HalfGenerator(3, 3, width, count)
        self.structure = HalfGenerator(2, 1, width, count)
        self.fusion = GatedFusion(width)
        self.aggregation = Aggregation(width)

    def forward(self, x: Tensor, structure: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        picture, beside = Stream(x, 1 - hole), Stream(structure, 1 - hole)
        *of_picture, deep_texture = self.texture.encoder(picture)
        *of_structure, deep_structure = self.structure.encoder(beside)
        f_t = self.texture.decoder(deep_structure, [picture, *of_picture]).features
        f_s = self.structure.decoder(deep_texture, [beside, *of_structure]).features
        return self.aggregation(self.fusion(f_t, f_s)), self.texture.head(f_t).tanh(), self.structure.head(f_s)


class Critic(nn.Module):
    """A branch that scores pictures in [-1, 1], one that scores edges with the grey picture, and an edge detector."""

    def __init__(self, config: CriticConfig):
        super().__init__()
        self.texture = PatchCritic(3, config.width, bias=False)
        self.structure = PatchCritic(2, config.width, bias=False)
        self.detector = nn.Sequential(
            nn.Conv2d(3, config.detector_width, 3, padding=1),
            nn.BatchNorm2d(config.detector_width),
            nn.ReLU(inplace=True),
            Residual(config.detector_width, config.detector_width, bias=True),
            nn.Conv2d(config.detector_width, 1, 1),
        )

    def forward(self, picture: Tensor, edges: Tensor, luminance: Tensor) -> Tensor:
        """Scores of both branches, (B, 2, h, w)."""
        return torch.cat([self.texture(picture)[-1], self.structure(torch.cat([edges, luminance], 1))[-1]], 1)


def depicted(image: Tensor, structure: Structure) -> Tensor:
    """The picture in [0, 1] whose grey and edges the networks see; bytes of what is below 0 count from 256 down.

    In single precision, as in the released code, a quarter of the levels is cut to the byte next to theirs.
    """
    if structure == "own":
        return image
    return (((image.float() * 2 - 1) * 255).trunc().remainder(256) / 255).to(image.dtype)


def edges_depicted(image: Tensor, hole: Tensor, sigma: float, structure: Structure) -> tuple[Tensor, Tensor]:
    """All edges, and those that known pixels alone show, each (B, 1, H, W)."""
    return edges_of(depicted(image, structure), hole, sigma)


def scattered(module: nn.Module, deviation: float) -> None:
    """Scales of batch normalisation start about 1."""
    if isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, deviation)


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        self.size_divisor = size_divisor(config.levels, size)
        self.config = config
        self.derive = partial(edges_depicted, sigma=config.sigma, structure=config.structure)
        networks = {"generator": Generator(config.width, config.levels), "critic": Critic(config.critic)}
        deviation = config.initial_deviation
        self.networks = nn.ModuleDict(networks).apply(normal(deviation)).apply(partial(scattered, deviation=deviation))

    optimisers = cached_property(adam_for_each)

    def begin(self, phase: Phase) -> None:
        """Fine-tuning no longer lets holes into the statistics of the generator's batch normalisation."""
        set_rates(self.optimisers, phase, critic=self.config.critic.rate)
        self.networks["generator"].keep_statistics(phase.name == "fine-tuning")

    def step(self, image: Tensor, hole: Tensor, true: Tensor, known: Tensor) -> dict[str, Tensor]:
        """The generator's step, then the critic's; `true` are all edges, `known` those that known pixels show."""
        output, picture, edges = self.generate(image, hole, known)
        terms = self.terms(output, picture, edges, image, hole, true)
        loss = self.config.loss.total(terms)
        descend(self.optimisers["generator"], loss)
        critic_loss = self.critic_loss(image * 2 - 1, output.detach(), self.luminance(image), true)
        descend(self.optimisers["critic"], critic_loss)
        return {**terms, "generator": loss, "critic": critic_loss}

    def terms(
        self, output: Tensor, picture: Tensor, edges: Tensor, image: Tensor, hole: Tensor, true: Tensor
    ) -> dict[str, Tensor]:
        """What the generator minimises, without the terms of weight 0 that read features."""
        x, critic = image * 2 - 1, self.networks["critic"]
        detected = critic.detector(output)
        scores = critic(output, detected.sigmoid(), self.luminance(image))
        terms = {
            "hole": weighted_l1(output, x, hole),
            "known": weighted_l1(output, x, 1 - hole),
            "adversarial": GAN_LOSS.generator(scores) + cross_entropy(detected, true),
            "intermediate": cross_entropy(edges, true) + l1_loss(picture, x),
        }
        if self.config.loss.read_features:
            pictures = (output + 1) / 2, (paste(output, x, hole) + 1) / 2
            terms["perceptual"], terms["style"] = perceptual_and_style_l1(pictures, image, FEATURES)
        return terms

    def critic_loss(self, x: Tensor, output: Tensor, luminance: Tensor, true: Tensor) -> Tensor:
        """Real pictures come with their edges, painted ones with those that the detector finds in them."""
        critic = self.networks["critic"]
        of_real, of_fake = critic.detector(x), critic.detector(output)
        real, fake = critic(
            torch.cat([x, output]), torch.cat([true, of_fake.sigmoid()]), torch.cat([luminance, luminance])
        ).chunk(2)
        return GAN_LOSS.critic(real, fake) + cross_entropy(of_real, true) + cross_entropy(of_fake, true)

    def luminance(self, image: Tensor) -> Tensor:
        """I_gray."""
        return grey(depicted(image, self.config.structure))

    def generate(self, image: Tensor, hole: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See Generator; partial convolutions leave out what is in the hole."""
        return self.networks["generator"](image * 2 - 1, torch.cat([known, self.luminance(image)], 1), hole)

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.inspect(image, hole)[0]

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the edges that F_s depicts, white on black."""
        known = canny(depicted(image, self.config.structure), hole, self.config.sigma)
        output, _, edges = self.generate(image, hole, known)
        return (output + 1) / 2, {"edges": edges.sigmoid().expand_as(image)}
