"""What the tests of metrics share."""

import numpy as np
import pytest
import torch

from palimpsest.metrics.features import Features


@pytest.fixture(scope="session")
def features(weights_folder) -> Features:
    return Features(weights_folder, "cpu")


@pytest.fixture
def pictures() -> np.ndarray:
    """Eight smooth random pictures, uint8 (8, 40, 48, 3)."""
    draw = np.random.default_rng(5)
    coarse = torch.from_numpy(draw.random((8, 3, 6, 6)))
    fine = torch.nn.functional.interpolate(coarse, (40, 48), mode="bicubic").clamp(0, 1)
    return (255 * fine).round().byte().permute(0, 2, 3, 1).numpy()
