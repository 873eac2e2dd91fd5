import torch

from layers.textbook_neighbour_means import textbook_distance, textbook_resemblance
from palimpsest.layers.neighbour_means import by_distance, by_resemblance


def test_means_over_neighbours_are_the_textbook_form():
    x = torch.randn(2, 5, 9, 7, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(by_distance(x), textbook_distance(x))
    torch.testing.assert_close(by_resemblance(x), textbook_resemblance(x))
    flat = torch.full((1, 2, 6, 6), 0.7)
    torch.testing.assert_close(by_distance(flat), flat)
    torch.testing.assert_close(by_resemblance(flat)[..., 1:-1, 1:-1], flat[..., 1:-1, 1:-1])
