"""What filling a hole costs, in closed form, and which runs cost the same."""

import math

import numpy as np
import pytest
from torch import nn

from palimpsest.config import runs
from palimpsest.evaluation.architectures import architectures, build, count, picture, sketch, with_random_weights
from palimpsest.models import create

ALIKE = {
    "deepfill-v1": ["deepfill-v1", "deepfill-v1-lsgan"],
    "deepfill-v2": ["deepfill-v2"],
    "crfill": ["crfill", "crfill-baseline", "deepfill-v2-cr"],
}
IDLE = ["auxiliary", "similarity_encoder", "critic", "auxiliary_critic"]


@pytest.fixture
def small(monkeypatch):
    """Compares at 128 px, which costs a quarter."""
    monkeypatch.setattr("palimpsest.evaluation.architectures.COMPARED_AT", 128)


def at_paper_scale(params, *names):
    return {name: runs.resolve(params, name, "paper") for name in names}


class OneConvolution:
    """5 x 5 from 3 to 8 channels, and one that no pass reaches."""

    size_divisor = 8

    def __init__(self):
        self.networks = nn.ModuleDict({"used": nn.Conv2d(3, 8, 5, padding=2), "unused": nn.Conv2d(3, 3, 1)})

    def inpaint(self, image, hole):
        return self.networks["used"](image)


def test_the_cost_of_one_convolution_in_closed_form():
    model = OneConvolution()
    cost, used = count(model, 32)
    assert used == {model.networks["used"]}
    assert cost.parameters == 8 * 3 * 25 + 8
    assert cost.multiply_adds == 32 * 32 * 8 * 3 * 25


@pytest.mark.slow
def test_runs_that_differ_in_training_alone_are_one_architecture(params, small):
    """A loss weight makes no architecture; a width and the attention's fusion do."""
    names = [name for group in ALIKE.values() for name in group]
    before = architectures(at_paper_scale(params, *names))
    assert {name: about["runs"] for name, about in before.items()} == ALIKE
    params["runs"]["crfill"]["settings"]["loss"]["reconstruction"] = 0.25
    params["runs"]["deepfill-v2"]["settings"]["generator"]["width"] = 12
    params["runs"]["deepfill-v1"]["settings"]["attention"]["fuse"] = False
    after = architectures(at_paper_scale(params, *ALIKE))
    changed = {name for name in ALIKE if after[name]["structure"] != before[name]["structure"]}
    assert changed == {"deepfill-v2", "deepfill-v1"}
    assert after["crfill"] == {**before["crfill"], "runs": ["crfill"]}


@pytest.mark.slow
def test_networks_that_fill_no_hole_are_idle_within_a_model_too(params, small):
    timed = at_paper_scale(params, "crfill", "deepfill-v2-psnet", "patchmatch")
    found = architectures(timed)
    assert list(found) == ["crfill", "deepfill-v2-psnet"]  # patchmatch learns nothing
    assert found["crfill"]["idle"] == IDLE
    assert found["deepfill-v2-psnet"]["idle"] == ["coarse.critic", "patch_critic", "global_critic"]
    assert found["deepfill-v2-psnet"]["parameters"] == 4_052_478 + 9_065_675 + 2_914_688 + 2 * 5_952
    left = sketch(timed["deepfill-v2-psnet"], found["deepfill-v2-psnet"]["idle"]).networks
    assert list(left) == ["coarse", "correspondence", "psnet"] and list(left["coarse"]) == ["generator"]


@pytest.mark.slow
def test_attention_costs_what_its_products_cost(params):
    """One network with attention and without: the difference is two products of all pairs of positions."""
    costs, timed = {}, at_paper_scale(params, "deepfill-v2", "crfill")
    for size in (128, 256):
        with_attention, without = (count(build(run), size)[0] for run in timed.values())
        assert with_attention.parameters == without.parameters == 4_052_478
        costs[size] = with_attention.multiply_adds - without.multiply_adds
    assert 3.5 < math.log2(costs[256] / costs[128]) < 4.5  # N², N of four times as many pixels
    # 96 channels compared at each of N positions; 4 pixels of 96 channels pasted, on grids a little wider
    assert costs[256] == pytest.approx(1024**2 * 96 * (1 + 4), rel=0.25)


def test_only_what_fills_a_hole_is_sketched(params):
    run = runs.resolve(params, "crfill", "paper")
    model = with_random_weights(sketch(run, IDLE), "cpu")
    assert list(model.networks) == ["generator"] and len(create(run, 256).networks) == 5
    assert sum(p.numel() for p in model.networks.parameters()) == 4_052_478
    assert all(p.isfinite().all() and p.std() > 0.01 for p in model.networks.parameters() if p.numel() > 9)


def test_the_picture_has_a_hole_of_a_quarter():
    image, hole = picture(64)
    assert image.shape == (1, 3, 64, 64) and hole.mean() == 0.25 and (image * hole).sum() == 0
    assert np.argwhere(hole[0, 0].numpy()).min() == 16


@pytest.mark.parametrize("name", ["gl", "picnet", "crfill"])
def test_a_method_fills_without_what_is_idle(params, small, name):
    run = runs.resolve(params, name, "paper")
    idle = architectures({name: run})[name]["idle"]
    assert idle and not {"mean_colour", "generator"} & set(idle)
    model = with_random_weights(sketch(run, idle), "cpu")
    assert model.inpaint(*picture(128)).shape == (1, 3, 128, 128)
