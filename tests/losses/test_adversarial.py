import math

import pytest
import torch
from torch import nn

from palimpsest.losses.adversarial import GAN_LOSSES, gradient_penalty, r1_penalty, relativistic_average


class Linear(nn.Module):
    """D(x) = ⟨a, x⟩."""

    def __init__(self, a):
        super().__init__()
        self.a = nn.Parameter(a)

    def forward(self, x):
        return (self.a * x).sum((1, 2, 3))[:, None]


def test_the_penalty_of_a_linear_critic_has_a_closed_form():
    torch.manual_seed(0)
    a, hole = torch.randn(3, 8, 8), torch.zeros(2, 1, 8, 8)
    hole[0, :, :4], hole[1, :, 2:3] = 1, 1
    expected = sum(((a * h).norm() - 1) ** 2 for h in hole) / 2
    for _ in range(3):
        penalty = gradient_penalty(Linear(a), torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), hole)
        assert penalty.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_penalty_sees_nothing_outside_the_hole():
    torch.manual_seed(0)
    critic, hole = Linear(torch.randn(3, 8, 8)), torch.zeros(2, 1, 8, 8)
    hole[:, :, :4] = 1
    gradient_penalty(critic, torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), hole).backward()
    assert (critic.a.grad[:, 4:] == 0).all()
    assert (critic.a.grad[:, :4] != 0).all()


def test_a_critic_of_slope_zero_has_a_finite_gradient():
    critic = Linear(torch.zeros(3, 4, 4))
    penalty = gradient_penalty(critic, torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4), torch.ones(1, 1, 4, 4))
    penalty.backward()
    assert penalty.item() == pytest.approx(1)
    assert critic.a.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "critic", "generator"),
    [
        ("wgan-gp", 0.5 - 2.0, -0.5),
        ("dcgan", math.log1p(math.exp(-2.0)) + math.log1p(math.exp(0.5)), math.log1p(math.exp(-0.5))),
        ("lsgan", ((2 - 1) ** 2 + 0.5**2) / 2, (0.5 - 1) ** 2 / 2),
        ("hinge", 0 + 1.5, -0.5),
        ("hinge-on-both", 0 + 1.5, 0.5),
    ],
)
def test_the_games_in_closed_form(name, critic, generator):
    real, fake = torch.full((3, 1), 2.0), torch.full((3, 1), 0.5)
    assert GAN_LOSSES[name].critic(real, fake).item() == pytest.approx(critic, rel=1e-6)
    assert GAN_LOSSES[name].generator(fake).item() == pytest.approx(generator, rel=1e-6)
    assert GAN_LOSSES[name].penalised == (name == "wgan-gp")


@pytest.mark.parametrize("name", ["hinge", "hinge-on-both"])
@pytest.mark.parametrize(("real", "fake", "critic"), [(2.0, -2.0, 0.0), (0.25, -2.0, 0.75), (2.0, 0.0, 1.0)])
def test_a_hinge_leaves_scores_beyond_one_alone(name, real, fake, critic):
    assert GAN_LOSSES[name].critic(torch.full((2, 4, 3, 3), real), torch.full((2, 4, 3, 3), fake)).item() == critic


def test_r1_of_a_linear_critic_is_the_norm_of_its_weights():
    generator = torch.Generator().manual_seed(0)
    weight, real = torch.randn(3 * 4 * 4, generator=generator), torch.rand(2, 3, 4, 4, generator=generator)
    penalty = r1_penalty(lambda x: x.flatten(1) @ weight, real)
    assert penalty.item() == pytest.approx(weight.square().sum().item(), rel=1e-5)


def test_scores_are_measured_against_the_mean_of_the_others():
    """Better by 1 on the average costs nothing; how scores scatter does."""
    better, worse = torch.tensor([2.0, 4.0]), torch.tensor([1.0, 3.0])
    assert relativistic_average(better, worse).item() == ((1 + 1) / 2 + (1 + 1) / 2) / 2
    assert relativistic_average(worse, better).item() == ((9 + 1) / 2 + (9 + 1) / 2) / 2
    assert relativistic_average(torch.full((3,), 5.0), torch.full((2,), 4.0)).item() == 0
