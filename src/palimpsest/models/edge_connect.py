"""EdgeConnect: K. Nazeri et al., "EdgeConnect: Structure Guided Image Inpainting using Edge Prediction", ICCV workshops
2019 (arXiv 1901.00212).

Code: https://github.com/knazeri/edge-connect.

Sections 3.1 (edge generator), 3.2 (image completion network) and 4 (edges, training); released code, branch `master`.

    I_gt, I_pred  image and output of the completion network, in [0, 1]
    I_gray        grey image
    M             hole
    C_gt          edges of the whole image
    C̃             edges that the known pixels alone show
    C_pred        output of the edge generator, G1
    C_comp        C_pred in the hole, C̃ elsewhere: what the completion network, G2 or `painter`, paints along
    λ             `loss`: λ_adv,1 `edge_adversarial`, λ_FM `feature_matching`, λ_l1 `l1`, λ_adv,2 `adversarial`,
                  λ_p `perceptual`, λ_s `style`

Phases: `edges` trains G1 and its critic, `painting` G2 along C_gt, `joint` both generators end to end without the edge
critic, as in section 4. In the released code `prediction`, G2 along C_comp with G1 fixed, takes the place of `joint`.
Instance normalisation removes the mean level, so flat colours are learned slowly.

Departures
- C̃ is found with the hole excluded in training too. The released code does so at test only, and in training cuts the
  hole out of C_gt, whose edges beside the hole leak what is in it.
- At test the released code hands all of C_pred to G2, its known part too (`known_edges: predicted`).
- The released code's `joint` keeps the edge critic and stops at a second pass through freed gradients.
- Features are VGG's of normalised pictures; the released code does not normalise them.
- Convolutions with spectral normalisation start as PyTorch's do, as in the released code, in which the initialisation
  does not reach them; the others start with a deviation of 0.02.
- The critic steps before the generator is scored; the released code computes both losses first.
- The paper trains until the losses stop falling; here 2,000,000 iterations in all, the released settings' cap.
- One set of pictures serves all methods of a profile, at one scale. Training holes are PICNet's; the paper takes random
  squares and the holes of PConv's authors.
- Sides are padded to multiples of 16 px; the released networks take multiples of 4 (`size_divisor: 4`), from 12 px.
- Canny's blur is 1 px for pictures of 64 px.
- G2 of the smoke run goes without normalisation (`normalised: false`): instance normalisation removes the mean level,
  which so few steps do not bring back, and holes stay grey. Its weights then start as Glorot and Bengio have it. It
  sees the mean colour of the known pixels in the hole (`hole_colour`) and signed colours (`colours`), and it leaks
  below 0 (`leak`): without one of these, so few steps get it much less far.
"""

from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.config.numbers import Blur, Channels, Factor, Few, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import HoleColour, cover, paste
from palimpsest.layers.edges import canny, edges_of, grey
from palimpsest.layers.initial_weights import normal
from palimpsest.layers.normed_residual import Norm, NormedResidualBlock, normed_unit
from palimpsest.layers.patchgan import PatchCritic
from palimpsest.layers.tensorflow_conventions import glorot
from palimpsest.learning import edge_phases
from palimpsest.learning.optimisation import Betas, adam_for_groups, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.edge_connect import Loss, step_edges, step_painting

PHASES = edge_phases.PHASES
DILATION = 2
INITIAL_DEVIATION = 0.02


class Config(Settings):
    width: Channels  # channels of the generators' first layer
    residual_blocks: Few
    normalised: bool  # whether G2 has instance normalisation
    leak: Weight  # G2's slope below 0
    hole_colour: HoleColour  # that G2 sees
    colours: Literal["unit", "signed"]  # that G2 sees: in [0, 1] or in [-1, 1]
    critic_width: Channels
    critic_rate: Factor  # learning rate, times the generators'
    sigma: Blur  # px, of Canny's blur
    known_edges: Literal["detected", "predicted"]  # of C_comp, outside the hole
    size_divisor: Literal[4, 16]  # px; 4 takes sides from 12 px
    betas: Betas
    loss: Loss
    schedule: Schedule


def frame(inputs: int, outputs: int) -> nn.Conv2d:
    """7 x 7 with mirrored borders, a generator's first and last layer."""
    return nn.Conv2d(inputs, outputs, 7, padding=3, padding_mode="reflect")


class Generator(nn.Module):
    """(B, inputs, H, W) → (B, outputs, H, W), without an activation. Appendix A."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int, spectral: bool, norm: Norm, leak: float):
        super().__init__()

        def unit(conv: nn.Module) -> list[nn.Module]:
            return normed_unit(spectral_norm(conv) if spectral else conv, norm, leak)

        w = width
        self.encoder = nn.Sequential(
            *unit(frame(inputs, w)),
            *unit(nn.Conv2d(w, 2 * w, 4, stride=2, padding=1)),
            *unit(nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1)),
        )
        self.middle = nn.Sequential(
            *(NormedResidualBlock(4 * w, DILATION, spectral, not spectral, norm, leak) for _ in range(blocks))
        )
        self.decoder = nn.Sequential(
            *unit(nn.ConvTranspose2d(4 * w, 2 * w, 4, stride=2, padding=1)),
            *unit(nn.ConvTranspose2d(2 * w, w, 4, stride=2, padding=1)),
            frame(w, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.middle(self.encoder(x)))


class Model:
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        self.size_divisor = config.size_divisor  # dilated convolutions mirror 2 px of a quarter of the size: it takes 3
        self.derive = partial(edges_of, sigma=config.sigma)
        shape = config.width, config.residual_blocks
        norm = nn.InstanceNorm2d if config.normalised else nn.Identity
        edges = Generator(3, 1, *shape, spectral=True, norm=nn.InstanceNorm2d, leak=0.0)
        painter = Generator(4, 3, *shape, spectral=False, norm=norm, leak=config.leak)
        self.networks = nn.ModuleDict(
            {
                "edge_generator": edges.apply(normal(INITIAL_DEVIATION)),
                "edge_critic": PatchCritic(2, config.critic_width, bias=False),
                "painter": painter.apply(normal(INITIAL_DEVIATION) if config.normalised else glorot),
                "critic": PatchCritic(3, config.critic_width, bias=False),
            }
        )
        self.phase = config.schedule.phases[0].name

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return adam_for_groups(self, edge_phases.GROUPS)

    def begin(self, phase: Phase) -> None:
        """A network that the phase's losses do not reach stays as it is."""
        self.phase = phase.name
        set_rates(self.optimisers, phase, critic=self.config.critic_rate)

    def step(self, image: Tensor, hole: Tensor, true: Tensor, known: Tensor) -> dict[str, Tensor]:
        """One step of the phase's networks; `true` is C_gt, `known` C̃."""
        learning = self.networks, self.optimisers, self.config.loss
        if self.phase == "edges":
            return step_edges(*learning, grey(image), true, self.predict_edges(image, hole, known))
        edges = edge_phases.edges_to_paint(self.phase, true, lambda: self.complete_edges(image, hole, known))
        return step_painting(*learning, image, hole, [self.paint(image, hole, edges)])

    def predict_edges(self, image: Tensor, hole: Tensor, known: Tensor) -> Tensor:
        """C_pred, (B, 1, H, W) in [0, 1]; equation 1. The hole is white in the grey picture."""
        inputs = torch.cat([paste(torch.ones_like(hole), grey(image), hole), known, hole], 1)
        return self.networks["edge_generator"](inputs).sigmoid()

    def complete_edges(self, image: Tensor, hole: Tensor, known: Tensor) -> Tensor:
        """C_comp, (B, 1, H, W)."""
        predicted = self.predict_edges(image, hole, known)
        return paste(predicted, known, hole) if self.config.known_edges == "detected" else predicted

    def paint(self, image: Tensor, hole: Tensor, edges: Tensor) -> Tensor:
        """I_pred, (B, 3, H, W) in [0, 1]; equation 5. Nothing but the colour of the hole tells G2 where it is."""
        x = cover(image, hole, self.config.hole_colour)
        inputs = torch.cat([x if self.config.colours == "unit" else x * 2 - 1, edges], 1)
        return (self.networks["painter"](inputs).tanh() + 1) / 2

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.inspect(image, hole)[0]

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows C_comp, white on black."""
        edges = self.complete_edges(image, hole, canny(image, hole, self.config.sigma))
        return self.paint(image, hole, edges), {"edges": edges.expand_as(image)}
