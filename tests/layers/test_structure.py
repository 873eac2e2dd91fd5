"""Structure pictures against a dense solve of the same equations, and what they keep and lose."""

import numpy as np
import pytest
import torch

from palimpsest.inpainting import to_tensors
from palimpsest.layers.structure import StructureConfig, solve, steps, structure, weights


def config(**changes):
    settings = {"side": 64, "strength": 0.015, "sigma": 1.0, "sharpness": 0.001, "passes": 3}
    return StructureConfig(**(settings | changes))


def drawn(height, width):
    return np.random.default_rng(0).random((3, height, width))


def matrix_of_steps(height, width):
    """∂ to the right and down as matrices of pixels in row order."""
    basis = np.eye(height * width).reshape(-1, height, width)
    return [step.reshape(height * width, -1).T for step in steps(basis)]


def test_the_solution_is_that_of_a_dense_solve():
    picture = drawn(7, 5)
    across, down = weights(picture, 1.0, 0.02)
    found = solve(picture, 0.1 * across, 0.1 * down)
    matrix = np.eye(35)
    for step, weight in zip(matrix_of_steps(7, 5), (across, down), strict=True):
        matrix += 0.1 * step.T @ np.diag(weight.ravel()) @ step
    wanted = np.linalg.solve(matrix, picture.reshape(3, -1).T).T.reshape(picture.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_weights_are_the_equations():
    """On a slope of 0.1 a pixel in one colour, away from the border, which the blur mirrors."""
    picture = np.zeros((3, 24, 24))
    picture[0] = 0.1 * np.arange(24) / 3
    across, down = weights(picture, 1.0, 0.001)
    slope = 0.1 / 9  # the mean over colours
    np.testing.assert_allclose(across[8:16, 8:16], 1 / slope**2)
    np.testing.assert_allclose(down[8:16, 8:16], 1 / slope / 0.001)
    assert (across[:, -1] == 0).all() and (down[-1] == 0).all()


def test_a_constant_picture_stays_as_it_is():
    picture = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    torch.testing.assert_close(structure(picture, config()), picture, atol=1e-3, rtol=0)  # of single precision


def test_texture_goes_and_edges_stay():
    picture = torch.full((1, 3, 32, 32), 0.3)
    picture[..., 16:] = 0.7
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    found = structure(picture + 0.1 * (board - 0.5), config())
    torch.testing.assert_close(found, picture, atol=0.03, rtol=0)
    assert found[..., 16:].std() < 0.01 < 0.05 / 2


def test_more_strength_leaves_less_and_none_leaves_all(four):
    image, _ = to_tensors(*four)
    torch.testing.assert_close(structure(image, config(strength=0.0)), image)
    variation = [structure(image, config(strength=s)).diff(dim=3).abs().mean() for s in (0.0, 0.001, 0.1)]
    assert variation[0] > 1.2 * variation[1] > 1.2**2 * variation[2]


@pytest.mark.parametrize("passes", [1, 3])
def test_structure_invents_no_colour_and_keeps_the_mean(four, passes):
    image, _ = to_tensors(*four)
    found = structure(image, config(passes=passes))
    assert found.shape == image.shape and found.dtype == image.dtype
    least, most = image.amin((2, 3)), image.amax((2, 3))
    assert (found.amin((2, 3)) > least - 1e-3).all() and (found.amax((2, 3)) < most + 1e-3).all()
    torch.testing.assert_close(found.mean((2, 3)), image.mean((2, 3)), atol=2e-3, rtol=0)


def test_a_picture_has_the_same_structure_alone(four):
    image, _ = to_tensors(*four)
    assert torch.equal(structure(image, config())[1:2], structure(image[1:2], config()))
