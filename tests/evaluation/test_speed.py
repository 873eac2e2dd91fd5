"""What an inpainting costs, counted in closed form and measured; no time is asserted."""

import math
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from palimpsest.config import runs
from palimpsest.config.runtime import read_runtime
from palimpsest.config.yaml import InputError
from palimpsest.evaluation import speed
from palimpsest.evaluation.speed import (
    NO_ROOM,
    _apart,
    _peak,
    _times,
    architectures,
    build,
    count,
    measure,
    picture,
    ready,
    sketch,
)
from palimpsest.models import create

RUNS = ["deepfill-v1", "deepfill-v1-lsgan", "deepfill-v2", "crfill", "crfill-baseline", "deepfill-v2-cr"]
IDLE = ["auxiliary", "similarity_encoder", "critic", "auxiliary_critic"]


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


def test_runs_that_differ_in_training_alone_are_one_architecture(params):
    found = {name: about["runs"] for name, about in architectures(params, RUNS).items()}
    assert found["crfill"] == ["crfill", "crfill-baseline", "deepfill-v2-cr"]
    assert found["deepfill-v2"] == ["deepfill-v2"]
    assert found["deepfill-v1"] == ["deepfill-v1", "deepfill-v1-lsgan"]
    assert set(found) == {"deepfill-v1", "deepfill-v2", "crfill"}


def test_what_fills_no_hole_is_idle_within_a_model_too(params):
    found = architectures(params, ["crfill", "deepfill-v2-psnet", "patchmatch", "no-such-run"])
    assert list(found) == ["crfill", "deepfill-v2-psnet"]
    assert found["crfill"]["idle"] == ["auxiliary", "similarity_encoder", "critic", "auxiliary_critic"]
    assert found["deepfill-v2-psnet"]["idle"] == ["coarse.critic", "patch_critic", "global_critic"]
    assert found["deepfill-v2-psnet"]["parameters"] == 4_052_478 + 9_065_675 + 2_914_688 + 2 * 5_952
    left = sketch(params, "deepfill-v2-psnet", found["deepfill-v2-psnet"]["idle"]).networks
    assert list(left) == ["coarse", "correspondence", "psnet"] and list(left["coarse"]) == ["generator"]


def test_a_weight_of_a_loss_is_no_architecture_and_a_width_is(params):
    before = architectures(params, RUNS)
    params["runs"]["crfill"]["settings"]["loss"]["reconstruction"] = 0.25
    assert architectures(params, RUNS) == before
    params["runs"]["deepfill-v2"]["settings"]["generator"]["width"] = 12
    params["runs"]["deepfill-v1"]["settings"]["attention"]["fuse"] = False
    changed = {name for name, about in architectures(params, RUNS).items() if about != before[name]}
    assert changed == {"deepfill-v2", "deepfill-v1"}


def test_attention_costs_what_its_products_cost(params):
    """One network with attention and without: the difference are two products of all pairs of positions."""
    costs = {}
    for size in (128, 256):
        with_attention, without = (count(build(params, name), size)[0] for name in ("deepfill-v2", "crfill"))
        assert with_attention.parameters == without.parameters == 4_052_478
        costs[size] = with_attention.multiply_adds - without.multiply_adds
    assert 3.5 < math.log2(costs[256] / costs[128]) < 4.5  # N², N of four times as many pixels
    # 96 channels compared at each of N positions; 4 pixels of 96 channels pasted, on grids a little wider
    assert costs[256] == pytest.approx(1024**2 * 96 * (1 + 4), rel=0.25)


def test_what_is_written_for_every_architecture(params, monkeypatch):
    for name in ("deepfill-v2", "crfill"):
        params["runs"][name]["settings"]["generator"]["width"] = 2
    monkeypatch.setenv("PALIMPSEST_DEVICE", "cpu")
    config = speed.SpeedConfig(sizes=[32, 64], rounds=1)
    alike = architectures(params, ["deepfill-v2", "crfill"])
    found = measure(params, alike, config, read_runtime())
    assert set(found["devices"]) == {"cpu"} and found["devices"]["cpu"]
    assert found["threads"] == 1 and found["versions"]["torch"] == torch.__version__
    for name, about in alike.items():
        values = found["found"][name]
        assert (values["runs"], values["parameters"]) == (about["runs"], about["parameters"])
        assert set(values["measured"]["cpu"]) == set(values["multiply_adds"]) == {"32", "64"}
        for measured in values["measured"]["cpu"].values():
            assert 0 < measured["fastest"] <= measured["seconds"] and measured["peak_mib"] > 0


def test_only_what_fills_a_hole_is_measured(params):
    model = ready(sketch(params, "crfill", IDLE), "cpu")
    assert (
        list(model.networks) == ["generator"]
        and len(create(runs.resolve(params, "crfill", "paper"), 256).networks) == 5
    )
    assert sum(p.numel() for p in model.networks.parameters()) == 4_052_478
    assert all(p.isfinite().all() and p.std() > 0.01 for p in model.networks.parameters() if p.numel() > 9)


def test_memory_grows_with_the_picture(params):
    small, large = (_apart(_Peak(params, size)) for size in (64, 256))
    bytes_of_one_map = 24 * 256 * 256 * 4
    assert large - small > bytes_of_one_map / 2**20


class _Peak:
    def __init__(self, params, size):
        self.params, self.size = params, size

    def __call__(self):
        return _peak(self.params, "crfill", IDLE, self.size, "cpu", 1)


class _Hoards(_Peak):
    def __call__(self):
        speed._pass = lambda *_: lambda: torch.empty(2**50, dtype=torch.uint8)
        return super().__call__()


def test_a_size_without_room_is_a_result(params):
    assert _apart(_Hoards(params, 64)) == NO_ROOM


def _killed():
    os.kill(os.getpid(), signal.SIGKILL)


def _ends():
    os._exit(3)


def _fails():
    raise ValueError("as planned")


def test_a_process_that_is_killed_did_not_fit_and_one_that_fails_says_why():
    assert _apart(_killed) == NO_ROOM
    with pytest.raises(ValueError, match="as planned"):
        _apart(_fails)
    with pytest.raises(InputError, match="ended with status 3 and without a result"):
        _apart(_ends)


def test_times_are_taken_in_turns(params, monkeypatch):
    order = []
    monkeypatch.setattr(speed, "sketch", lambda tree, name, idle: name)
    monkeypatch.setattr(speed, "_pass", lambda name, *_: lambda: order.append(name))
    times = _times(params, {"a": [], "b": []}, 64, 3, "cpu", 1)
    assert order == ["a", "b"] * 4  # the first of each warms up
    assert set(times) == {"a", "b"}


def test_the_picture_has_a_hole_of_a_quarter():
    image, hole = picture(64)
    assert image.shape == (1, 3, 64, 64) and hole.mean() == 0.25 and (image * hole).sum() == 0
    assert np.argwhere(hole[0, 0].numpy()).min() == 16
