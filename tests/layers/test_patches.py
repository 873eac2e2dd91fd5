import pytest
import torch

from palimpsest.layers.patches import known_patches, piece


def test_known_patches_of_a_centred_square():
    """A patch reaches from 8i - 4 to 8i + 11: 18 of 32 along each side meet a hole from 64 to 191."""
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 64:192, 64:192] = 1
    assert known_patches(hole).sum() == 32**2 - 18**2
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 4, 59] = 1
    missing = ~known_patches(hole)[0, 0]
    assert missing.nonzero().tolist() == [[0, 6], [0, 7], [1, 6], [1, 7]]


def test_patches_that_stay_give_the_picture_back():
    image, hole = torch.rand(2, 3, 48, 64), torch.zeros(2, 1, 48, 64)
    assert torch.allclose(piece(image, hole, torch.zeros(2, 2, 6, 8, dtype=torch.long)), image, atol=1e-6)


def test_a_common_offset_shifts_the_picture():
    image, hole = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    offsets = torch.zeros(1, 2, 8, 8, dtype=torch.long)
    offsets[:, 1, :, :6] = 2
    moved = piece(image, hole, offsets)
    assert torch.allclose(moved[..., 4:36], image[..., 20:52], atol=1e-6)


def test_overlaps_are_averaged():
    image, hole = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    image[..., :32], image[..., 32:] = 0.2, 0.8
    offsets = torch.zeros(1, 2, 8, 8, dtype=torch.long)
    offsets[0, 1, 4, 2] = 4  # one patch of the left takes its pixels from the right
    moved = piece(image, hole, offsets)
    assert moved[0, 0, 34, 18].item() == pytest.approx((3 * 0.2 + 0.8) / 4)  # four patches meet there
    assert moved[0, 0, 34, 50].item() == pytest.approx(0.8)


def test_missing_pixels_never_show_and_nothing_becomes_grey():
    image, hole = torch.full((1, 3, 64, 64), 0.25), torch.zeros(1, 1, 64, 64)
    hole[..., 16:48, 16:48] = 1
    image = torch.where(hole > 0, 0.9, image)
    stay = piece(image, hole, torch.zeros(1, 2, 8, 8, dtype=torch.long))
    assert set(stay[0, 0].flatten().tolist()) == {0.25, 0.5}
    assert (stay[0, 0] == 0.5).sum() == 32 * 32
