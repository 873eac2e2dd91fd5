"""GL: S. Iizuka et al., "Globally and Locally Consistent Image Completion", ACM TOG 36(4), SIGGRAPH 2017.

Code: https://github.com/satoshiiizuka/siggraph2017_inpainting, which fills alone; others' at
https://github.com/otenim/GLCIC-PyTorch and in mmagic.

Sections 3.2 (completion network), 3.3 (context discriminators) and 3.4 (training, equations 2 to 4, algorithm 1). The
authors released their trained networks without the code that trains them. otenim/GLCIC-PyTorch and mmagic trained the
networks anew; their files fit the networks here.

    x             image in [0, 1]
    M_c, M_d      hole, and the hole around which the local discriminator looks at a real image
    C(x, M_c)     output of the completion network
    D             both discriminators and the layer that joins them
    α             `loss.adversarial`

Departures
- T-MAD's authors trained GL anew, as no weights were available, and state no settings; here they are the paper's.
- The mean colour in the hole is that of all training crops so far, known pixels and missing ones; it is a network of
  its own that learns in every step, and filling reads it. The paper takes it from the whole training set beforehand.
- The authors' script subtracts the mean colour from the input and leaves 0 in the hole, which differs only where zeros
  pad the picture.
- Holes are rectangles with sides of 96 to 128 px, as in the paper, or, as often, DeepFill v2's brush strokes: one
  network for both kinds of holes that it is measured on. The authors released one network for each.
- Crops are squares of any side from 256 px to the whole picture, shrunk to 256 px; the paper crops from pictures whose
  short side is 256 to 384 px.
- Equation 2 is a mean over all elements of the picture, as in otenim's code, so that α has the same effect at any size.
- The completion network minimises -α log D, as in both later codes, and not α log(1 - D) of equation 4, whose gradient
  fades when D is right.
- D sees the result, as in the paper and in mmagic; otenim's code shows it the raw output.
- M_d is the hole of another sample of the batch; otenim's and the paper's are drawn anew.
- D's last layer gives raw scores; the paper's sigmoid is part of the loss. Both terms of D's loss have weight 1 in all
  phases; otenim's weigh 1/2, and finally α/2, a scale to which Adadelta adapts.
- Discriminators halve a picture until 4 to 7 px are left: six and five times at the paper's sizes, as in the paper.
- Convolutions have a bias beside batch normalisation, as in otenim's code; mmagic's have none (`bias: false`).
- Batch normalisation comes before ReLU, as mmagic has it; the paper leaves it open. otenim's comes after it
  (`normalised: after-relu`), and its weights need this; the colour of their holes, `mpv` in the JSON file beside them,
  is `mean_colour.colour` here.
- mmagic's weights need pictures in [-1, 1], the last convolution clipped (`colours: signed`), and grey in the hole.
  They take BGR.
- While D is trained alone, batch normalisation's running statistics of the completion network go on, as in otenim's.
- The authors' optional post-processing, fast marching and Poisson blending, is left out.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import hardtanh, relu

from palimpsest.config.numbers import Channels, Pixels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.local_crops import crop_about
from palimpsest.learning.optimisation import adadelta, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.weights import Weights

PHASES = ("completion", "critic", "both")
LAST = 4  # px, side of a discriminator's last map, or up to 7
GAN_LOSS = GAN_LOSSES["dcgan"]

Normalised = Literal["before-relu", "after-relu"]


class Loss(Weights):
    """Weights of the terms."""

    hole: Weight  # squared error in the hole
    adversarial: Weight  # α


class Config(Settings):
    width: Annotated[Channels, Field(ge=2, multiple_of=2)]  # channels of the first layer
    critic_width: Channels
    patch_size: Annotated[Pixels, Field(ge=2 * LAST)]  # px, side of what the local discriminator sees
    dilations: list[Pixels]  # of the layers in the middle
    normalised: Normalised
    bias: bool  # of the completion network's convolutions, beside batch normalisation
    colours: Literal["unit", "signed"]  # sigmoid of pictures in [0, 1], or pictures in [-1, 1], clipped
    decay: Annotated[float, Field(ge=0, lt=1)]  # ρ of Adadelta
    loss: Loss
    schedule: Schedule


class Unit(nn.Module):
    """A convolution, batch normalisation and ReLU: (B, inputs, H, W) → (B, outputs, H', W')."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, normalised: Normalised):
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)
        self.normalised = normalised

    def extra_repr(self) -> str:
        return f"normalised={self.normalised}"

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return relu(self.norm(x), inplace=True) if self.normalised == "before-relu" else self.norm(relu(x))


class MeanColour(nn.Module):
    """The mean colour of all pictures seen in training, (3, 1, 1); mid-grey before the first."""

    def __init__(self):
        super().__init__()
        self.register_buffer("colour", torch.full((3, 1, 1), 0.5))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def see(self, image: Tensor) -> None:
        self.batches += 1
        self.colour += (image.mean((0, 2, 3))[:, None, None] - self.colour) / self.batches


class Completion(nn.Sequential):
    """Image, hole and the mean colour → C(x, M_c), (B, 3, H, W) in [0, 1]. Section 3.2, table 1."""

    def __init__(self, config: Config):
        w = config.width
        self.signed = config.colours == "signed"

        def conv(inputs: int, outputs: int, kernel=3, stride=1, dilation=1) -> Unit:
            padding = dilation * (kernel // 2)
            layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=config.bias)
            return Unit(layer, config.normalised)

        def up(inputs: int, outputs: int) -> Unit:
            return Unit(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=config.bias), config.normalised)

        super().__init__(
            conv(4, w, kernel=5),
            conv(w, 2 * w, stride=2),
            conv(2 * w, 2 * w),
            conv(2 * w, 4 * w, stride=2),
            conv(4 * w, 4 * w),
            conv(4 * w, 4 * w),
            *(conv(4 * w, 4 * w, dilation=d) for d in config.dilations),
            conv(4 * w, 4 * w),
            conv(4 * w, 4 * w),
            up(4 * w, 2 * w),
            conv(2 * w, 2 * w),
            up(2 * w, w),
            conv(w, w // 2),
            nn.Conv2d(w // 2, 3, 3, padding=1),
        )

    def forward(self, image: Tensor, hole: Tensor, colour: Tensor) -> Tensor:
        x = paste(colour, image, hole)
        if self.signed:
            return (hardtanh(super().forward(torch.cat([x * 2 - 1, hole], 1))) + 1) / 2
        return super().forward(torch.cat([x, hole], 1)).sigmoid()


class Discriminator(nn.Sequential):
    """(B, 3, size, size) → features (B, 16 · width). Section 3.3, table 2."""

    def __init__(self, size: int, width: int, normalised: Normalised):
        layers = (size // LAST).bit_length() - 1
        channels = [3, *(width * min(2**layer, 8) for layer in range(layers))]
        units = [Unit(nn.Conv2d(*pair, 5, 2, 2), normalised) for pair in pairwise(channels)]
        for _ in range(layers):
            size = (size + 1) // 2
        super().__init__(*units, nn.Flatten(), nn.Linear(channels[-1] * size * size, 16 * width), nn.ReLU())


class Critic(nn.Module):
    """D: pictures (B, 3, size, size) and squares of them (B, 3, patch, patch) → scores (B, 1)."""

    def __init__(self, size: int, config: Config):
        super().__init__()
        width = config.critic_width
        self.everywhere = Discriminator(size, width, config.normalised)
        self.local = Discriminator(config.patch_size, width, config.normalised)
        self.score = nn.Linear(2 * 16 * width, 1)
        self.patch_size = config.patch_size

    def forward(self, picture: Tensor, hole: Tensor) -> Tensor:
        """The local discriminator sees the square around the hole."""
        (square,) = crop_about(hole, self.patch_size, picture)
        return self.score(torch.cat([self.local(square), self.everywhere(picture)], 1))


def completion_loss(output: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """‖M_c ⊙ (C(x, M_c) - x)‖² of equation 2, a mean over all elements."""
    return ((output - image) * hole).square().mean()


class Model:
    size_divisor = 4
    batches = 1

    def __init__(self, config: Config, size: int):
        if config.patch_size > size:
            raise InputError(f"patch_size is {config.patch_size} px; accepted: at most the pictures' {size} px")
        self.config = config
        self.networks = nn.ModuleDict(
            {"mean_colour": MeanColour(), "completion": Completion(config), "critic": Critic(size, config)}
        )
        self.phase = "both"

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        learning = ("completion", "critic")
        return {name: adadelta(self.networks[name].parameters(), self.config.decay) for name in learning}

    def begin(self, phase: Phase) -> None:
        """Trains the completion network alone, D alone, or both."""
        self.phase = phase.name
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """One iteration of algorithm 1: D's step, then the completion network's, those that the phase has."""
        self.networks["mean_colour"].see(image)
        with torch.set_grad_enabled(self.phase != "critic"):
            output = self.inpaint(image, hole)
        result = paste(output, image, hole)
        log = {}
        if self.phase != "completion":
            log |= self._step_critic(image, result.detach(), hole)
        if self.phase != "critic":
            log |= self._step_completion(image, output, result, hole)
        return log

    def _step_critic(self, image: Tensor, result: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """Equation 3. Real and completed pictures have batch statistics of their own."""
        critic, elsewhere = self.networks["critic"], hole.roll(1, 0)
        loss = GAN_LOSS.critic(critic(image, elsewhere), critic(result, hole))
        descend(self.optimisers["critic"], loss)
        return {"critic": loss}

    def _step_completion(self, image: Tensor, output: Tensor, result: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """Equation 2, and equation 4 where D is trained too."""
        terms = {"hole": completion_loss(output, image, hole)}
        if self.phase == "both":
            terms["adversarial"] = GAN_LOSS.generator(self.networks["critic"](result, hole))
        loss = self.config.loss.total(terms)
        descend(self.optimisers["completion"], loss)
        return {**terms, "completion": loss}

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.networks["completion"](image, hole, self.networks["mean_colour"].colour)
