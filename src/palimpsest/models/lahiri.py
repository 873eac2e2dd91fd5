"""Lahiri et al.: A. Lahiri et al., "Prior Guided GAN Based Semantic Inpainting", CVPR 2020.

Code: none released.

What is here follows the paper's abstract and the method that it extends, R. Yeh et al., "Semantic Image Inpainting with
Deep Generative Models", CVPR 2017.

    I, M          image in [-1, 1], hole
    G, D          generator and discriminator of a GAN that was trained to draw such pictures from noise
    E             encoder: the masked picture and its structure → w
    w             the prior: the latent code from which G draws the picture, one for each layer of G
    W             weights of the context loss, see `context_weight`

A GAN first learns to draw pictures of a kind; it is the model of the run in `needs.inside`, a StyleGAN2. Then E learns
to predict, from the known pixels, the code whose picture fits them; Yeh et al. optimise it for each picture.

Phases: `latent` trains E through the frozen G, judged by the frozen D; `fine-tuning` trains all three.

Departures
- The paper's GANs, their widths and the layers of E are not known here. G and D are those of GM-SRM's generative
  memory, so that both methods recall the same prior; E mirrors a DCGAN's discriminator, with StyleGAN2's scaled weights
  and without normalisation, which would mix the pictures of a batch.
- E predicts a w for each layer, and not one z: a single code of a StyleGAN2 fits few pictures. G draws without noise,
  so that a code is one picture.
- `fine-tuning` is ours. A frozen generator draws few pictures faithfully, and what GM-SRM publishes of this method
  mostly beats PConv. Without that phase in the schedule, G stays as it was.
- The structure of a masked picture is the edges that its known pixels show. The paper takes facial landmarks, which
  scenes do not have. Its recurrent variant, for video, is left out.
- Yeh et al. blend G's picture into the known pixels by solving a Poisson equation. Here each of its colours is shifted
  by a constant, so that it meets the known pixels around the hole; losses and D see the shifted picture.
- Training pictures are complete, so the error in the hole is a loss, too. The gradient difference loss is that of
  M. Mathieu et al., "Deep Multi-Scale Video Prediction Beyond Mean Square Error", ICLR 2016. Weights are ours, but for
  Yeh's of the adversarial loss; E sees the mean colour of the known pixels in the hole.
- D learns in `fine-tuning` with StyleGAN2's R1 penalty in every step. Adam, rates and iterations are DCGAN's and
  GM-SRM's.
- In profile tiny there is no D, which would take more than half of a step's time.
"""

from functools import cached_property, partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, l1_loss

from palimpsest.config.numbers import Blur, Channels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import mean_colour, paste
from palimpsest.layers.edges import canny
from palimpsest.layers.style_synthesis import SMALLEST, Dense, ScaledConv, activate
from palimpsest.learning.optimisation import Betas, adam_for_groups, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES, r1_penalty
from palimpsest.losses.reconstruction import weighted_l1
from palimpsest.losses.weights import Weights

GAN_LOSS = GAN_LOSSES["dcgan"]  # non-saturating
PHASES = ("latent", "fine-tuning")
WINDOW = 7  # px, around a known pixel, in which its context weight counts missing ones


class Loss(Weights):
    """Weights of the terms."""

    context: Weight
    hole: Weight  # l1 in the hole
    adversarial: Weight  # 0: without D
    gradient_difference: Weight
    r1: Weight  # γ, of D's gradient penalty


class Config(Settings):
    width: Channels  # channels of E's first layer
    sigma: Blur  # px, of Canny's blur
    betas: Betas
    loss: Loss
    schedule: Schedule


class Encoder(nn.Module):
    """E: masked image, hole and edges, (B, 5, H, W) → w of each layer and of the last picture, (B, codes, latent)."""

    def __init__(self, width: int, halvings: int, codes: int, latent: int):
        super().__init__()
        channels = [5, *(width * min(2**layer, 8) for layer in range(halvings))]
        self.convs = nn.Sequential(*(ScaledConv(*pair, 4, _halving) for pair in pairwise(channels)))
        self.hidden = Dense(channels[-1] * SMALLEST**2, latent)
        self.codes = Dense(latent, codes * latent)
        self.latent = latent

    def forward(self, x: Tensor) -> Tensor:
        """The last map is averaged to 4 x 4 px, which it has for training pictures."""
        x = adaptive_avg_pool2d(self.convs(x), SMALLEST)
        return self.codes(activate(self.hidden(x.flatten(1)))).unflatten(1, (-1, self.latent))


def _halving(x: Tensor, weight: Tensor) -> Tensor:
    return conv2d(x, weight, stride=2, padding=1)


def context_weight(hole: Tensor) -> Tensor:
    """W, (B, 1, H, W): at a known pixel the missing share of the window around it, in the hole 0; after Yeh et al."""
    share = avg_pool2d(hole, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)
    return share * (1 - hole)


def gradient_difference(output: Tensor, x: Tensor) -> Tensor:
    """mean||∂output| - |∂x||, summed over both directions."""
    pairs = ((output.diff(dim=axis), x.diff(dim=axis)) for axis in (-1, -2))
    return sum(l1_loss(found.abs(), wanted.abs()) for found, wanted in pairs)


class Model:
    batches = 1

    def __init__(self, config: Config, size: int, inside):
        if not hasattr(inside, "memory"):
            raise InputError("the model in needs.inside draws no pictures; accepted: a model of stylegan2 there")
        self.config, self.inside = config, inside
        self.derive = partial(structure, sigma=config.sigma)
        self.size_divisor = size // SMALLEST  # px, to which G enlarges each pixel of its smallest map
        generator, halvings = inside.memory.requires_grad_(True), self.size_divisor.bit_length() - 1
        encoder = Encoder(config.width, halvings, generator.layers + 1, generator.latent)
        self.networks = nn.ModuleDict({"encoder": encoder, "generator": generator})
        if config.loss.adversarial:
            inside.check_batch(config.schedule.batch_size)
            self.networks["critic"] = inside.critic
        self.fine_tuning = False

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """One for E and G, and one for D."""
        groups = {"generator": ("encoder", "generator")} | ({"critic": ["critic"]} if "critic" in self.networks else {})
        return adam_for_groups(self, groups)

    def begin(self, phase: Phase) -> None:
        """Freezes G and D, or not."""
        self.fine_tuning = phase.name == "fine-tuning"
        for name in self.networks.keys() - {"encoder"}:
            self.networks[name].requires_grad_(self.fine_tuning)
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor, edges: Tensor) -> dict[str, Tensor]:
        """D's step in `fine-tuning`, then that of E, and of G with it."""
        x, weight, log = image * 2 - 1, self.config.loss, {}
        output = self.draw(x, hole, edges)
        terms = {
            "context": weighted_l1(output, x, context_weight(hole)),
            "hole": weighted_l1(output, x, hole),
            "gradient_difference": gradient_difference(output, x),
        }
        if weight.adversarial:
            if self.fine_tuning:
                log = self._step_critic(x, output.detach())
            terms["adversarial"] = GAN_LOSS.generator(self.networks["critic"](output))
        loss = weight.total(terms)
        descend(self.optimisers["generator"], loss)
        return {**log, **terms, "generator": loss}

    def _step_critic(self, x: Tensor, output: Tensor) -> dict[str, Tensor]:
        critic = self.networks["critic"]
        log = {"critic": GAN_LOSS.critic(critic(x), critic(output)), "r1": r1_penalty(critic, x)}
        descend(self.optimisers["critic"], log["critic"] + self.config.loss.r1 / 2 * log["r1"])
        return log

    def draw(self, x: Tensor, hole: Tensor, edges: Tensor) -> Tensor:
        """G's picture of E's code, its colours shifted to meet those around the hole; about [-1, 1]."""
        height, width = (side // self.size_divisor for side in x.shape[2:])
        masked = paste(mean_colour(x, 1 - hole), x, hole)
        ws = self.networks["encoder"](torch.cat([masked, hole, edges], 1))
        picture = self.networks["generator"](ws, no_noise, height, width)
        return picture + mean_colour(x - picture, context_weight(hole))

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        output = self.draw(image * 2 - 1, hole, *self.derive(image, hole))
        return ((output + 1) / 2).clamp(0, 1)


def structure(image: Tensor, hole: Tensor, sigma: float) -> tuple[Tensor]:
    """The edges that known pixels show, (B, 1, H, W)."""
    return (canny(image, hole, sigma),)


def no_noise(x: Tensor) -> Tensor:
    return x.new_zeros(1, 1, 1, 1)
