"""CRFill: Y. Zeng et al., "Image Inpainting with Contextual Reconstruction Loss", 2020 (at ICCV 2021 as "CR-Fill").

Code: https://github.com/zengxianyu/crfill.

Sections 3 (networks, losses) and 4 (contextual reconstruction loss); released code, branches `master` and `main`.

    X, U          image, image with the hole at 0, both in [-1, 1]
    M             hole
    Y             output of the refinement network; Y ∘ M + U the result
    s(u_i)        patch of the similarity encoder's features; s_ij the cosine of two, equation 4
    f(u_i)        patch of the auxiliary encoder's features; f̄ its replacement, equation 5
    V             patches of the known region
    A(U)          auxiliary image, equation 6
    α, β, λ       `similarity.scale`, `loss.refinement`, `loss.reconstruction`

The generator is DeepFill v2's without attention (`layers/gated_generator.py`). The similarity encoder and the auxiliary
network only help to train it: with λ = 0 this is the paper's Baseline, and both fill a hole with the same network.

Departures
- Widths count channels after gating, half of the released code's 48.
- The generator's adversarial loss is -D, as in the released code; equation 3 has ReLU(1 - D) (`adversarial:
  hinge-on-both`).
- A(U) has its own critic, as in the released code; the paper uses D again.
- For pictures near 512 px the released code has a network whose coarse part always works at half the size
  (`generator.coarse_at_half_above: 0`); in its others it never does (`null`).
- Patches reach over the picture's edge, where features repeat their border: n² patches on n x n places. The released
  code's master branch takes only the (n - 1)² patches inside.
- Overlapping patches are divided by their count; the released code leaves the sum to the next convolution.
- Only fully known patches can replace others, and hole patches get -inf. In the released code a patch that is more than
  half known may also be replaced by any better known one, and patches that may not be used get score 0.
- The released code passes the generator's features to the similarity without an encoder, and it normalises not the
  patches but the map (or each channel of a patch), on one side only. `similarity.encoder: false` and
  `similarity.normalisation: map` or `patch-channel` reproduce both.
- Critics and generator step on the same batch, from one pass of the generator; the released code draws a new hole in
  between.
- One batch size in all phases, 48; the released code uses 96 in two of them. Iterations are its epochs over 1.8 million
  pictures.
- Critics start from uniform Glorot weights; the released code initialises them like the generator. With spectral
  normalisation only the shape of the distribution matters.
- DeepFill v2 - CA + CR (`deepfill-v2-cr`) trains with the loss from the start, as DeepFill v2 trains; the released code
  starts from a trained base.
- One set of pictures serves all methods of a profile, at one scale; the released code crops from pictures of `scale:
  640`.
- The pictures of salient objects that the paper adds to Places2 are not among the data.
"""

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, normalize, relu

from palimpsest.config.numbers import Factor, Weight
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import attention
from palimpsest.layers.gated import GatedConv, gated_up
from palimpsest.layers.gated_generator import Generator, GeneratorConfig
from palimpsest.layers.pasting import Canvas
from palimpsest.layers.patches import STRIDE, known_patches, quarter_patches, relative_to_own
from palimpsest.layers.sn_patchgan import Critic, CriticConfig
from palimpsest.learning.optimisation import Betas, adam_for_groups, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.weights import Weights

CHUNK = 1024  # patches whose references are searched for at once
PHASES = ("coarse", "refinement", "all", "reconstruction")


class SimilarityConfig(Settings):
    """How patches are compared; the released code has no encoder, and any normalisation except `patch`."""

    encoder: bool
    normalisation: Literal["patch", "map", "patch-channel"]
    scale: Factor  # α


class Loss(Weights):
    """Weights of the terms; with `reconstruction: 0.0` this is the Baseline."""

    coarse: Weight  # l1 of the coarse output
    refinement: Weight  # β: l1 of the refined output, and of the auxiliary image within its loss
    adversarial: Weight
    critic: Factor  # of the critics' own loss
    reconstruction: Weight  # λ


class Config(Settings):
    generator: GeneratorConfig
    critic: CriticConfig
    similarity: SimilarityConfig
    initial_gain: Factor  # of the Xavier initialisation
    adversarial: Literal["hinge", "hinge-on-both"]
    betas: Betas
    loss: Loss
    schedule: Schedule


class SimilarityEncoder(nn.Sequential):
    """Generator features (B, 4 · width, H / 4, W / 4) → features to compare, same shape, none below 0."""

    def __init__(self, width: int):
        super().__init__(GatedConv(4 * width, 4 * width, kernel=5), GatedConv(4 * width, 4 * width, activation=relu))


class AuxiliaryEncoder(nn.Module):
    """A picture (B, 3, H, W) → features F (B, width, H, W), with two skip connections. Figure 5."""

    def __init__(self, width: int):
        super().__init__()
        w = width
        self.at_full = GatedConv(3, w, kernel=5)
        self.at_half = nn.Sequential(GatedConv(w, 2 * w, stride=2), GatedConv(2 * w, 2 * w))
        self.at_quarter = GatedConv(2 * w, 4 * w, stride=2)
        self.to_half, self.join_half = gated_up(4 * w, 2 * w), GatedConv(4 * w, 2 * w)
        self.to_full, self.join_full = gated_up(2 * w, w), GatedConv(2 * w, w)

    def forward(self, picture: Tensor) -> Tensor:
        full = self.at_full(picture)
        half = self.at_half(full)
        joined = self.join_half(torch.cat([self.to_half(self.at_quarter(half)), half], 1))
        return self.join_full(torch.cat([self.to_full(joined), full], 1))


class Auxiliary(nn.Module):
    """A result (B, 3, H, W) and the patches' weights (B, N, N) → A(U), (B, 3, H, W) in [-1, 1]. Equations 5 and 6."""

    def __init__(self, width: int):
        super().__init__()
        self.encoder = AuxiliaryEncoder(width)
        self.decoder = nn.Sequential(GatedConv(width, width), nn.Conv2d(width, 3, 3, padding=1), nn.Tanh())

    def forward(self, result: Tensor, weights: Tensor) -> Tensor:
        return self.decoder(replace_patches(self.encoder(result), weights))


def compared(features: Tensor, normalisation: str) -> tuple[Tensor, Tensor]:
    """4 x 4 patches at stride 2 as two sets of vectors, for i and for j, whose products are s_ij of equation 4.

    (B, C, h, w) → (B, 16 · C, N) twice, N = h · w / 4.
    """
    patches = quarter_patches(features)
    match normalisation:
        case "patch":
            scaled = normalize(patches, dim=1)
            return scaled, scaled
        case "map":
            norm = features.square().sum((2, 3), keepdim=True).clamp_min(1e-8).sqrt()
            return patches, quarter_patches(features / norm)
        case "patch-channel":
            return patches, normalize(patches.unflatten(1, (features.shape[1], -1)), dim=2).flatten(1, 2)


def replace_patches(features: Tensor, weights: Tensor) -> Tensor:
    """f̄ at all patches, put together again: (B, C, H, W) and weights (B, N, N) → (B, C, H, W). Equation 5.

    Beyond the edge the features repeat their border, as those that are compared do.
    """
    canvas = Canvas(features, STRIDE, border="replicate")
    canvas.paste(weights, 0, features.shape[2] // STRIDE)
    return canvas.picture("counted")


def initialised(network: nn.Module, gain: float) -> nn.Module:
    """The network with Xavier weights, normally distributed, and biases of 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_normal_(module.weight, gain)
            nn.init.zeros_(module.bias)
    return network


class Model:
    size_divisor = 8
    batches = 1

    def __init__(self, config: Config, size: int):
        if config.loss.reconstruction and all(phase.name != "reconstruction" for phase in config.schedule.phases):
            raise InputError("loss.reconstruction has a weight and schedule.phases no phase 'reconstruction'")
        self.config = config
        width, gain = config.generator.width, config.initial_gain
        generators = {"generator": initialised(Generator(config.generator, None), gain)}
        critics = {"critic": Critic(config.critic)}
        if config.loss.reconstruction:
            generators["auxiliary"] = initialised(Auxiliary(width), gain)
            critics["auxiliary_critic"] = Critic(config.critic)
            if config.similarity.encoder:
                generators["similarity_encoder"] = initialised(SimilarityEncoder(width), gain)
        self.networks = nn.ModuleDict({**generators, **critics})
        self.phase = "all"

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """One for the critics, one for all other networks."""
        groups = {"critics": [], "generator": []}
        for name, network in self.networks.items():
            groups["critics" if isinstance(network, Critic) else "generator"].append(name)
        return adam_for_groups(self, groups)

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]

    def begin(self, phase: Phase) -> None:
        """Trains the coarse network alone, the refinement network alone, both, or both with the CR loss."""
        self.phase = phase.name
        set_rates(self.optimisers, phase, critics=self.config.critic.rate)
        self.generator.coarse.requires_grad_(phase.name != "refinement")

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        x = image * 2 - 1
        if self.phase == "coarse":
            coarse = l1_loss(self.generator.predict_coarse(x, hole), x)
            descend(self.optimisers["generator"], self.config.loss.coarse * coarse)
            return {"l1_coarse": coarse}
        return self._step_all(x, hole)

    def _step_all(self, x: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critics' step, equation 1, then the generator's, equation 2."""
        weight, gan_loss = self.config.loss, GAN_LOSSES[self.config.adversarial]
        x1, x2, features, _ = self.generator(x, hole)
        results = {"critic": paste(x2, x, hole)}
        if reconstructs := self.phase == "reconstruction" and "auxiliary" in self.networks:
            weights = self.weights(features, hole)
            auxiliary = self.networks["auxiliary"](results["critic"], weights)
            results["auxiliary_critic"] = paste(auxiliary, x, hole)

        critic_loss = [
            gan_loss.critic(*self.networks[name].compare(x, fake.detach(), hole)) for name, fake in results.items()
        ]
        descend(self.optimisers["critics"], weight.critic * sum(critic_loss))

        coarse, refined = l1_loss(x1, x), l1_loss(x2, x)
        adversarial = [gan_loss.generator(self.networks[name](fake, hole)) for name, fake in results.items()]
        loss = weight.refinement * refined + weight.adversarial * adversarial[0] + weight.coarse * coarse
        log = {"critic": critic_loss[0], "l1_coarse": coarse, "l1_refined": refined, "adversarial": adversarial[0]}
        if reconstructs:
            reconstructed = l1_loss(auxiliary, x)
            loss = loss + weight.reconstruction * (
                weight.refinement * reconstructed + weight.adversarial * adversarial[1]
            )
            log |= {
                "auxiliary_critic": critic_loss[1],
                "l1_auxiliary": reconstructed,
                "adversarial_auxiliary": adversarial[1],
            }
        descend(self.optimisers["generator"], loss)
        return {**log, "generator": loss}

    def compared(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """`compared` of the similarity encoder's features, or of the generator's where there is no encoder."""
        encoder = self.networks["similarity_encoder"] if "similarity_encoder" in self.networks else nn.Identity()
        return compared(encoder(features), self.config.similarity.normalisation)

    def weights(self, features: Tensor, hole: Tensor) -> Tensor:
        """softmax over V of α s_ij, equation 5: (B, N, N), row i, column j."""
        queries, keys = self.compared(features)
        return attention(self.config.similarity.scale * queries.mT @ keys, known_patches(hole), "exclude")

    def references(self, features: Tensor, hole: Tensor) -> Tensor:
        """Offsets of the most similar known patches, i* = argmax over V of s_ij: section 4, "Explanation"."""
        known = known_patches(hole)
        queries, keys = self.compared(features)
        unknown = ~known.flatten(2)
        chunks = [(some.mT @ keys).masked_fill(unknown, -torch.inf).argmax(2) for some in queries.split(CHUNK, 2)]
        return relative_to_own(torch.cat(chunks, 1), *known.shape[2:])

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return (self.generator(image * 2 - 1, hole).x2 + 1) / 2

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the coarse prediction and the most similar known patches."""
        x1, x2, features, _ = self.generator(image * 2 - 1, hole)
        return (x2 + 1) / 2, {"coarse": (x1 + 1) / 2, "offsets": self.references(features, hole)}
