import torch

from palimpsest.layers.local_crops import crop_about


def test_the_square_of_a_shrunk_hole_is_found_again():
    hole = torch.zeros(3, 1, 64, 64)
    places = [(0, 0, 2, 4), (31, 17, 0, 3), (10, 31, 4, 0)]
    for sample, (top, left, dy, dx) in enumerate(places):
        hole[sample, :, top + dy : top + 32 - dy, left + dx : left + 32 - dx] = 1
    rows = torch.arange(64.0).view(1, 1, 64, 1).expand(3, 1, 64, 64)
    columns = rows.transpose(2, 3)
    for i, (top, left, _, _) in enumerate(places):
        y, x = crop_about(hole, 32, rows, columns)
        assert y[i, 0, :, 0].tolist() == list(range(top, top + 32))
        assert x[i, 0, 0].tolist() == list(range(left, left + 32))


def test_the_square_stays_inside_the_picture():
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 60:, :3] = 1
    (rows,) = crop_about(hole, 32, torch.arange(64.0).view(1, 1, 64, 1).expand(1, 1, 64, 64))
    assert rows[0, 0, :, 0].tolist() == list(range(32, 64))
