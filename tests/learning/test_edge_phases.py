"""EdgeConnect's phases."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from palimpsest.learning.edge_phases import GROUPS, edges_to_paint
from palimpsest.learning.optimisation import adam_for_groups, descend


def weighted():
    weight = torch.ones((), requires_grad=True)
    return weight, lambda: 2 * weight


def test_each_phase_paints_along_its_own_edges():
    weight, complete = weighted()
    true = torch.zeros(())
    assert edges_to_paint("painting", true, complete) is true
    fixed, joint = (edges_to_paint(phase, true, complete) for phase in ("prediction", "joint"))
    assert fixed == joint == 2
    assert not fixed.requires_grad
    assert torch.autograd.grad(joint, weight) == (torch.tensor(2.0),)


def test_true_edges_are_painted_without_completing_any():
    edges_to_paint("painting", torch.zeros(()), lambda: pytest.fail("completed edges that nobody needs"))


def test_a_phase_that_does_not_paint_has_no_edges():
    with pytest.raises(ValueError, match="no phase 'edges' that paints; accepted: painting, prediction, joint"):
        edges_to_paint("edges", torch.zeros(()), lambda: torch.zeros(()))


def test_one_loss_moves_both_generators_and_no_critic():
    names = ("edge_generator", "edge_critic", "painter", "critic")
    networks = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in names})
    optimisers = adam_for_groups(SimpleNamespace(networks=networks, config=SimpleNamespace(betas=[0.5, 0.9])), GROUPS)
    assert set(optimisers) == {"generator", "critic"}
    for optimiser in optimisers.values():
        assert optimiser.param_groups[0]["betas"] == (0.5, 0.9)
        optimiser.param_groups[0]["lr"] = 0.1
    before = {name: network.weight.item() for name, network in networks.items()}
    loss = sum(network.weight.sum() for network in networks.values())
    descend(optimisers["generator"], loss)
    assert {name for name in names if networks[name].weight.item() != before[name]} == {"edge_generator", "painter"}
