"""EdgeConnect's losses, equations 2 to 9, and the two steps that descend along them; E2I's networks learn so too.

K. Nazeri et al., "EdgeConnect: Structure Guided Image Inpainting using Edge Prediction", ICCV workshops 2019. Both
steps take the networks `edge_generator`, `edge_critic`, `painter` and `critic`, and the optimisers of
learning/edge_phases.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from palimpsest.config.numbers import Factor, Weight
from palimpsest.learning.optimisation import descend
from palimpsest.losses.adversarial import GAN_LOSSES
from palimpsest.losses.perceptual import perceptual_and_style_l1, perceptual_l1
from palimpsest.losses.weights import Weights

FEATURES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # of the perceptual loss
STYLE_FEATURES = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
GAN_LOSS = GAN_LOSSES["dcgan"]

Optimisers = dict[str, torch.optim.Optimizer]


class Loss(Weights):
    """Weights of equations 2 and 9; 0 switches a term off."""

    edge_adversarial: Weight
    feature_matching: Weight
    l1: Weight
    adversarial: Weight
    perceptual: Weight
    style: Weight
    critic: Factor  # of the critics' own losses


def step_edges(
    networks: nn.ModuleDict, optimisers: Optimisers, weight: Loss, beside: Tensor, true: Tensor, predicted: Tensor
) -> dict[str, Tensor]:
    """The edge critic's step, equation 3, then the edge generator's, equation 2.

    The critic sees edges, (B, 1, H, W), `beside` the grey picture.
    """
    critic = networks["edge_critic"]
    real, fake = torch.cat([beside, true], 1), torch.cat([beside, predicted], 1)
    critic_loss = GAN_LOSS.critic(*critic.compare(real, fake.detach()))
    descend(optimisers["critic"], weight.critic * critic_loss)

    with torch.no_grad():
        wanted = critic(real)
    found = critic(fake)
    adversarial = GAN_LOSS.generator(found[-1])
    matching = sum(l1_loss(*maps) for maps in zip(found, wanted, strict=True))  # equation 4
    loss = weight.edge_adversarial * adversarial + weight.feature_matching * matching
    descend(optimisers["generator"], loss)
    return {
        "edge_critic": critic_loss,
        "edge_adversarial": adversarial,
        "feature_matching": matching,
        "edge_generator": loss,
    }


def step_painting(
    networks: nn.ModuleDict,
    optimisers: Optimisers,
    weight: Loss,
    image: Tensor,
    hole: Tensor,
    outputs: Sequence[Tensor],
) -> dict[str, Tensor]:
    """The critic's step, equation 6, then that of the painter and of whatever made its edges, equation 9.

    Every output, (B, 3, H, W) in [0, 1], is in the l1; the last is the painter's result.
    """
    critic, output = networks["critic"], outputs[-1]
    critic_loss = GAN_LOSS.critic(*critic.compare(image, output.detach()))
    descend(optimisers["critic"], weight.critic * critic_loss)

    terms = {
        "l1": sum(l1_loss(found, image) for found in outputs) / hole.mean().clamp_min(1 / hole.numel()),
        "adversarial": GAN_LOSS.generator(critic(output)[-1]),
    }
    if weight.perceptual:
        terms["perceptual"] = perceptual_l1(output, image, FEATURES)  # equation 7
    if weight.style:
        _, terms["style"] = perceptual_and_style_l1([output * hole], image * hole, STYLE_FEATURES)  # equation 8
    loss = weight.total(terms)
    descend(optimisers["generator"], loss)
    return {"critic": critic_loss, **terms, "generator": loss}
