import pytest
import torch

from palimpsest.losses.reconstruction import (
    hole_variation,
    known_l1,
    spatial_discount,
    total_variation,
    weighted_l1,
)


@pytest.mark.parametrize(
    ("gamma", "centre", "total"), [(0.9, 0.00117902, 4143.850072), (0.99, 0.52559649, 13370.767409)]
)
def test_the_discount_is_that_of_the_released_code(gamma, centre, total):
    weight = spatial_discount(128, gamma)[0, 0].double()
    assert weight[0, 0] == 1
    assert weight[1, 1].item() == pytest.approx(gamma) == weight[127, 127].item()
    assert weight[64, 64].item() == pytest.approx(centre, rel=1e-5)
    assert weight.sum().item() == pytest.approx(total, rel=1e-6)


def test_weighted_l1_weighs_every_element():
    image, weight = torch.zeros(2, 3, 4, 4), torch.arange(16.0).view(1, 1, 4, 4)
    assert weighted_l1(image + 0.5, image, weight).item() == pytest.approx(0.5 * 7.5)


def test_known_l1_is_the_mean_over_known_pixels():
    image, hole = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    hole[..., :2] = 1
    assert known_l1(image + 0.25, image, hole).item() == pytest.approx(0.25)
    assert known_l1(image + hole, image, hole).item() == 0


def test_total_variation_of_stripes():
    stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 3, 8, 8)
    assert total_variation(stripes).item() == 1
    assert total_variation(torch.full((1, 3, 8, 8), 0.3)).item() == 0


def test_variation_about_the_hole_counts_neighbours_within_a_pixel_of_it():
    """A hole of 2 x 2 reaches 4 x 4: twelve neighbours side by side, twelve above one another."""
    steps, hole = torch.arange(8.0).expand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    hole[..., 3:5, 3:5] = 1
    assert hole_variation(steps, hole).item() == pytest.approx(12 / 64)
    assert hole_variation(steps + 2 * steps.mT, hole).item() == pytest.approx(3 * 12 / 64)
    far = steps.clone()
    far[..., 6:] += 100
    assert hole_variation(far, hole) == hole_variation(steps, hole)
