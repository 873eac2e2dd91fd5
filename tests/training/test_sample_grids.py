"""What is logged with every sample grid."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from palimpsest.config.yaml import build
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes
from palimpsest.metrics.pixel import Pair, psnr_hole
from palimpsest.models.constant_fill import Config, Model
from palimpsest.training.sample_grids import LOGGED, FilledSamples

GREY = 0.25


@dataclass(frozen=True)
class Grey:
    """Fills every hole with one grey."""

    size_divisor = 1

    def inpaint(self, image, hole):
        return torch.full_like(image, GREY)


@pytest.fixture
def samples(shards, params):
    return FilledSamples.of(Shard(shards / "val"), build(Holes, params["holes"], ""), "square", count=2, validated=3)


def test_the_constant_fill_is_zero_decibels_above_itself(samples):
    assert samples.distances(Model(Config(), 64), "cpu") == {LOGGED: 0.0}


def test_the_gain_is_that_of_the_measured_hole_psnr(samples):
    def measured(fill):
        pairs = zip(samples.validated, samples.validated_holes, strict=True)
        filled = [(np.where(hole[..., None], fill(image, hole), image), image, hole) for image, hole in pairs]
        return np.mean([psnr_hole(Pair(*each)) for each in filled])

    grey = measured(lambda image, hole: np.uint8(round(GREY * 255)))
    constant = measured(lambda image, hole: np.rint(image[~hole].mean(0)).astype(np.uint8))
    assert samples.distances(Grey(), "cpu")[LOGGED] == pytest.approx(grey - constant, abs=0.02)
    assert grey != pytest.approx(constant, abs=0.1)
    assert len(samples.pictures) == 2 and len(samples.validated) == 3
