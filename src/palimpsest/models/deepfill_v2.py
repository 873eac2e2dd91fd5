"""DeepFill v2: J. Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019 (arXiv 1806.03589).

Code: https://github.com/JiahuiYu/generative_inpainting.

Sections 3.1 (gated convolution), 3.2 (networks) and 3.3 (SN-PatchGAN); released code, version 2.0.0. The networks are
in `layers/gated_generator.py` and `layers/sn_patchgan.py`.

    x, z          image, image with the hole at 0, both in [-1, 1]
    m             hole
    x1, x2        outputs of the coarse and the refinement network
    x̃             result: x2 in the hole, z elsewhere

Departures
- Widths count channels after gating, half of the released code's 48.
- As in the released code, the refinement network sees only the pasted colours, without the hole, and a plane of ones
  takes the place of the channel for user-drawn edges.
- Stride-2 convolutions pad both sides alike; TensorFlow pads more after than before (`generator.padding` and
  `critic.padding: tensorflow`).
- Attention takes every second pixel of its features, and every fourth and then every second of the hole; the released
  code aligns the corners instead (`attention.sampling: aligned`). Its weights need this and TensorFlow's padding.
- Attention excludes hole patches with -inf and divides overlapping patches by their true count; the released code
  multiplies scores by 0 and divides by 4 (`attention.masking: multiply`, `attention.overlap: constant`).
- Critic and generator step on the same batch, from one pass of the generator; the released code draws a batch for each.
- Each sample has its own hole; the released code shares one across a batch (`schedule.one_hole_a_batch: true`).
- For pictures larger than `generator.coarse_at_half_above` px the coarse network works at half size, as in CRFill's
  released code.
- The flip of the strokes, which has no effect in the released code, is left out.
- What mmagic released as DeepFill v2 is another network, whose weights cannot be read: its stage 2 sees the hole too,
  its decoder narrows earlier, and its last layer is gated.
- 500,000 iterations are our reading of "until convergence".
"""

from functools import cached_property, partial
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from palimpsest.config.numbers import Factor, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import Options
from palimpsest.layers.gated_generator import Generator, GeneratorConfig
from palimpsest.layers.sn_patchgan import Critic, CriticConfig
from palimpsest.layers.tensorflow_conventions import glorot
from palimpsest.learning.optimisation import Betas, adam_for_each, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.weights import Weights


class Loss(Weights):
    """Weights of the terms."""

    coarse: Weight  # l1 of x1
    refinement: Weight  # l1 of x2
    adversarial: Weight
    critic: Factor  # of the critic's own loss


class Config(Settings):
    generator: GeneratorConfig
    attention: Options
    critic: CriticConfig
    initial_gain: Factor  # of the generator's Glorot initialisation
    adversarial: Literal["hinge", "hinge-on-both"]
    betas: Betas
    loss: Loss
    schedule: Schedule


class Model:
    size_divisor = 8
    batches = 1

    def __init__(self, config: Config, size: int):
        self.config = config
        generator = Generator(config.generator, config.attention).apply(partial(glorot, gain=config.initial_gain))
        self.networks = nn.ModuleDict({"generator": generator, "critic": Critic(config.critic)})

    optimisers = cached_property(adam_for_each)

    def begin(self, phase: Phase) -> None:
        """Both networks train jointly; a phase sets only their learning rates."""
        set_rates(self.optimisers, phase, critic=self.config.critic.rate)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critic's step, then the generator's."""
        weight, gan_loss, critic = self.config.loss, GAN_LOSSES[self.config.adversarial], self.networks["critic"]
        x = image * 2 - 1
        x1, x2, _, _ = self.networks["generator"](x, hole)
        result = paste(x2, x, hole)
        critic_loss = gan_loss.critic(*critic.compare(x, result.detach(), hole))
        descend(self.optimisers["critic"], weight.critic * critic_loss)

        coarse, refined = l1_loss(x1, x), l1_loss(x2, x)
        adversarial = gan_loss.generator(critic(result, hole))
        loss = weight.coarse * coarse + weight.refinement * refined + weight.adversarial * adversarial
        descend(self.optimisers["generator"], loss)
        return {
            "critic": critic_loss,
            "l1_coarse": coarse,
            "l1_refined": refined,
            "adversarial": adversarial,
            "generator": loss,
        }

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.networks["generator"](image * 2 - 1, hole).x2 + 1) / 2

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the coarse prediction and the patches that attention weighs most.

        Attention takes a patch for known where the hole is 0 at nine sampled pixels; others in it may be missing.
        """
        x1, x2, _, offsets = self.networks["generator"](image * 2 - 1, hole)
        return (x2 + 1) / 2, {"coarse": (x1 + 1) / 2, "offsets": offsets}
