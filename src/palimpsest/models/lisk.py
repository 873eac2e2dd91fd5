"""LISK: J. Yang, Z. Qi, Y. Shi, "Learning to Incorporate Structure Knowledge for Image Inpainting", AAAI 2020
(arXiv 2002.04170).

Code: https://github.com/YoungGod/sturcture-inpainting.

    I             image, in [-1, 1]
    M             hole
    E             Canny edges
    S             Sobel gradients, 6 maps: each colour's down and across
    W             `edge_weights`: E, blurred

One generator, three tasks. Edges and gradients share its encoder with the picture. At a quarter of the size, at half
and at the whole, the decoder attends to itself and makes structure features; from these it makes the gradients, which
the losses of both structure tasks compare, and a picture. The structure features go on to the next scale beside what
they were made from.

Departures
- Edges and gradients of the input are those that known pixels alone show. The released code finds them in the whole
  image and then cuts the hole out, at test too, so that those on the hole's rim tell what is in it.
- The outputs are not normalised. In the released code they are (`normalised: everywhere`, 54 parameters), so that
  colours and gradients lose their mean level.
- The smoke run goes without any normalisation (`normalised: nowhere`). Instance normalisation removes the mean level of
  the known pixels, which so few steps do not bring back, and holes stay grey. So that it learns without, its generator
  leaks below 0 (`leak`) and sees the mean colour of the known pixels in the hole (`hole_colour`), and the pictures of
  the smaller scales have the l1 losses too (`loss.smaller`), which in the released code have a weight of 0.
- The released code multiplies W by 20 and then divides by its sum, which cancels; here it has no such factor.
- Features are VGG's of normalised pictures; the released code passes pictures in [-1, 1] as they are to a network for
  0 to 255. It is VGG19 where that is available.
- The critic's layers of stride 1 pad by 1 px on every side; in the released code by 2 px at the right and the bottom.
- The critic steps before the generator is scored; the released code updates both from one pass.
- The released settings fine-tune, at a rate of 1e-5, a network whose original training they do not document. Here
  training has 500,000 iterations at 1e-4 and 250,000 at 1e-5, as EdgeConnect's painter.
- Training holes are PICNet's; the released code has files of irregular ones, or squares of 128 px.
- Sides are padded to multiples of 16 px; the released network takes 256 px. Canny's blur is 1 px for pictures of 64 px.
- Queries, keys and values of attention have at least one channel, for narrow networks.
"""

from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from palimpsest.config.numbers import Blur, Channels, Factor, Few, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import HoleColour, cover, paste
from palimpsest.layers.edges import canny, sobel
from palimpsest.layers.normed_residual import Norm, NormedResidualBlock, normed_unit
from palimpsest.layers.patchgan import PatchCritic
from palimpsest.layers.self_attention import attend
from palimpsest.layers.tensorflow_conventions import glorot
from palimpsest.learning.optimisation import Betas, adam_for_each, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.perceptual import perceptual_and_style_l2
from palimpsest.losses.weights import Weights

FEATURES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
GAN_LOSS = GAN_LOSSES["hinge"]
STRIDES = (4, 2, 1)  # the picture's size over that of each scale
DILATION = 2
REDUCTION = 16  # channels over those of queries, keys and values
BLUR_SIDE, BLUR_DEVIATION, BLURS = 5, 1.0, 2  # of W, px


class Loss(Weights):
    """Weights of the terms; 0 switches a term off."""

    hole: Weight  # l1
    known: Weight  # l1
    smaller: Weight  # both at the smaller scales, times the weights above
    gradients: Weight
    edges: Weight
    perceptual: Weight  # of the raw output and of the result
    style: Weight  # likewise
    adversarial: Weight


class Config(Settings):
    width: Channels  # channels of the generator's first layer
    residual_blocks: Few
    normalised: Literal["everywhere", "hidden", "nowhere"]  # layers with instance normalisation
    leak: Weight  # the generator's slope below 0
    hole_colour: HoleColour  # that the generator sees
    critic_width: Channels
    critic_rate: Factor  # learning rate, times the generator's
    sigma: Blur  # px, of Canny's blur
    betas: Betas
    loss: Loss
    schedule: Schedule


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """(B, inputs, H, W) → (B, outputs, H / stride, W / stride), with mirrored borders."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, padding_mode="reflect")


def double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """(B, inputs, H, W) → (B, outputs, 2 H, 2 W)."""
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


class PooledAttention(nn.Module):
    """x + γ times what attention at half the size gathers from maxima over 2 x 2: (B, C, H, W) → the same."""

    def __init__(self, channels: int, norm: Norm, leak: float):
        super().__init__()
        fewer = max(1, channels // REDUCTION)
        self.down = nn.Sequential(*normed_unit(conv(channels, channels, 4, stride=2), norm, leak))
        self.query, self.key, self.value = (nn.Conv2d(channels, fewer, 1) for _ in range(3))
        self.up = nn.Sequential(*normed_unit(double(fewer, channels), norm, leak))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        small = self.down(x)
        query = self.query(small)
        key, value = (max_pool2d(project(small), 2).flatten(2) for project in (self.key, self.value))
        return x + self.gamma * self.up(attend(query.flatten(2), key, value).unflatten(2, query.shape[2:]))


class Scale(nn.Module):
    """(B, C, H, W) → (B, 2 C, H, W) for the next scale, the picture (B, 3, H, W) and its gradients (B, 6, H, W)."""

    def __init__(self, channels: int, norm: Norm, output_norm: Norm, leak: float):
        super().__init__()
        self.attention = PooledAttention(channels, norm, leak)
        self.structure = nn.Sequential(*normed_unit(conv(channels, channels, 5), norm, leak))
        self.gradients, self.picture = (
            nn.Sequential(nn.Conv2d(channels, outputs, 1), output_norm(outputs)) for outputs in (6, 3)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.attention(x)
        structure = self.structure(x)
        return torch.cat([x, structure], 1), self.picture(structure).tanh(), self.gradients(structure)


class Generator(nn.Module):
    """(B, 11, H, W) → pictures in [-1, 1] and gradients at each scale, from a quarter of the size to the whole."""

    def __init__(self, config: Config):
        super().__init__()
        affine = partial(nn.InstanceNorm2d, affine=True)
        norm = nn.Identity if config.normalised == "nowhere" else affine
        output_norm = affine if config.normalised == "everywhere" else nn.Identity
        w, leak = config.width, config.leak
        self.encoder = nn.Sequential(
            *normed_unit(conv(3 + 1 + 1 + 6, w, 7), norm, leak),
            *normed_unit(conv(w, 2 * w, 4, stride=2), norm, leak),
            *normed_unit(conv(2 * w, 4 * w, 4, stride=2), norm, leak),
        )
        blocks = (NormedResidualBlock(4 * w, DILATION, False, True, norm, leak) for _ in range(config.residual_blocks))
        self.middle = nn.Sequential(*blocks)
        self.scales = nn.ModuleList(Scale(s * w, norm, output_norm, leak) for s in STRIDES)
        self.up = nn.ModuleList(
            nn.Sequential(*normed_unit(double(2 * s * w, s * w // 2), norm, leak)) for s in STRIDES[:-1]
        )

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        x, pictures, gradients = self.middle(self.encoder(x)), [], []
        for number, scale in enumerate(self.scales):
            x = self.up[number - 1](x) if number else x
            x, picture, gradient = scale(x)
            pictures.append(picture)
            gradients.append(gradient)
        return pictures, gradients


def initialised(module: nn.Module) -> None:
    """TensorFlow's default, but for what attention compares."""
    glorot(module)
    if isinstance(module, PooledAttention):
        for projection in (module.query, module.key, module.value):
            nn.init.normal_(projection.weight, std=0.02)


def pyramid(x: Tensor) -> list[Tensor]:
    """At each scale: every fourth pixel, every second, all."""
    return [x[..., ::stride, ::stride] for stride in STRIDES]


def edge_weights(edges: Tensor) -> Tensor:
    """W, (B, 1, H, W)."""
    steps = torch.arange(BLUR_SIDE, device=edges.device) - BLUR_SIDE // 2
    line = (-(steps**2) / (2 * BLUR_DEVIATION**2)).exp()
    kernel = torch.outer(line, line)[None, None] / line.sum() ** 2
    for _ in range(BLURS):
        edges = conv2d(edges, kernel, padding=BLUR_SIDE // 2)
    return edges


def structure_of(image: Tensor, hole: Tensor, sigma: float) -> tuple[Tensor, ...]:
    """The edges that known pixels show, and W of the whole picture at each scale."""
    whole = [canny(x, torch.zeros_like(x[:, :1]), sigma) for x in pyramid(image)]
    return canny(image, hole, sigma), *map(edge_weights, whole)


def region_l1(prediction: Tensor, image: Tensor, region: Tensor) -> Tensor:
    """The mean over a region's pixels of the error, summed over colours."""
    return ((prediction - image).abs() * region).sum() / region.sum().clamp(min=1)


def structure_losses(predictions: list[Tensor], image: Tensor, weights: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Sums over scales of mean|S_pred - S| and of the same weighted by W: the pyramid structure loss."""
    terms = {"gradients": 0.0, "edges": 0.0}
    for prediction, x, weight in zip(predictions, pyramid(image), weights, strict=True):
        error = (prediction - sobel(x, torch.zeros_like(x[:, :1]))).abs()
        terms["gradients"] += error.mean()
        terms["edges"] += (error.mean(1, keepdim=True) * weight).sum() / weight.sum().clamp(min=1)
    return terms


class Model:
    size_divisor = 16  # attention pools to a sixteenth
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        self.derive = partial(structure_of, sigma=config.sigma)
        self.networks = nn.ModuleDict(
            {
                "generator": Generator(config).apply(initialised),
                "critic": PatchCritic(3, config.critic_width, bias=True),
            }
        )

    optimisers = cached_property(adam_for_each)

    def begin(self, phase: Phase) -> None:
        """Both networks train jointly; a phase sets only their learning rates."""
        set_rates(self.optimisers, phase, critic=self.config.critic_rate)

    def step(self, image: Tensor, hole: Tensor, known: Tensor, *weights: Tensor) -> dict[str, Tensor]:
        """The critic's step, then the generator's; `known` and `weights` are those of `structure_of`."""
        weight, critic = self.config.loss, self.networks["critic"]
        x = image * 2 - 1
        pictures, gradients = self.complete(image, hole, known)
        output = pictures[-1]
        result = paste(output, x, hole)
        critic_loss = GAN_LOSS.critic(*critic.compare(x, result.detach()))
        descend(self.optimisers["critic"], critic_loss)

        terms = {
            "hole": region_l1(output, x, hole),
            "known": region_l1(output, x, 1 - hole),
            **structure_losses(gradients, x, weights),
            "adversarial": GAN_LOSS.generator(critic(result)[-1]),
        }
        if weight.read_features:
            both = [(output + 1) / 2, (result + 1) / 2]
            terms["perceptual"], terms["style"] = perceptual_and_style_l2(both, image, FEATURES)
        loss = weight.total(terms)
        for picture, wanted, gap in list(zip(pictures, pyramid(x), pyramid(hole), strict=True))[:-1]:
            error = weight.hole * region_l1(picture, wanted, gap) + weight.known * region_l1(picture, wanted, 1 - gap)
            loss = loss + weight.smaller * error
        descend(self.optimisers["generator"], loss)
        return {"critic": critic_loss, **terms, "generator": loss}

    def complete(self, image: Tensor, hole: Tensor, known: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Pictures and gradients at each scale, in [-1, 1]. Edges are black on white, and the hole is white."""
        seen = cover(image, hole, self.config.hole_colour) * 2 - 1
        return self.networks["generator"](torch.cat([seen, 1 - known, hole, sobel(seen, hole)], 1))

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        pictures, _ = self.complete(image, hole, canny(image, hole, self.config.sigma))
        return (pictures[-1] + 1) / 2
