"""The two steps against the equations; tests/models/test_edge_connect.py and test_e2i.py have them in their methods."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from palimpsest.layers.patchgan import PatchCritic
from palimpsest.learning.edge_phases import GROUPS
from palimpsest.learning.optimisation import adam_for_groups
from palimpsest.losses.edge_connect import Loss, step_edges, step_painting

WEIGHTS = {"edge_adversarial": 2.0, "feature_matching": 3.0, "l1": 4.0, "adversarial": 5.0, "critic": 0.5}
WEIGHT = Loss(**WEIGHTS, perceptual=0.0, style=0.0)


class Constant(nn.Module):
    """A generator whose output is its one weight."""

    def __init__(self, value: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))

    def forward(self, like):
        return self.weight.expand_as(like)


@pytest.fixture
def learning():
    """Networks whose critics see each picture alone, and their optimisers, with a learning rate of 0."""
    torch.manual_seed(0)
    networks = nn.ModuleDict(
        {
            "edge_generator": Constant(0.25),
            "edge_critic": PatchCritic(2, 2, bias=False),
            "painter": Constant(0.25),
            "critic": PatchCritic(3, 2, bias=False),
        }
    )
    networks.eval()  # else each pass moves the spectral norms
    model = SimpleNamespace(networks=networks, config=SimpleNamespace(betas=[0.0, 0.9]))
    return networks, adam_for_groups(model, GROUPS)


def test_a_step_of_edges(learning):
    networks, optimisers = learning
    grey, true = torch.rand(2, 2, 1, 64, 64).unbind(0)
    predicted = networks["edge_generator"](true)
    log = step_edges(networks, optimisers, WEIGHT, grey, true, predicted)
    critic = networks["edge_critic"]
    real, fake = (critic(torch.cat([grey, edges], 1)) for edges in (true, predicted))
    torch.testing.assert_close(log["edge_critic"], softplus(-real[-1]).mean() + softplus(fake[-1]).mean())
    torch.testing.assert_close(log["edge_adversarial"], softplus(-fake[-1]).mean())
    matching = sum((a - b).abs().mean() for a, b in zip(real, fake, strict=True))
    torch.testing.assert_close(log["feature_matching"], matching)
    torch.testing.assert_close(log["edge_generator"], 2 * log["edge_adversarial"] + 3 * log["feature_matching"])


def test_a_step_of_painting_counts_every_output_and_judges_the_last(learning):
    networks, optimisers = learning
    image, hole = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    hole[..., :16] = 1
    first, last = networks["painter"](image) + 0.5, networks["painter"](image)
    log = step_painting(networks, optimisers, WEIGHT, image, hole, [first, last])
    l1 = ((image - 0.75).abs().mean() + (image - 0.25).abs().mean()) * 4  # a quarter is missing
    torch.testing.assert_close(log["l1"], l1)
    torch.testing.assert_close(log["adversarial"], softplus(-networks["critic"](last)[-1]).mean())
    torch.testing.assert_close(log["generator"], 4 * log["l1"] + 5 * log["adversarial"])
    assert "perceptual" not in log and "style" not in log


@pytest.mark.parametrize("name", ["perceptual", "style"])
def test_a_weight_of_a_feature_loss_asks_for_features(name):
    assert not WEIGHT.read_features
    assert WEIGHT.model_copy(update={name: 1.0}).read_features
