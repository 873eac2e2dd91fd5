"""EdgeConnect: K. Nazeri et al., "EdgeConnect: Structure Guided Image Inpainting using Edge Prediction", ICCV workshops
2019 (arXiv 1901.00212).

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
- Sides are padded to multiples of 16 px; the released networks need multiples of 4.
- Canny's blur is 1 px for pictures of 64 px.
- G2 of the smoke run goes without normalisation (`normalised: false`): instance normalisation removes the mean level,
  which so few steps do not bring back, and holes stay grey. Its weights then start as Glorot and Bengio have it, and it
  sees signed colours and leaks below 0 (`colours`, `leak`), without which it learns more slowly still.
"""

from functools import cached_property, partial
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.edges import canny, grey
from palimpsest.layers.normed_residual import Norm, NormedResidualBlock, normed_unit
from palimpsest.layers.patchgan import PatchCritic
from palimpsest.layers.tensorflow_conventions import glorot
from palimpsest.learning.optimisation import Betas, adam, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.perceptual import perceptual_and_style_l1, perceptual_l1

FEATURES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # of the perceptual loss
STYLE_FEATURES = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
GAN_LOSS = GAN_LOSSES["dcgan"]
PHASES = ("edges", "painting", "prediction", "joint")
DILATION = 2
INITIAL_DEVIATION = 0.02


class Loss(Settings):
    """Weights of equations 2 and 9; 0 switches a term off."""

    edge_adversarial: NonNegativeFloat
    feature_matching: NonNegativeFloat
    l1: NonNegativeFloat
    adversarial: NonNegativeFloat
    perceptual: NonNegativeFloat
    style: NonNegativeFloat
    critic: PositiveFloat  # of the critics' own losses


class Config(Settings):
    width: PositiveInt  # channels of the generators' first layer
    residual_blocks: PositiveInt
    normalised: bool  # whether G2 has instance normalisation
    leak: NonNegativeFloat  # G2's slope below 0
    colours: Literal["unit", "signed"]  # that G2 sees: in [0, 1] or in [-1, 1]
    critic_width: PositiveInt
    critic_rate: PositiveFloat  # learning rate, times the generators'
    sigma: PositiveFloat  # px, of Canny's blur
    known_edges: Literal["detected", "predicted"]  # of C_comp, outside the hole
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
            *(NormedResidualBlock(4 * w, DILATION, spectral, norm, leak) for _ in range(blocks))
        )
        self.decoder = nn.Sequential(
            *unit(nn.ConvTranspose2d(4 * w, 2 * w, 4, stride=2, padding=1)),
            *unit(nn.ConvTranspose2d(2 * w, w, 4, stride=2, padding=1)),
            frame(w, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.middle(self.encoder(x)))


def initialised(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not is_parametrized(module):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
        nn.init.zeros_(module.bias)


def edges_of(image: Tensor, hole: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """C_gt and C̃, (B, 1, H, W)."""
    return canny(image, torch.zeros_like(hole), sigma), canny(image, hole, sigma)


class Model:
    size_divisor = 16  # the dilated convolutions mirror 2 px of a quarter of the size, which takes 3
    batches = 1

    def __init__(self, config: Config, size: int):
        config.schedule.check_phases(PHASES)
        self.config = config
        self.derive = partial(edges_of, sigma=config.sigma)
        shape = config.width, config.residual_blocks
        norm = nn.InstanceNorm2d if config.normalised else nn.Identity
        edges = Generator(3, 1, *shape, spectral=True, norm=nn.InstanceNorm2d, leak=0.0)
        painter = Generator(4, 3, *shape, spectral=False, norm=norm, leak=config.leak)
        self.networks = nn.ModuleDict(
            {
                "edge_generator": edges.apply(initialised),
                "edge_critic": PatchCritic(2, config.critic_width, bias=False),
                "painter": painter.apply(initialised if config.normalised else glorot),
                "critic": PatchCritic(3, config.critic_width, bias=False),
            }
        )
        self.phase = config.schedule.phases[0].name

    @property
    def reads_features(self) -> bool:
        return self.config.loss.perceptual > 0 or self.config.loss.style > 0

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """One for both generators, which `joint` trains with one loss, and one for both critics."""
        pairs = {"generator": ("edge_generator", "painter"), "critic": ("edge_critic", "critic")}
        return {
            name: adam([value for network in pair for value in self.networks[network].parameters()], self.config.betas)
            for name, pair in pairs.items()
        }

    def begin(self, phase: Phase) -> None:
        """A network that the phase's losses do not reach stays as it is."""
        self.phase = phase.name
        set_rates(self.optimisers, phase, critic=self.config.critic_rate)

    def step(self, image: Tensor, hole: Tensor, true: Tensor, known: Tensor) -> dict[str, Tensor]:
        """One step of the phase's networks; `true` is C_gt, `known` C̃."""
        match self.phase:
            case "edges":
                return self._step_edges(image, hole, true, known)
            case "painting":
                return self._step_painting(image, hole, true)
            case "prediction":
                return self._step_painting(image, hole, self.complete_edges(image, hole, known).detach())
            case "joint":
                return self._step_painting(image, hole, self.complete_edges(image, hole, known))

    def _step_edges(self, image: Tensor, hole: Tensor, true: Tensor, known: Tensor) -> dict[str, Tensor]:
        """The edge critic's step, equation 3, then G1's, equation 2."""
        weight, critic, beside = self.config.loss, self.networks["edge_critic"], grey(image)
        predicted = self.predict_edges(image, hole, known)
        real, fake = torch.cat([beside, true], 1), torch.cat([beside, predicted], 1)
        critic_loss = GAN_LOSS.critic(*critic.compare(real, fake.detach()))
        descend(self.optimisers["critic"], weight.critic * critic_loss)

        with torch.no_grad():
            wanted = critic(real)
        found = critic(fake)
        adversarial = GAN_LOSS.generator(found[-1])
        matching = sum(l1_loss(*maps) for maps in zip(found, wanted, strict=True))  # equation 4
        loss = weight.edge_adversarial * adversarial + weight.feature_matching * matching
        descend(self.optimisers["generator"], loss)
        return {
            "edge_critic": critic_loss,
            "edge_adversarial": adversarial,
            "feature_matching": matching,
            "edge_generator": loss,
        }

    def _step_painting(self, image: Tensor, hole: Tensor, edges: Tensor) -> dict[str, Tensor]:
        """The critic's step, equation 6, then that of G2 and of whatever made `edges`, equation 9."""
        weight, critic = self.config.loss, self.networks["critic"]
        output = self.paint(image, hole, edges)
        critic_loss = GAN_LOSS.critic(*critic.compare(image, output.detach()))
        descend(self.optimisers["critic"], weight.critic * critic_loss)

        terms = {
            "l1": l1_loss(output, image) / hole.mean(),
            "adversarial": GAN_LOSS.generator(critic(output)[-1]),
        }
        if weight.perceptual:
            terms["perceptual"] = perceptual_l1(output, image, FEATURES)  # equation 7
        if weight.style:
            _, terms["style"] = perceptual_and_style_l1([output * hole], image * hole, STYLE_FEATURES)  # equation 8
        loss = sum(getattr(weight, name) * term for name, term in terms.items())
        descend(self.optimisers["generator"], loss)
        return {"critic": critic_loss, **terms, "generator": loss}

    def predict_edges(self, image: Tensor, hole: Tensor, known: Tensor) -> Tensor:
        """C_pred, (B, 1, H, W) in [0, 1]; equation 1. The hole is white in the grey picture."""
        inputs = torch.cat([paste(torch.ones_like(hole), grey(image), hole), known, hole], 1)
        return self.networks["edge_generator"](inputs).sigmoid()

    def complete_edges(self, image: Tensor, hole: Tensor, known: Tensor) -> Tensor:
        """C_comp, (B, 1, H, W)."""
        predicted = self.predict_edges(image, hole, known)
        return paste(predicted, known, hole) if self.config.known_edges == "detected" else predicted

    def paint(self, image: Tensor, hole: Tensor, edges: Tensor) -> Tensor:
        """I_pred, (B, 3, H, W) in [0, 1]; equation 5. The hole is white, and nothing else tells G2 where it is."""
        x = image if self.config.colours == "unit" else image * 2 - 1
        inputs = torch.cat([paste(torch.ones_like(hole), x, hole), edges], 1)
        return (self.networks["painter"](inputs).tanh() + 1) / 2

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.inspect(image, hole)[0]

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows C_comp, white on black."""
        edges = self.complete_edges(image, hole, canny(image, hole, self.config.sigma))
        return self.paint(image, hole, edges), {"edges": edges.expand_as(image)}
