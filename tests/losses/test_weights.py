"""The weights of loss terms."""

import pytest
import torch

from palimpsest.losses.weights import Weights


class Two(Weights):
    l1: float
    style: float


def test_the_total_is_the_weighted_sum_of_the_terms_at_hand():
    weight = Two(l1=2.0, style=3.0)
    terms = {"l1": torch.tensor(5.0), "style": torch.tensor(7.0)}
    assert weight.total(terms) == 31 and weight.total({"l1": terms["l1"]}) == 10


@pytest.mark.parametrize(("style", "reads"), [(0.0, False), (0.1, True)])
def test_features_are_read_where_their_weight_is_not_0(style, reads):
    assert Two(l1=1.0, style=style).read_features == reads
