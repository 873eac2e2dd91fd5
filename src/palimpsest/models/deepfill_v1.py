"""DeepFill v1: J. Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018 (arXiv 1801.07892v2).

Code: https://github.com/JiahuiYu/generative_inpainting, branch v1.0.0.

Sections 3 (coarse to fine, losses), 4 (contextual attention) and appendix D (layers); released code, branch v1.0.0.

    x, z          image, image with the hole at 0, both in [-1, 1]
    x1, x2        outputs of the coarse and the refinement network
    x̃             result: x2 in the hole, z elsewhere
    1 - m         hole
    P             crop of the square that the hole was drawn in
    W             spatial discount of the l1 loss

Departures
- Widths of the two refinement encoders follow the released code, half of appendix D's at layers 2 and 4: 3,601,542
  parameters. Only the baseline, two coarse networks, has the paper's "2.9 M": 2,896,454.
- γ of the discounted l1 is 0.9 (released settings, and the author's advice at 256 px), 0.99 in the paper.
- Zero padding as in the released code; the paper says mirror padding (`padding: reflect`).
- Stride-2 convolutions pad both sides alike; TensorFlow pads more after than before (`padding: tensorflow`).
- Attention takes every second pixel of its features, and every fourth and then every second of the hole; the released
  code aligns the corners instead (`attention.sampling: aligned`). Its weights need this and TensorFlow's padding.
- Attention excludes hole patches with -inf and divides overlapping patches by their true count; the released code
  multiplies scores by 0 and divides by 4 (`attention.masking: multiply`, `attention.overlap: constant`).
- Each sample has its own hole; the released code shares one across a batch (`schedule.one_hole_a_batch: true`).
- The hole's square P is found from the hole, around the middle of its bounding box, so that other kinds of holes can be
  trained on too.
- 150,000 iterations, about what the authors' reported training time allows; their cap of 1,000,000 was not reached.
- The paper does not specify the spatial transformer (localisation network) and appearance flow (tanh range).
- The DCGAN variant weighs its adversarial loss 0.0008, as a comment in the released settings does.
- Training may begin with a phase `l1`, in which the critics rest; short trainings learn colours so.
- Perceptual and style losses, which section 5.1 finds to bring nothing, have weight 0. The paper does not specify them:
  here the l1 of VGG's features, and Gram matrices as in Johnson et al. 2016, equations 3 and 4, of the result.
"""

from functools import cached_property, partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from palimpsest.config.numbers import Channels, Factor, Pixels, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import ContextualAttention, Options
from palimpsest.layers.dilated_trunk import conv, dilated, to_full_size, trunk
from palimpsest.layers.local_crops import crop_about
from palimpsest.layers.strided_critic import Critic
from palimpsest.layers.tensorflow_conventions import Padding, Sampling, glorot, subsample
from palimpsest.learning.optimisation import Betas, adam_for_groups, critics_first, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES, gradient_penalty
from palimpsest.losses.perceptual import perceptual_l1, style_loss
from palimpsest.losses.reconstruction import known_l1, spatial_discount, total_variation, weighted_l1
from palimpsest.losses.weights import Weights

PHASES = ("l1", "joint")
FEATURES = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")  # of the perceptual and the style loss; Johnson et al. 2016


class Attention(Options):
    """What is between the two halves of the attention branch; `none` is the two-stage baseline."""

    kind: Literal["contextual", "none", "spatial-transformer", "appearance-flow"]


class Loss(Weights):
    """Weights of the terms; 0 switches a term off."""

    l1_hole: Weight
    l1_known: Weight
    coarse: Weight  # l1 of the coarse output, times l1_hole and l1_known
    refinement: Weight  # l1 of the refined output, likewise
    discount: Annotated[float, Field(gt=0, le=1)]  # γ, for each row of pixels
    adversarial: Weight
    global_critic: Weight  # relative to the local critic's 1
    gradient_penalty: Weight  # λ of equation 4
    perceptual: Weight
    style: Weight
    total_variation: Weight


class Config(Settings):
    width: Annotated[Channels, Field(ge=2)]  # channels of the first layer
    critic_width: Channels
    patch_size: Pixels  # px, side of P and of what the local critic sees
    padding: Padding
    attention: Attention
    initial_gain: Factor  # of the generator's Glorot initialisation
    adversarial: Literal["wgan-gp", "dcgan", "lsgan"]
    critic_steps: Annotated[int, Field(ge=0, le=64)]  # for each of the generator's, algorithm 1
    betas: Betas
    loss: Loss
    schedule: Schedule


def encoder(width: int, at_quarter: int, padding: Padding) -> list[nn.Module]:
    """The first five layers of a refinement encoder: 5 → 4 · width channels at a quarter of the size."""
    return [
        conv(5, width, kernel=5, padding=padding),
        conv(width, width, stride=2, padding=padding),
        conv(width, 2 * width, padding=padding),
        conv(2 * width, at_quarter, stride=2, padding=padding),
        conv(at_quarter, 4 * width, padding=padding),
    ]


def to_picture(width: int, padding: Padding) -> nn.Module:
    """width / 2 channels → 3, clipped."""
    return conv(width // 2, 3, padding=padding, activation=lambda: nn.Hardtanh(-1, 1))


class Coarse(nn.Sequential):
    """Stage 1: (B, 5, H, W) → (B, 3, H, W). Appendix D."""

    def __init__(self, width: int, padding: Padding):
        super().__init__(*trunk(5, width, partial(conv, padding=padding)), to_picture(width, padding))


class SpatialTransformer(nn.Module):
    """Compared in section 5.1: one affine warp of the whole map (Jaderberg et al. 2015), initially the identity."""

    def __init__(self, channels: int, sampling: Sampling):
        super().__init__()
        self.sampling = sampling
        self.localise = nn.Sequential(
            conv(channels + 1, 32, stride=2),
            conv(32, 32, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 64),
            nn.ELU(),
            nn.Linear(64, 6),
        )

    def forward(self, features: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        identity = features.new_tensor([[1, 0, 0], [0, 1, 0]])
        small = subsample(hole, 4, self.sampling)
        theta = identity + self.localise(torch.cat([features, small], 1)).view(-1, 2, 3)
        grid = F.affine_grid(theta, list(features.shape), align_corners=False)
        return sample(features, grid)


class AppearanceFlow(nn.Module):
    """Compared in section 5.1: a convolution predicts an offset for each position (Zhou et al. 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.flow = nn.Conv2d(channels, 2, 3, padding=1)

    def forward(self, features: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        theta = features.new_tensor([[1, 0, 0], [0, 1, 0]]).expand(len(features), 2, 3)
        identity = F.affine_grid(theta, list(features.shape), align_corners=False)
        return sample(features, identity + 2 * self.flow(features).tanh().permute(0, 2, 3, 1))


def sample(features: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Features at `grid`, (B, H, W, 2) as (x, y) in [-1, 1], and offsets (dy, dx) as contextual attention gives them.

    What lies beyond the border is sampled from the border.
    """
    sampled = F.grid_sample(features, grid, padding_mode="border", align_corners=False)
    height, width = features.shape[-2:]
    size = grid.new_tensor([width, height])
    places = (((grid + 1) * size - 1) / 2)[:, ::2, ::2].clamp(min=torch.zeros_like(size), max=size - 2)
    own = torch.stack(torch.meshgrid(torch.arange(0, width, 2), torch.arange(0, height, 2), indexing="xy"), -1)
    offsets = (places - own.to(grid)).flip(-1).permute(0, 3, 1, 2)
    return sampled, offsets.div(2).round().long()


class AttentionBranch(nn.Module):
    """The refinement network's second encoder, with attention after its sixth layer, whose activation is ReLU."""

    def __init__(self, width: int, padding: Padding, attention: Attention):
        super().__init__()
        w, p = width, padding
        self.before = nn.Sequential(
            *encoder(w, 4 * w, p),
            conv(4 * w, 4 * w, padding=p, activation=nn.ReLU),
        )
        match attention.kind:
            case "contextual":
                self.attention = ContextualAttention(attention)
            case "spatial-transformer":
                self.attention = SpatialTransformer(4 * w, attention.sampling)
            case "appearance-flow":
                self.attention = AppearanceFlow(4 * w)
        self.after = nn.Sequential(conv(4 * w, 4 * w, padding=p), conv(4 * w, 4 * w, padding=p))

    def forward(self, inputs: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        attended, offsets = self.attention(self.before(inputs), hole)
        return self.after(attended), offsets


class Refinement(nn.Module):
    """Stage 2, two encoders and one decoder: (B, 5, H, W) → (B, 3, H, W), and the attention's offsets. Figure 4."""

    def __init__(self, width: int, padding: Padding, attention: Attention):
        super().__init__()
        w, p, unit = width, padding, partial(conv, padding=padding)
        self.conv_branch = nn.Sequential(
            *encoder(w, 2 * w, p),
            conv(4 * w, 4 * w, padding=p),
            *dilated(4 * w, unit),
        )
        self.attention_branch = AttentionBranch(w, p, attention)
        self.decoder = nn.Sequential(unit(8 * w, 4 * w), unit(4 * w, 4 * w), *to_full_size(w, unit), to_picture(w, p))

    def forward(self, inputs: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        attended, offsets = self.attention_branch(inputs, hole)
        return self.decoder(torch.cat([self.conv_branch(inputs), attended], 1)), offsets


class Generator(nn.Module):
    """Image and hole → (x1, x2, offsets); the baseline has no attention, and its offsets are None. Figure 2."""

    def __init__(self, config: Config):
        super().__init__()
        self.coarse = Coarse(config.width, config.padding)
        if config.attention.kind == "none":
            self.refinement = Coarse(config.width, config.padding)
        else:
            self.refinement = Refinement(config.width, config.padding, config.attention)

    def forward(self, x: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        z = x * (1 - hole)
        planes = torch.cat([torch.ones_like(hole), hole], 1)
        x1 = self.coarse(torch.cat([z, planes], 1))
        inputs = torch.cat([paste(x1, x, hole), planes], 1)
        if isinstance(self.refinement, Coarse):
            return x1, self.refinement(inputs), None
        x2, offsets = self.refinement(inputs, hole)
        return x1, x2, offsets


class Model:
    size_divisor = 8

    def __init__(self, config: Config, size: int):
        if config.patch_size > size:
            raise InputError(f"patch_size is {config.patch_size} px; accepted: at most the pictures' {size} px")
        if config.padding == "reflect" and size // 4 <= 16:
            raise InputError(f"padding is reflect on pictures of {size} px; accepted: zeros, or pictures above 64 px")
        self.config = config
        self.batches = config.critic_steps + 1
        self.phase = "joint"
        critic_padding = "zeros" if config.padding == "reflect" else config.padding
        self.networks = nn.ModuleDict(
            {
                "generator": Generator(config),
                "local_critic": Critic(config.patch_size, config.critic_width, [1, 2, 4, 8], critic_padding),
                "global_critic": Critic(size, config.critic_width, [1, 2, 4, 4], critic_padding),
            }
        ).apply(glorot)
        self.generator.apply(partial(glorot, gain=config.initial_gain))
        attention = getattr(self.generator.refinement, "attention_branch", None)
        if attention is not None and config.attention.kind == "spatial-transformer":
            nn.init.zeros_(attention.attention.localise[-1].weight)

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return adam_for_groups(self, {"critics": ("local_critic", "global_critic"), "generator": ("generator",)})

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]

    def begin(self, phase: Phase) -> None:
        self.phase = phase.name
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """Algorithm 1: the critics' steps, each on a batch of its own, then the generator's."""
        x = image * 2 - 1
        if self.phase == "l1":
            return self._step_generator(x.chunk(self.batches)[-1], hole.chunk(self.batches)[-1])
        return critics_first(self.batches, x, hole, self._step_critics, self._step_generator)

    def _step_critics(self, x: Tensor, hole: Tensor) -> dict[str, Tensor]:
        gan_loss = GAN_LOSSES[self.config.adversarial]
        with torch.no_grad():
            fake = paste(self.generator(x, hole)[1], x, hole)
        p_x, p_fake, p_hole = crop_about(hole, self.config.patch_size, x, fake, hole)
        loss, penalty = x.new_zeros(()), x.new_zeros(())
        for critic, *batch in (("local_critic", p_x, p_fake, p_hole), ("global_critic", x, fake, hole)):
            network = self.networks[critic]
            loss = loss + gan_loss.critic(*network(torch.cat(batch[:2])).chunk(2))
            if gan_loss.penalised:
                penalty = penalty + gradient_penalty(network, *batch)
        descend(self.optimisers["critics"], loss + self.config.loss.gradient_penalty * penalty)
        return {"critic": loss, "gradient_penalty": penalty} if gan_loss.penalised else {"critic": loss}

    def _step_generator(self, x: Tensor, hole: Tensor) -> dict[str, Tensor]:
        weight = self.config.loss
        x1, x2, _ = self.generator(x, hole)
        result = paste(x2, x, hole)
        p_x, p_x1, p_x2, p_result = crop_about(hole, self.config.patch_size, x, x1, x2, result)
        discount = spatial_discount(self.config.patch_size, weight.discount, x.device)
        hole_coarse, hole_refined = (weighted_l1(p, p_x, discount) for p in (p_x1, p_x2))
        known_coarse, known_refined = (known_l1(output, x, hole) for output in (x1, x2))
        l1_hole = weight.coarse * hole_coarse + weight.refinement * hole_refined
        l1_known = weight.coarse * known_coarse + weight.refinement * known_refined
        further = self._adversarial_term(p_result, result) if self.phase == "joint" else {}
        further |= self._further_terms(result, x)
        loss = weight.l1_hole * l1_hole + weight.l1_known * l1_known + weight.total(further)
        descend(self.optimisers["generator"], loss)
        return {
            "l1_hole_coarse": hole_coarse,
            "l1_hole_refined": hole_refined,
            "l1_known_coarse": known_coarse,
            "l1_known_refined": known_refined,
            **further,
            "generator": loss,
        }

    def _adversarial_term(self, p_result: Tensor, result: Tensor) -> dict[str, Tensor]:
        """What both critics say of P and of the whole result."""
        fooled = GAN_LOSSES[self.config.adversarial].generator
        of_p, of_whole = fooled(self.networks["local_critic"](p_result)), fooled(self.networks["global_critic"](result))
        return {"adversarial": of_p + self.config.loss.global_critic * of_whole}

    def _further_terms(self, result: Tensor, x: Tensor) -> dict[str, Tensor]:
        """The terms of section 5.1, those whose weight is not 0."""
        pictures = (result + 1) / 2, (x + 1) / 2
        terms = {
            "perceptual": lambda: perceptual_l1(*pictures, FEATURES),
            "style": lambda: style_loss(*pictures, FEATURES),
            "total_variation": lambda: total_variation(result),
        }
        return {name: term() for name, term in terms.items() if getattr(self.config.loss, name)}

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.generator(image * 2 - 1, hole)[1] + 1) / 2

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the coarse prediction and, if there is attention, where it looks."""
        x1, x2, offsets = self.generator(image * 2 - 1, hole)
        shown = {"coarse": (x1 + 1) / 2}
        return (x2 + 1) / 2, shown if offsets is None else {**shown, "flow": offsets}
