import json

import numpy as np
import pytest

from palimpsest.claims.evidence import Evidence
from palimpsest.config.yaml import InputError
from palimpsest.data.shards import Shard
from palimpsest.workspace import Workspace
from reported import RUNS


def test_photographs_are_those_of_the_shard(fake):
    names = Shard(Workspace(fake.root).slot("scenes").shard("test")).photos
    found = fake.measured.photographs("scenes")
    same = np.array(names)[:, None] == np.array(names)
    np.testing.assert_array_equal(found[:, None] == found, same)
    assert len(set(found)) == len(set(names)) == 2


def test_other_pictures_than_the_measured_ones_are_refused(fake):
    for run in RUNS:
        path = Workspace(fake.root).results(run).metrics
        path.write_text(json.dumps(json.loads(path.read_text()) | {"images": 23}))
    with pytest.raises(InputError, match=r"test: found 24 pictures, expected the 23 that were measured"):
        fake.measured.photographs("scenes")


def test_values_have_seeds_first(fake):
    seen = Evidence(fake.measured)
    assert seen.values("patchmatch", "rectangle", "psnr").shape == (1, 24)
    assert seen.values("patchmatch", "rectangle", "fd_vgg16").shape == (1,)


def test_several_seeds_of_a_run_are_drawn_where_they_are_given(fake, monkeypatch):
    """The place that seeds will have: values of shape (seeds, pictures)."""
    seeds = {run: np.random.default_rng(number).standard_normal((3, 24)) for number, run in enumerate(RUNS)}
    monkeypatch.setattr(Evidence, "values", lambda _, run, *rest: seeds[run])
    seen = Evidence(fake.measured)
    seen.measured._photographs["scenes"] = np.arange(24) // 3
    found = seen.difference("scenes", "psnr", {"rectangle": 1}, "deepfill-v1", "patchmatch")
    assert (found.seeds, found.pictures, found.photographs) == ((3, 3), 24, 8) and found.low < 0 < found.high
