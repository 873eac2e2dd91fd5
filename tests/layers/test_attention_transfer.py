import pytest
import torch

from layers.textbook_transfer import textbook_transfer
from palimpsest.layers.attention_transfer import transfer
from palimpsest.layers.contextual_attention import patch_sum


def maps():
    torch.manual_seed(0)
    return torch.randn(2, 3, 16, 20).double(), torch.randn(2, 4, 8, 10).double()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("everywhere", [True, False])
def test_it_is_the_textbook_form_in_one_chunk_or_many(kernel, everywhere, monkeypatch):
    shallow, deep = maps()
    hole = torch.zeros(2, 1, 8, 10).double()
    if not everywhere:
        hole[0, :, 2:6, 3:7] = hole[1, :, :4] = 1
    valid = (hole if kernel == 1 else patch_sum(hole)) == 0
    wanted = textbook_transfer(shallow, deep, hole, kernel)
    torch.testing.assert_close(transfer(shallow, deep, valid, kernel), wanted)
    monkeypatch.setattr("palimpsest.layers.attention_transfer.CHUNK_BYTES", 1)
    torch.testing.assert_close(transfer(shallow, deep, valid, kernel), wanted)


def test_where_every_place_resembles_itself_alone_the_map_stays():
    """Away from the border, where fewer patches meet."""
    shallow, deep = maps()
    valid = torch.ones(2, 1, 8, 10, dtype=torch.bool)
    found = transfer(shallow, 50 * deep, valid, 3)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], shallow[..., 1:-1, 1:-1], atol=1e-5, rtol=0)
