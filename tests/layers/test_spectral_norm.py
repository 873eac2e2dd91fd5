"""Spectral normalisation: a norm of 1, and a step of the power method that is kept in training alone."""

import pytest
import torch
from torch import nn

from palimpsest.layers.spectral_norm import spectral_norm


def test_the_largest_singular_value_of_each_first_axis_becomes_one():
    torch.manual_seed(0)
    for conv in (nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(3, 8, 3)):
        spectral_norm(conv)
        for _ in range(100):
            trained = conv.weight.flatten(1)
        assert torch.linalg.matrix_norm(trained, 2).item() == pytest.approx(1, abs=1e-4)


def test_a_refreshed_pass_steps_from_the_kept_vectors_and_keeps_them():
    torch.manual_seed(0)
    conv = spectral_norm(nn.Conv2d(4, 6, 3))
    norm, matrix = conv.parametrizations.weight[0], conv.parametrizations.weight.original.flatten(1)
    norm._u.normal_()
    kept = norm._u.clone(), norm._v.clone()
    v = matrix.T @ kept[0] / (matrix.T @ kept[0]).norm()
    u = matrix @ v / (matrix @ v).norm()
    conv.eval()
    still = conv.weight.flatten(1)
    torch.testing.assert_close(still, matrix / (kept[0] @ matrix @ kept[1]))
    norm.refreshed = True
    torch.testing.assert_close(conv.weight.flatten(1), matrix / (u @ matrix @ v))
    assert not torch.allclose(conv.weight.flatten(1), still, rtol=0.01)
    assert torch.equal(norm._u, kept[0]) and torch.equal(norm._v, kept[1])
    conv.train()
    assert conv.weight is not None and not torch.equal(norm._u, kept[0])
