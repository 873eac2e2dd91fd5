"""What several tests share: the shipped settings, and the bundled photographs as shards."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from palimpsest import data
from palimpsest.config import build, read_yaml, section

ROOT = Path(__file__).parents[1]

torch.set_num_threads(1)  # threads that wait for one another cost more than they bring at these sizes


@pytest.fixture(scope="session")
def shipped() -> dict:
    return read_yaml(ROOT / "params.yaml")


@pytest.fixture
def params(shipped) -> dict:
    """The shipped settings, to be changed freely."""
    return copy.deepcopy(shipped)


@pytest.fixture(scope="session")
def crops(shipped) -> data.Config:
    return build(data.Config, section(shipped, "profiles", "tiny", "data", "scenes"), "")


@pytest.fixture(scope="session")
def shards(tmp_path_factory, crops) -> Path:
    """A folder with the shards of bundled-photos at the tiny profile."""
    folder = tmp_path_factory.mktemp("data")
    data.fetch("bundled-photos", folder / "raw")
    data.split(crops, folder / "raw", folder / "shards")
    return folder / "shards"


@pytest.fixture
def four(shards) -> tuple[np.ndarray, np.ndarray]:
    """Four test pictures, uint8 (4, 64, 64, 3), and a centred hole in each, bool (4, 64, 64)."""
    shard = data.Shard(shards / "test")
    holes = np.zeros((4, 64, 64), bool)
    holes[:, 20:44, 20:44] = True
    return np.stack([shard[i] for i in (0, 5, 13, 20)]), holes
