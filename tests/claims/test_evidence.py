import json
from dataclasses import replace

import numpy as np
import pytest

from palimpsest.claims.evidence import Evidence
from palimpsest.config.yaml import InputError
from palimpsest.data.shards import Shard
from palimpsest.workspace import Workspace
from reported import RUNS, SEED_STEP, value


def test_photographs_are_those_of_the_shard(fake):
    names = Shard(Workspace(fake.root).slot("scenes").shard("test")).photos
    found = fake.measured.photographs("scenes")
    same = np.array(names)[:, None] == np.array(names)
    np.testing.assert_array_equal(found[:, None] == found, same)
    assert len(set(found)) == len(set(names)) == 2


def test_other_pictures_than_the_measured_ones_are_refused(fake):
    for run in RUNS:
        path = Workspace(fake.root).results(run).metrics
        about = json.loads(path.read_text()) | {"images": 23}
        for spread in about["intervals"]["rectangle"].values():
            spread[2:] = 23, 0
        path.write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"test: found 24 pictures, expected the 23 that were measured"):
        fake.measured.photographs("scenes")


def test_values_have_seeds_first(fake):
    fake.write("deepfill-v1", seeds=(1, 2, 3))
    seen = Evidence(fake.measured)
    assert seen.values("patchmatch", "rectangle", "psnr").shape == (1, 24)
    assert seen.values("patchmatch", "rectangle", "fd_vgg16").shape == (1,)
    each = seen.values("deepfill-v1", "rectangle", "psnr")
    assert each.shape == (3, 24) and np.diff(each, axis=0) == pytest.approx(SEED_STEP)
    assert np.diff(seen.values("deepfill-v1", "rectangle", "fd_vgg16")) == pytest.approx([SEED_STEP] * 2)


@pytest.mark.parametrize("metric", ["psnr", "fd_vgg16"])
def test_a_difference_counts_the_seeds_of_each_run_and_grows_with_their_spread(fake, metric):
    fake.write("deepfill-v1", seeds=(1, 2, 3))
    seen = Evidence(replace(fake.measured, _photographs={"scenes": np.arange(24) // 3}))
    found = seen.difference("scenes", metric, {"rectangle": 1}, "deepfill-v1", "patchmatch")
    gain = value("deepfill-v1", metric) - value("patchmatch", metric)
    assert (found.seeds, found.pictures) == ((1, 3), 24) and found.mean == pytest.approx(gain)
    assert found.high - found.mean > 2 * SEED_STEP * (1 / 3 + 1) ** 0.5  # the deviation of means of one and of three
