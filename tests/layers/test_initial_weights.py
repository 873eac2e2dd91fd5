"""How the weights of convolutions start."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.layers.initial_weights import he, normal


@pytest.mark.parametrize("layer", [nn.Conv2d(64, 32, 5), nn.ConvTranspose2d(64, 32, 5)])
def test_deviations_are_as_asked_for_and_biases_0(layer):
    torch.manual_seed(0)
    layer.apply(normal(0.3))
    assert layer.weight.std().item() == pytest.approx(0.3, rel=0.02) and not layer.bias.any()


def test_he_keeps_the_size_of_a_signal_through_relu():
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.Sequential(nn.Conv2d(64, 64, 1), nn.ReLU()) for _ in range(10))).apply(he)
    x = torch.randn(8, 64, 4, 4)
    assert layers(x).square().mean().item() == pytest.approx(1, rel=0.5)


def test_weights_under_spectral_normalisation_stay_as_they_are():
    layer = spectral_norm(nn.Conv2d(2, 3, 3))
    before = layer.parametrizations.weight.original.clone()
    layer.apply(normal(0.3))
    assert torch.equal(layer.parametrizations.weight.original, before)
