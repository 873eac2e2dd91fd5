"""MEDFE: H. Liu et al., "Rethinking Image Inpainting via a Mutual Encoder-Decoder with Feature Equalizations", ECCV
2020 (arXiv 2007.06929), cited as "Rethink".

Code: https://github.com/KumapowerLIU/Rethinking-Inpainting-MEDFE.

    F_te, F_st    textures and structures: maps of the encoder's shallower and of its deeper half, filled apart
    F_fe          both equalised, which goes back into every map that the decoder sees
    I_gt, I_st    picture and its structure, `layers/structure.py`; I_out is the output
    λ             `loss`

All maps meet on one grid, the size of the last texture map: an eighth of the picture at the paper's scale. There
partial convolutions of several kernels side by side fill textures and structures, which are compared with I_gt and I_st
through a read-out of three channels. Equalisation reweighs channels, then takes means over neighbours: by their
distance, and by how much they resemble each other.

Departures
- As in the released code, both groups share the convolutions that fill them, and also the 1 x 1 convolution that joins
  maps and, again, what the kernels make of them. So there are as many kernels as maps in a group.
- As in the released code, an activation in place reaches the encoder's maps before anything else reads them: skip
  connections are activated, and what goes to the grid is so twice.
- A place of the grid counts as missing where more than half of its pixels are (`missing_above`). In the released code
  none ever does, as its test asks for a mean above 1: every partial convolution there is a plain one.
- Windows count what is valid in them. In the released code the kernels of ones that should count it are drawn anew with
  all weights, and never learn; its files hold them (`normalisation: kernel`).
- The released code writes equalised maps place by place and reads them channel by channel (`read: as released`).
- The released code takes the first picture's hole and equalises that picture alone, and so needs batches of one.
- Read-outs weigh 1; in the released code their gradients come in three times.
- VGG's features are of normalised pictures and from the network that all methods share, VGG19 or else VGG16; the
  released code's VGG16 sees pictures as they are, and has the layers of relu5_1 a second time in place of relu5_2.
- The local critic sees a random square, as in the released code, which never draws the last places.
- Structure is that of the training crop; the released code smooths pictures before it resizes them.
- Dilation in the middle is 2, as in the first released revision; a later one has 5, which maps of 4 px cannot mirror.
- Training holes are our own (`holes/binned.py`), spread evenly over hole ratios up to 60 %; the paper takes PConv's.
- The 20 epochs at one rate and the 40 of a falling one are counted over GM-SRM's pictures.
- In the smoke profile there is no instance normalisation (`normalised: false`): it hides how bright a picture is.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, l1_loss, leaky_relu, relu
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.config.numbers import Channels, Factor, Few, Levels, Pixels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.initial_weights import normal
from palimpsest.layers.neighbour_means import by_distance, by_resemblance
from palimpsest.layers.normed_residual import NormedResidualBlock
from palimpsest.layers.partial_convolution import Block, Normalisation, PartialConv, Stream
from palimpsest.layers.structure import StructureConfig, structure
from palimpsest.learning.optimisation import Betas, adam_for_groups, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import relativistic_average
from palimpsest.losses.perceptual import perceptual_and_style_l1, perceptual_l1
from palimpsest.losses.weights import Weights

FEATURES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # of the perceptual loss
STYLE_FEATURES = ("relu2_2", "relu3_3", "relu4_3", "relu5_2")
LEAK = 0.2
DILATION = 2
DEEPEST = 4  # px, one side of the smallest map: mirroring 2 px takes 3
FILL = (123 / 255, 104 / 255, 117 / 255)  # what the network sees in the hole
SQUEEZE = 16


class CriticConfig(Settings):
    """The global critic and the local one."""

    width: Channels  # channels of the first layer
    layers: Levels  # before the scores; all halve the size
    side: Pixels  # px, of what the local one sees


class Loss(Weights):
    """Weights of the terms."""

    l1: Weight
    read_outs: Weight
    perceptual: Weight
    style: Weight
    adversarial: Weight


class Config(Settings):
    width: Annotated[Channels, Field(multiple_of=8)]  # channels of the first level
    kernels: Annotated[list[Literal[3, 5, 7]], Field(min_length=1)]  # that fill
    fillings: Few  # partial convolutions for each kernel
    residual_blocks: Few
    normalisation: Normalisation  # of a window by what is valid in it
    missing_above: Annotated[float, Field(ge=0, le=1)]  # share of missing pixels in a place of the grid
    normalised: bool  # instance by instance
    read: Literal["by place", "as released"]  # of equalised maps
    initial_deviation: Factor  # of the normally distributed weights
    structure: StructureConfig
    critic: CriticConfig
    betas: Betas
    loss: Loss
    schedule: Schedule

    @property
    def channels(self) -> list[int]:
        """Of the encoder's levels, textures first."""
        half = len(self.kernels)
        return [self.width * 2 ** min(level, half) for level in range(2 * half)]


class Encoder(nn.Module):
    """Picture and what is known, (B, 6, H, W) → the maps of all levels, each half as large as the one before."""

    def __init__(self, channels: list[int], blocks: int):
        super().__init__()
        self.levels = nn.ModuleList()
        for inputs, outputs in pairwise([6, *channels]):
            plain = len(self.levels) in (0, len(channels) - 1)
            norm = nn.Identity() if plain else nn.InstanceNorm2d(outputs, affine=True)
            self.levels.append(nn.Sequential(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), norm))
        residual = (channels[-1], DILATION, False, False, nn.InstanceNorm2d, 0.0)
        self.middle = nn.Sequential(*(NormedResidualBlock(*residual) for _ in range(blocks)))

    def forward(self, x: Tensor) -> list[Tensor]:
        *levels, last = self.levels
        maps = []
        for level in levels:
            x = leaky_relu(level(x), LEAK)
            maps.append(x)
        return [*maps, self.middle(last(x))]


class Decoder(nn.ModuleList):
    """Maps of all levels → output (B, 3, H, W)."""

    def __init__(self, channels: list[int]):
        super().__init__()
        for below, outputs in pairwise([*reversed(channels), 3]):
            inputs = 2 * below if self else below
            norm = nn.Identity() if outputs == 3 else nn.InstanceNorm2d(outputs, affine=True)
            self.append(nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), norm))

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, x = maps
        *levels, last = self
        for level, skip in zip(levels, reversed(skips), strict=True):
            x = torch.cat([level(relu(x)), skip], 1)
        return last(relu(x)).tanh()


def unit(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, nn.InstanceNorm2d(conv.out_channels), nn.LeakyReLU(LEAK, inplace=True)]


def point(inputs: int, outputs: int) -> list[nn.Module]:
    """A unit of one convolution, 1 x 1."""
    return unit(nn.Conv2d(inputs, outputs, 1, bias=False))


def halving(channels: list[int]) -> list[nn.Module]:
    """Units of 4 x 4 from each number of channels to the next, each to half the size."""
    return [part for pair in pairwise(channels) for part in unit(nn.Conv2d(*pair, 4, stride=2, padding=1, bias=False))]


class Resizing(nn.Conv2d):
    """A unit of one convolution, 1 x 1, that brings maps to a size, bilinearly.

    The convolution comes first, which is the same: the weights of an interpolation sum to 1.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 1, bias=False)
        self.norm = nn.InstanceNorm2d(outputs)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return leaky_relu(self.norm(interpolate(super().forward(x), size, mode="bilinear")), LEAK)


class Equalisation(nn.Module):
    """Channels reweighed, then means over places by distance and by resemblance, joined. Same shape."""

    def __init__(self, channels: int, read: str):
        super().__init__()
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // SQUEEZE, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // SQUEEZE, channels, 1),
            nn.Sigmoid(),
        )
        self.join = nn.Sequential(*point(2 * channels, channels))
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.squeeze(x)
        means = [by_distance(x), by_resemblance(x)]
        if self.read == "as released":
            means = [mean.flatten(2).mT.reshape(x.shape) for mean in means]
        return self.join(torch.cat(means, 1))


class Core(nn.Module):
    """Encoder's maps and holes → maps for the decoder, and F_st and F_te, each (B, C, h, w) on the grid."""

    def __init__(self, config: Config):
        super().__init__()
        channels, half = config.channels, len(config.kernels)
        grid, deep = channels[half - 1], channels[half]
        self.half, self.missing_above = half, config.missing_above
        shallow = (halving(channels[level:half]) or point(grid, grid) for level in range(half))
        self.textures = nn.ModuleList(nn.Sequential(*layers) for layers in shallow)
        self.structures = Resizing(deep, grid)
        self.join = nn.Sequential(*point(half * grid, grid))
        self.fill = nn.ModuleList(
            nn.Sequential(*(filling(grid, kernel, config.normalisation) for _ in range(config.fillings)))
            for kernel in config.kernels
        )
        self.fuse = nn.Sequential(*point(2 * grid, deep))
        self.equalise = Equalisation(deep, config.read)
        self.back_to_textures = nn.ModuleList(Resizing(deep, count) for count in channels[:half])
        down = (halving([deep] * (steps + 2))[:-1] for steps in range(half))  # the last activation is left out
        self.back_to_structures = nn.ModuleList(nn.Sequential(*layers) for layers in down)

    def forward(self, maps: list[Tensor], hole: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        half, size = self.half, maps[self.half - 1].shape[2:]
        active = [leaky_relu(features, LEAK) for features in maps]
        textures = [layers(features) for layers, features in zip(self.textures, active[:half], strict=True)]
        structures = [self.structures(features, size) for features in active[half:]]
        groups = self.join(torch.cat([torch.cat(structures, 1), torch.cat(textures, 1)]))
        valid = (avg_pool2d(hole, 2**half) <= self.missing_above).to(groups.dtype).repeat(2, 1, 1, 1)
        filled = self.join(torch.cat([fill(Stream(groups, valid)).features for fill in self.fill], 1))
        structures, textures = filled.chunk(2)
        equalised = self.equalise(self.fuse(torch.cat([structures, textures], 1)))
        back = [layer(equalised, x.shape[2:]) for layer, x in zip(self.back_to_textures, maps[:half], strict=True)]
        back += [layers(equalised) for layers in self.back_to_structures]
        return [x + more for x, more in zip(maps, back, strict=True)], structures, textures


def filling(channels: int, kernel: int, normalisation: Normalisation) -> Block:
    conv = PartialConv(channels, channels, kernel, normalisation=normalisation)
    return Block(conv, nn.InstanceNorm2d(channels, affine=True), nn.LeakyReLU(LEAK, inplace=True))


class Critic(nn.Sequential):
    """(B, 3, H, W) → scores (B, 1, h, w), each of a patch."""

    def __init__(self, config: CriticConfig):
        widths = [3, *(config.width * min(2**layer, 8) for layer in range(config.layers)), 1]
        convs = [spectral_norm(nn.Conv2d(*pair, 4, stride=2, padding=1)) for pair in pairwise(widths)]
        layers = [part for conv in convs for part in (conv, nn.LeakyReLU(LEAK, inplace=True))]
        super().__init__(*layers[:-1])


def forgo_norms(network: nn.Module) -> None:
    """Takes instance normalisation away, but from residual blocks, whose other path goes round it."""
    for parent in [*network.modules()]:
        if isinstance(parent, NormedResidualBlock):
            continue
        for name, child in parent.named_children():
            if isinstance(child, nn.InstanceNorm2d):
                setattr(parent, name, nn.Identity())


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        levels = len(config.channels)
        self.size_divisor = DEEPEST * 2**levels
        if size % self.size_divisor:
            found = f"{levels // 2} kernels, so {levels} levels, for pictures of {size} px"
            raise InputError(f"{found}; accepted: multiples of {self.size_divisor} px")
        if size % config.structure.side:
            found = f"structure.side is {config.structure.side} for pictures of {size} px"
            raise InputError(f"{found}; accepted: a divisor of {size}")
        if not (least := 2 ** (config.critic.layers + 1)) <= config.critic.side <= size:
            found = f"critic.side is {config.critic.side}, critic.layers {config.critic.layers}"
            raise InputError(
                f"{found}; accepted: a side from {least} px, for so many layers, to the picture's {size} px"
            )
        self.config = config
        networks = {
            "encoder": Encoder(config.channels, config.residual_blocks),
            "core": Core(config),
            "decoder": Decoder(config.channels),
            "read_out": nn.Conv2d(config.channels[len(config.kernels) - 1], 3, 1),
            "critic": Critic(config.critic),
            "local_critic": Critic(config.critic),
        }
        self.networks = nn.ModuleDict(networks).apply(normal(config.initial_deviation))
        if not config.normalised:
            forgo_norms(self.networks)

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        critics = ("critic", "local_critic")
        generators = [name for name in self.networks if name not in critics]
        return adam_for_groups(self, {"generator": generators, "critic": critics})

    def begin(self, phase: Phase) -> None:
        """All networks train jointly; a phase sets only their learning rate."""
        set_rates(self.optimisers, phase)

    def derive(self, image: Tensor, hole: Tensor) -> tuple[Tensor]:
        """I_st, (B, 3, side, side), on which the hole has no influence."""
        return (structure(avg_pool2d(image, image.shape[3] // self.config.structure.side), self.config.structure),)

    def step(self, image: Tensor, hole: Tensor, structures: Tensor) -> dict[str, Tensor]:
        """The critics' step, then that of all others; `structures` is I_st."""
        x, weight = image * 2 - 1, self.config.loss
        output, *filled = self.generate(x, hole)
        square = self.random_square(image)
        critic_loss = sum(relativistic_average(*scores) for scores in self.scores(x, output.detach(), square))
        descend(self.optimisers["critic"], critic_loss)

        terms = {
            "l1": l1_loss(output, x),
            "read_outs": sum(
                l1_loss(self.networks["read_out"](maps).tanh(), interpolate(y, maps.shape[2:], mode="bilinear"))
                for maps, y in zip(filled, (structures * 2 - 1, x), strict=True)
            ),
            "adversarial": sum(relativistic_average(fake, real) for real, fake in self.scores(x, output, square)),
        }
        if weight.perceptual:
            terms["perceptual"] = perceptual_l1((output + 1) / 2, image, FEATURES)
        if weight.style:
            _, terms["style"] = perceptual_and_style_l1([(output + 1) / 2], image, STYLE_FEATURES)
        loss = weight.total(terms)
        descend(self.optimisers["generator"], loss)
        return {"critic": critic_loss, **terms, "generator": loss}

    def generate(self, x: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """I_out in [-1, 1], F_st and F_te for pictures in [-1, 1]."""
        fill = x.new_tensor(FILL).view(3, 1, 1) * 2 - 1
        inputs = torch.cat([paste(fill, x, hole), (1 - hole).expand_as(x)], 1)
        maps, structures, textures = self.networks["core"](self.networks["encoder"](inputs), hole)
        return self.networks["decoder"](maps), structures, textures

    def scores(self, real: Tensor, fake: Tensor, square: tuple[slice, slice]) -> list[tuple[Tensor, Tensor]]:
        """Of the global critic, which sees all, and of the local one, which sees the square: (real, fake) each."""
        both = torch.cat([real, fake])
        seen = {"critic": both, "local_critic": both[(..., *square)]}
        return [self.networks[name](pictures).chunk(2) for name, pictures in seen.items()]

    def random_square(self, image: Tensor) -> tuple[slice, slice]:
        side = self.config.critic.side
        starts = torch.randint(image.shape[3] - side + 1, (2,)).tolist()
        return tuple(slice(start, start + side) for start in starts)

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.generate(image * 2 - 1, hole)[0] + 1) / 2
