import csv
import io

import numpy as np
import pytest
import torch
from torch import nn

from palimpsest import data
from palimpsest.evaluation import Config, evaluate, score
from palimpsest.inpainting import inpaint, to_pixels, to_tensors
from palimpsest.metrics import METRICS
from palimpsest.papers.spec import read_metrics


class Grey:
    """Says mid-grey everywhere, and shows an offset and a picture of its inside."""

    multiple = 8
    networks = nn.ModuleDict()

    def inpaint(self, image, hole):
        return torch.full_like(image, 0.5)

    def diagnose(self, image, hole):
        return {"coarse": image * 2, "offsets": torch.full((len(image), 2, 4, 4), -3)}


@pytest.fixture
def shard(shards):
    return data.Shard(shards / "test")


def test_every_picture_hole_and_metric_has_a_value(shard):
    holes = np.zeros((24, 64, 64), bool)
    holes[:, 8:40, 8:40] = True
    scores = evaluate(
        Grey(), shard, {"square": holes, "upper": np.flip(holes, 1).copy()}, Config(batch_size=7, samples=3), "cpu"
    )
    rows = list(csv.DictReader(io.StringIO(scores.table())))
    assert len(rows) == 24 * 2 * len(METRICS)
    for kind, means in scores.means().items():
        for name, mean in means.items():
            values = [float(row["value"]) for row in rows if row["hole"] == kind and row["metric"] == name]
            assert mean == pytest.approx(np.mean(values), rel=1e-12)
    assert scores.samples["index"].tolist() == [0, 12, 23]
    assert (scores.samples["square/output"] == 128).all()
    kept = scores.samples["square/result"]
    assert (kept[holes[:3]] == 128).all() and (
        kept[~holes[:3]] == np.stack([shard[i] for i in (0, 12, 23)])[~holes[:3]]
    ).all()
    assert scores.samples["square/offsets"].dtype == np.int16 and (scores.samples["square/offsets"] == -3).all()
    assert scores.samples["square/coarse"].shape == (3, 64, 64, 3)


def test_a_perfect_result_is_ideal(shard):
    pictures, holes = np.stack([shard[i] for i in range(3)]), np.ones((3, 64, 64), bool)
    values = score(pictures, pictures, holes)
    assert (values["l1_percent"] == 0).all() and np.isinf(values["psnr"]).all()


def test_every_metric_is_explained_to_the_reader():
    assert list(read_metrics()) == list(METRICS)


def test_eight_bits_survive_the_way_through_tensors():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    image, hole = to_tensors(every, np.zeros((1, 16, 16), bool))
    assert (to_pixels(image) == every).all()
    assert image.dtype == hole.dtype == torch.float32 and image.max() == 1


def test_a_model_never_sees_the_pixels_under_the_hole():
    class Spy(Grey):
        def inpaint(self, image, hole):
            assert (image * hole == 0).all()
            assert image.shape[-1] % 8 == image.shape[-2] % 8 == 0
            return super().inpaint(image, hole)

    picture, hole = np.full((1, 13, 17, 3), 200, np.uint8), np.zeros((1, 13, 17), bool)
    hole[:, 10:, 12:] = True
    result, raw = inpaint(Spy(), picture, hole)
    assert (result[~hole] == 200).all() and (result[hole] == 128).all() and (raw == 128).all()
