import torch

from palimpsest.layers import self_attention
from palimpsest.layers.self_attention import attend


def test_it_is_a_softmax_over_unscaled_products(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    query, key, values = (torch.randn(shape, generator=generator) for shape in ((2, 3, 10), (2, 3, 7), (2, 5, 7)))
    weights = torch.einsum("bdn,bdm->bnm", query, key).softmax(2)
    wanted = torch.einsum("bnm,bcm->bcn", weights, values)
    torch.testing.assert_close(attend(query, key, values), wanted)
    monkeypatch.setattr(self_attention, "CHUNK", 4)
    torch.testing.assert_close(attend(query, key, values), wanted)


def test_a_query_far_along_one_key_takes_its_value():
    key = torch.eye(4)[None]
    values = torch.arange(4.0).view(1, 1, 4)
    torch.testing.assert_close(attend(100 * key[..., [2, 0, 3]], key, values).flatten(), torch.tensor([2.0, 0, 3]))
