import torch

from palimpsest.config import runs
from palimpsest.layers.patches import known_patches
from palimpsest.models import create


def chosen(params, name, hole):
    """The patches (row, column) by which each patch is replaced."""
    _, shown = create(runs.resolve(params, name), 64).inspect(torch.rand(len(hole), 3, 64, 64), hole)
    down, across = shown["offsets"].unbind(1)
    return down + torch.arange(8)[:, None], across + torch.arange(8)


def centred():
    hole = torch.zeros(2, 1, 64, 64)
    hole[:, :, 20:44, 20:44] = 1
    return hole


def test_only_known_patches_are_chosen(params):
    for name in ("nearest-patches", "random-patches"):
        down, across = chosen(params, name, centred())
        assert all(known_patches(centred())[i, 0, down[i], across[i]].all() for i in range(2))


def test_the_nearest_is_the_patch_itself_or_the_closest_edge_of_the_hole(params):
    down, across = chosen(params, "nearest-patches", centred())
    own = torch.arange(8).expand(8, 8)
    known = known_patches(centred())[:, 0]
    assert torch.equal(down[known], own.T.expand(2, 8, 8)[known]) and torch.equal(
        across[known], own.expand(2, 8, 8)[known]
    )
    assert known.logical_not().sum() == 2 * 16  # rows and columns 2 to 5
    assert (down[0, 2, 3], across[0, 2, 3]) == (1, 3) and (down[0, 4, 5], across[0, 4, 5]) == (4, 6)


def test_random_ones_are_of_every_place(params):
    down, across = chosen(params, "random-patches", centred())
    assert len({(y, x) for y, x in zip(down[0].flatten().tolist(), across[0].flatten().tolist(), strict=True)}) > 20
