"""E2I: S. Xu et al., "E2I: Generative Inpainting from Edge to Image", IEEE TCSVT 2020.

Code: https://github.com/powder21/E2I-inpainting, test code only.

The networks and the four steps of inference are those of the released code, which only tests. Losses and training are
not published with it: here they are EdgeConnect's, see learning/edge_phases.py and losses/edge_connect.py.

    x             image in [-1, 1], the hole filled with one colour, `hole_colour`
    e             soft edges, 1 at an edge, (B, 1, H, W) in [0, 1]; networks see 1 - 2 e: white without edges
    D, G_e        detector, edge generator
    x1, x2        outputs of the painter's two stages
    β             share of pixels without an edge

A hole is filled in four steps: (1) the painter fills it without edges, (2) D finds the edges of this rough fill,
(3) G_e completes them in the hole, (4) the painter fills the hole along them.

Phases: `detector` trains D; the others are EdgeConnect's, along D's edges: `edges` trains G_e and its critic,
`painting` the painter along the edges of the whole picture, `joint` G_e and the painter end to end.

Departures
- D is trained here. E2I has that of HED (S. Xie and Z. Tu 2015), whose weights come with no package: VGG16's layers,
  pretrained, and people's drawings to learn from. This one is narrow, starts from random weights, and learns Canny's
  edges of whole pictures, with HED's loss (equation 2) at each of its five sides. As in E2I, the soft edges are the
  sigmoid of the sides' mean.
- Training's known edges are those of the whole picture, with the hole cut out; filling takes them from the rough fill,
  which costs the painter a second pass.
- In step 1 the painter sees no edges at all; in the released code it sees those that G_e
  invents from a blank map. In training a
  share of the pictures is painted without edges (`edgeless`), else step 1 would be new to the painter.
- Convolutions start as He et al. 2015 have it, the painter's last ones at 0, that is grey: from TensorFlow's start the
  signal fades in 20 layers without normalisation, and what is left to learn from is the last layer's own view of x.
- In the smoke run the hole has the mean colour of the known pixels (`hole_colour: mean`): so few steps are not
  enough to unlearn white.
- The l1 is that of both stages, before they are clipped: clipped colours would have no gradient.
- Convolutions of stride 2 pad both sides alike, and attention treats holes as in our DeepFill v1, whose layer it is:
  `attention` has the released code's choices.
- Weights of the losses, learning rates, iterations, critics and what these see are EdgeConnect's; D is trained first,
  for 100,000 iterations.
- Sides are padded to multiples of 16 px, which D needs; the released code crops them to multiples of 8 px.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, max_pool2d

from palimpsest.config.numbers import Blur, Channels, Factor
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import HoleColour, cover, paste
from palimpsest.layers.contextual_attention import ContextualAttention, Options
from palimpsest.layers.dilated_trunk import conv, dilated, to_full_size, trunk
from palimpsest.layers.edges import canny, grey
from palimpsest.layers.initial_weights import he
from palimpsest.layers.patchgan import PatchCritic
from palimpsest.layers.tensorflow_conventions import same_conv
from palimpsest.learning import edge_phases
from palimpsest.learning.optimisation import Betas, adam_for_groups, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.edge_connect import Loss, step_edges, step_painting

PHASES = ("detector", "edges", "painting", "joint")
STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # of VGG16: widths, and numbers of convolutions


class Config(Settings):
    detector_width: Channels  # channels of D's first layer
    edge_width: Annotated[Channels, Field(ge=2)]  # of the edge generator's
    width: Annotated[Channels, Field(ge=2)]  # of the painter's
    critic_width: Channels
    critic_rate: Factor  # learning rate, times the generators'
    hole_colour: HoleColour  # of x
    sigma: Blur  # px, of Canny's blur, from which D learns
    edgeless: Annotated[float, Field(ge=0, le=1)]  # share of training pictures that are painted without edges
    attention: Options
    betas: Betas
    loss: Loss
    schedule: Schedule


class Detector(nn.Module):
    """D: pictures (B, 3, H, W) in [0, 1] → scores of its five sides, (B, 5, H, W), as in HED."""

    def __init__(self, width: int):
        super().__init__()
        self.stages, self.sides, inputs = nn.ModuleList(), nn.ModuleList(), 3
        for wider, depth in STAGES:
            outputs = wider * width
            channels = [inputs, *[outputs] * depth]
            layers = [conv(*pair, activation=nn.ReLU) for pair in pairwise(channels)]
            self.stages.append(nn.Sequential(*layers))
            self.sides.append(nn.Conv2d(outputs, 1, 1))
            inputs = outputs

    def forward(self, image: Tensor) -> Tensor:
        x, found = image * 2 - 1, []
        for number, (stage, side) in enumerate(zip(self.stages, self.sides, strict=True)):
            x = stage(max_pool2d(x, 2) if number else x)
            found.append(interpolate(side(x), image.shape[-2:], mode="bilinear", align_corners=False))
        return torch.cat(found, 1)


def balanced_cross_entropy(scores: Tensor, edges: Tensor) -> Tensor:
    """HED, equation 2, summed over sides: β weighs pixels with an edge, 1 - β the others; a mean over pixels."""
    beta = 1 - edges.mean()
    weights = torch.where(edges > 0, beta, 1 - beta)
    loss = binary_cross_entropy_with_logits(scores, edges.expand_as(scores), weights, reduction="none")
    return loss.mean((0, 2, 3)).sum()


def normed(inputs: int, outputs: int, kernel=3, stride=1, dilation=1, activation=nn.ELU) -> nn.Sequential:
    """A convolution without bias, batch normalisation, activation."""
    layer = same_conv(inputs, outputs, kernel, stride, dilation)
    layer.register_parameter("bias", None)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), activation())


class EdgeGenerator(nn.Module):
    """G_e: edges, ones and hole, (B, 3, H, W) → completed edges (B, 1, H, W), all in [-1, 1]."""

    def __init__(self, width: int):
        super().__init__()
        self.trunk = nn.Sequential(*trunk(3, width, normed))
        self.last = normed(width // 2 + 3, 1, activation=nn.Tanh)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.cat([self.trunk(inputs), inputs], 1))


class Stems(nn.Module):
    """Picture (B, 3, H, W), edges (B, 1, H, W), ones and hole (B, 2, H, W) → (B, 2 · width, H, W)."""

    def __init__(self, width: int):
        super().__init__()
        self.picture, self.edges = (
            nn.Sequential(conv(inputs, width, kernel=5), *(conv(width, width) for _ in range(3))) for inputs in (5, 3)
        )

    def forward(self, picture: Tensor, edges: Tensor, planes: Tensor) -> Tensor:
        return torch.cat([self.picture(torch.cat([picture, planes], 1)), self.edges(torch.cat([edges, planes], 1))], 1)


def encoder(width: int, kernel: int, activation=nn.ELU) -> list[nn.Module]:
    """2 · width channels → 4 · width at a quarter of the size."""
    w = width
    return [
        conv(2 * w, 2 * w, kernel=kernel),
        conv(2 * w, 2 * w, stride=2),
        conv(2 * w, 2 * w),
        conv(2 * w, 2 * w, stride=2),
        conv(2 * w, 4 * w),
        conv(4 * w, 4 * w, activation=activation),
    ]


class Coarse(nn.Module):
    """Stage 1: x, e, ones and hole → x1, not yet clipped."""

    def __init__(self, width: int):
        super().__init__()
        w = width
        self.stems = Stems(w)
        self.trunk = nn.Sequential(
            *encoder(w, kernel=3), *dilated(4 * w, conv), conv(4 * w, 4 * w), conv(4 * w, 4 * w), *to_full_size(w, conv)
        )
        self.last = same_conv(w // 2 + 5, 3)

    def forward(self, x: Tensor, edges: Tensor, planes: Tensor) -> Tensor:
        return self.last(torch.cat([self.trunk(self.stems(x, edges, planes)), x, planes], 1))


class Refinement(nn.Module):
    """Stage 2, with contextual attention in a branch of its own: x, x1, e, ones and hole → x2, not yet clipped."""

    def __init__(self, width: int, attention: Options):
        super().__init__()
        w = width
        self.stems = Stems(w)
        self.conv_branch = nn.Sequential(*encoder(w, kernel=3), *dilated(4 * w, conv))
        self.before = nn.Sequential(*encoder(w, kernel=5, activation=nn.ReLU))
        self.attention = ContextualAttention(attention)
        self.after = nn.Sequential(conv(4 * w, 4 * w), conv(4 * w, 4 * w))
        self.decoder = nn.Sequential(conv(8 * w, 4 * w), conv(4 * w, 4 * w), *to_full_size(w, conv))
        self.last = same_conv(w // 2 + 5, 3)

    def forward(self, x: Tensor, x1: Tensor, edges: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
        """x2, and the attention's offsets."""
        stems, hole = self.stems(x1, edges, planes), planes[:, 1:]
        attended, offsets = self.attention(self.before(stems), hole)
        decoded = self.decoder(torch.cat([self.conv_branch(stems), self.after(attended)], 1))
        return self.last(torch.cat([decoded, x, planes], 1)), offsets


class Painter(nn.Module):
    """x, edges in [-1, 1] and hole → x1 and x2, not yet clipped, and the attention's offsets."""

    def __init__(self, width: int, attention: Options):
        super().__init__()
        self.coarse = Coarse(width)
        self.refinement = Refinement(width, attention)
        self.apply(he)
        for stage in (self.coarse, self.refinement):
            nn.init.zeros_(stage.last.weight)  # grey

    def forward(self, x: Tensor, edges: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        planes = torch.cat([torch.ones_like(hole), hole], 1)
        x1 = self.coarse(x, edges, planes)
        x2, offsets = self.refinement(x, x1.clamp(-1, 1), edges, planes)
        return x1, x2, offsets


class Model:
    size_divisor = 16  # D halves the size four times
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        self.networks = nn.ModuleDict(
            {
                "detector": Detector(config.detector_width).apply(he),
                "edge_generator": EdgeGenerator(config.edge_width).apply(he),
                "edge_critic": PatchCritic(2, config.critic_width, bias=False),
                "painter": Painter(config.width, config.attention),
                "critic": PatchCritic(3, config.critic_width, bias=False),
            }
        )
        self.phase = config.schedule.phases[0].name

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return adam_for_groups(self, {"detector": ("detector",), **edge_phases.GROUPS})

    def begin(self, phase: Phase) -> None:
        """A network that the phase's losses do not reach stays as it is."""
        self.phase = phase.name
        set_rates(self.optimisers, phase, critic=self.config.critic_rate)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """One step of the phase's networks."""
        if self.phase == "detector":
            edges = canny(image, torch.zeros_like(hole), self.config.sigma)
            loss = balanced_cross_entropy(self.networks["detector"](image), edges)
            descend(self.optimisers["detector"], loss)
            return {"detector": loss}
        with torch.no_grad():
            true = self.detect(image)
        learning = self.networks, self.optimisers, self.config.loss
        if self.phase == "edges":
            return step_edges(*learning, grey(image), true, self.predict_edges(true, hole))
        edges = edge_phases.edges_to_paint(self.phase, true, lambda: self.complete_edges(true, hole))
        with_edges = torch.rand(len(image), 1, 1, 1, device=image.device) >= self.config.edgeless
        x1, x2, _ = self.paint(image, hole, edges * with_edges)
        return step_painting(*learning, image, hole, [x1, x2])

    def detect(self, image: Tensor) -> Tensor:
        """Soft edges of a whole picture."""
        return self.networks["detector"](image).mean(1, keepdim=True).sigmoid()

    def predict_edges(self, edges: Tensor, hole: Tensor) -> Tensor:
        """Those in the hole from those outside, (B, 1, H, W) in [0, 1]."""
        white = 1 - 2 * edges * (1 - hole)
        return (1 - self.networks["edge_generator"](torch.cat([white, torch.ones_like(hole), hole], 1))) / 2

    def complete_edges(self, edges: Tensor, hole: Tensor) -> Tensor:
        """The predicted edges in the hole, the given ones elsewhere."""
        return paste(self.predict_edges(edges, hole), edges, hole)

    def paint(self, image: Tensor, hole: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x1 and x2 in units of the image, not yet clipped, and the attention's offsets."""
        x = cover(image, hole, self.config.hole_colour) * 2 - 1
        x1, x2, offsets = self.networks["painter"](x, 1 - 2 * edges, hole)
        return (x1 + 1) / 2, (x2 + 1) / 2, offsets

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.inspect(image, hole)[0]

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The four steps; shows the rough fill, the edges, white on black, x1, and where attention looks."""
        rough = paste(self.paint(image, hole, torch.zeros_like(hole))[1].clamp(0, 1), image, hole)
        edges = self.complete_edges(self.detect(rough), hole)
        x1, x2, flow = self.paint(image, hole, edges)
        shown = {"rough": rough, "edges": edges.expand_as(image), "coarse": x1.clamp(0, 1), "flow": flow}
        return x2.clamp(0, 1), shown
