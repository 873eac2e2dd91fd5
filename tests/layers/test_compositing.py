"""Known pixels put back, and their colour."""

import torch

from palimpsest.layers.compositing import cover, mean_colour, paste


def test_known_pixels_are_put_back_bit_by_bit():
    torch.manual_seed(0)
    output, image = torch.rand(2, 2, 3, 4, 4).unbind(0)
    hole = (torch.rand(2, 1, 4, 4) > 0.5).float()
    result = paste(output, image, hole)
    assert torch.equal(result, torch.where(hole > 0, output, image))


def test_the_mean_colour_is_that_of_the_weighted_pixels_alone():
    image = torch.tensor([[0.2, 0.4, 0.9], [0.1, 0.3, 0.9], [0.0, 1.0, 0.9]]).view(1, 3, 1, 3)
    found = mean_colour(image, torch.tensor([3.0, 1.0, 0.0]).view(1, 1, 1, 3))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.25, 0.15, 0.25]))
    assert not mean_colour(image, torch.zeros(1, 1, 1, 3)).any()


def test_holes_are_covered_with_one_colour_and_known_pixels_kept():
    torch.manual_seed(0)
    image, hole = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    hole[..., 2:5, 3:] = 1
    inside = hole.bool().expand_as(image)
    for colour, level in (("black", 0.0), ("white", 1.0), ("grey", 0.5)):
        covered = cover(image, hole, colour)
        assert (covered[inside] == level).all() and torch.equal(covered[~inside], image[~inside])
    known = image[1][:, ~hole[1, 0].bool()].mean(1)
    torch.testing.assert_close(cover(image, hole, "mean")[1, :, 3, 4], known)
