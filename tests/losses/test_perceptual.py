import pytest
import torch
from torch.nn.functional import l1_loss

from palimpsest.layers.feature_networks import perceptual
from palimpsest.losses.perceptual import perceptual_l1

LAYERS = ("relu1_1", "conv3_1")


def pictures(seed):
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_sum_of_the_layers_mean_differences(features):
    trunk, one, other = perceptual(features), pictures(0), pictures(1)
    wanted = sum(l1_loss(trunk(one, [name])[name], trunk(other, [name])[name]).item() for name in LAYERS)
    assert wanted > 0
    assert perceptual_l1(one, other, LAYERS).item() == pytest.approx(wanted, rel=1e-5)
    assert perceptual_l1(one, one, LAYERS).item() == 0


def test_the_prediction_alone_has_a_gradient(features):
    one, other = pictures(0).requires_grad_(), pictures(1).requires_grad_()
    perceptual_l1(one, other, LAYERS).backward()
    assert one.grad.abs().sum() > 0
    assert other.grad is None
