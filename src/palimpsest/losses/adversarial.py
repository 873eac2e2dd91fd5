"""GAN losses: what the critic and what the generator minimise, computed from raw scores."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class GanLoss:
    critic: Callable[[Tensor, Tensor], Tensor]  # (scores of real, scores of fake) → loss
    generator: Callable[[Tensor], Tensor]  # scores of fake → loss
    penalised: bool  # whether the critic's loss includes the gradient penalty


GAN_LOSSES = {
    # Gulrajani et al. 2017, "Improved Training of Wasserstein GANs"
    "wgan-gp": GanLoss(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean(), penalised=True),
    # Radford et al. 2016, the non-saturating form of Goodfellow et al. 2014
    "dcgan": GanLoss(
        lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        lambda fake: softplus(-fake).mean(),
        penalised=False,
    ),
    # Mao et al. 2016, with a = 0, b = c = 1
    "lsgan": GanLoss(
        lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
        lambda fake: (fake - 1).square().mean() / 2,
        penalised=False,
    ),
    # Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks"
    "hinge": GanLoss(
        lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(), lambda fake: -fake.mean(), penalised=False
    ),
    # GM-SRM, equations 12 and 13 as printed
    "linear": GanLoss(lambda real, fake: (1 - real).mean() + fake.mean(), lambda fake: -fake.mean(), penalised=False),
    # CRFill, equations 1 and 3
    "hinge-on-both": GanLoss(
        lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        lambda fake: relu(1 - fake).mean(),
        penalised=False,
    ),
}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, hole: Tensor) -> Tensor:
    """mean((‖∇D(x̂) ⊙ hole‖₂ − 1)²), x̂ = x + t(x̃ − x), t ~ U[0, 1] a sample: DeepFill v1 equation 4, without λ."""
    t = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(real, fake.to(real.dtype), t).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = ((gradient * hole).square().sum((1, 2, 3)) + 1e-24).sqrt()
    return (norm - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """mean(‖∇D(x)‖²) at real pictures (Mescheder et al. 2018), without the factor γ / 2."""
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def relativistic_average(better: Tensor, worse: Tensor) -> Tensor:
    """[mean((b - mean(w) - 1)²) + mean((w - mean(b) + 1)²)] / 2: what a critic minimises whose b are scores of real.

    With real and fake exchanged, it is what the generator minimises.
    A. Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", ICLR 2019, with
    least squares.
    """
    return ((better - worse.mean() - 1).square().mean() + (worse - better.mean() + 1).square().mean()) / 2
