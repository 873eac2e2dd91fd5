"""What is measured of a run, and of the inside of a model, all from one pass."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from palimpsest.config.yaml import InputError, build, read_yaml
from palimpsest.data.shards import Shard
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.measure import About, EvaluationConfig, Worst, evaluate, measure, summary
from palimpsest.evaluation.scoring import Scores, table
from palimpsest.evaluation.trained import TrainedModel
from palimpsest.holes.bank import write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.inpainting import composite, inpaint, to_pixels, to_tensors
from palimpsest.layers.patches import piece
from palimpsest.metrics.aggregate import aggregate
from palimpsest.metrics.features import Features
from palimpsest.metrics.pixel import METRICS, RAW
from palimpsest.metrics.registry import MAIN
from palimpsest.metrics.sets import OF_NETWORK, write_reference
from palimpsest.papers.metrics import read_metrics
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[2]


class Grey:
    """Says the same grey everywhere."""

    size_divisor = 8
    networks = nn.ModuleDict()

    def __init__(self, level=0.5):
        self.level = level

    def inpaint(self, image, hole):
        return torch.full_like(image, self.level)


class Open:
    """Says half of what it sees, shows what it likes of its inside, and counts how often it is asked.

    Every patch's reference is the patch above it.
    """

    size_divisor = 8
    networks = nn.ModuleDict()
    passes = 0

    def inpaint(self, image, hole):
        return self.inspect(image, hole)[0]

    def inspect(self, image, hole):
        self.passes += 1
        height, width = (side // 8 for side in image.shape[2:])
        offsets = torch.zeros(len(image), 2, height, width, dtype=torch.int64)
        offsets[:, 0, 1:] = -1
        return image / 2, {"coarse": image * 2, "offsets": offsets, "cells": offsets[:, 0] - 3}


@pytest.fixture
def shard(shards):
    return Shard(shards / "test")


@pytest.fixture
def blind(tmp_path):
    """Features without any weights: metrics on pixels are left."""
    return Features(tmp_path / "no weights", "cpu")


def test_every_picture_hole_and_metric_has_a_value(shard, blind):
    holes = np.zeros((24, 64, 64), bool)
    holes[:, 8:40, 8:40] = True
    banks = {"square": holes, "upper": np.flip(holes, 1).copy()}
    scores, samples = evaluate(
        TrainedModel(Grey(), "cpu"), shard, banks, blind, {}, EvaluationConfig(batch_size=7, samples=3, worst=2)
    )
    rows = list(csv.DictReader(io.StringIO(table({1: scores}))))
    assert [(row["hole"], row["image"]) for row in rows] == [(kind, name) for kind in banks for name in shard.ids]
    assert {float(row["hole_ratio"]) for row in rows} == {0.25}
    for kind, found in scores.items():
        means = found.aggregates()
        assert list(means) == [*METRICS, *RAW]
        assert set(found.missing) == {
            "lpips_alex",
            "lpips_vgg",
            "lpips_alex_raw",
            "lpips_vgg_raw",
            *OF_NETWORK["vgg16"],
            *OF_NETWORK["inception"],
        }
        for name, mean in means.items():
            values = [float(row[name]) for row in rows if row["hole"] == kind]
            assert mean.mean == pytest.approx(np.mean(values), rel=1e-12, nan_ok=name == "ncc_raw")
        assert (means["ncc_raw"].count, means["ncc_raw"].undefined) == (0, 24)  # a grey output has no correlation
    assert samples["index"].tolist() == [0, 12, 23]
    assert (samples["square/output"] == 128).all()
    kept = samples["square/result"]
    assert (kept[holes[:3]] == 128).all() and (
        kept[~holes[:3]] == np.stack([shard[i] for i in (0, 12, 23)])[~holes[:3]]
    ).all()
    assert set(samples) == {"index", *(f"{kind}/{what}" for kind in banks for what in ("result", "output"))}


def test_one_pass_of_the_model_is_scored_pieced_and_shown(shard, blind):
    """With pictures of 60 px, which the model sees at 64, and batches in which none, some and all are kept."""
    holes = np.zeros((24, 60, 60), bool)
    holes[:, 8:40, 8:40] = True

    class Cut(Shard):
        def __getitem__(self, number):
            return super().__getitem__(number)[:60, :60]

    pictures, model = Cut(shard.stem), Open()
    banks = {"square": holes, "upper": np.flip(holes, 1).copy()}
    config = EvaluationConfig(batch_size=5, samples=4, worst=2)
    scores, samples = evaluate(TrainedModel(model, "cpu"), pictures, banks, blind, {}, config)
    assert model.passes == 5 * 2  # batches, kinds of holes
    assert list(scores) == ["square", "square/pieced", "upper", "upper/pieced"]
    whats = {"result", "output", "coarse", "offsets", "cells", "pieced"}
    assert set(samples) == {"index", *(f"{kind}/{what}" for kind in banks for what in whats)}
    for kind, bank in banks.items():
        chosen = samples["index"]
        few, missing = np.stack([pictures[i] for i in chosen]), bank[chosen]
        known = few * ~missing[..., None]
        found = {what: samples[f"{kind}/{what}"] for what in whats}
        assert np.abs(found["output"].astype(int) - known / 2).max() <= 0.5
        assert (found["result"] == composite(found["output"], few, missing)).all()
        assert (found["coarse"] == np.minimum(2 * known.astype(int), 255)).all()
        assert found["offsets"].dtype == found["cells"].dtype == np.int16
        assert found["offsets"].shape == (4, 2, 8, 8) and (found["cells"] == found["offsets"][:, 0] - 3).all()
        padded = (
            np.pad(each, [(0, 0), (0, 4), (0, 4)][: each.ndim] + [(0, 0)] * (each.ndim - 3), "edge")
            for each in (known, missing)
        )
        pieced = piece(*to_tensors(*padded), torch.from_numpy(found["offsets"].astype(np.int64)))
        assert (found["pieced"] == to_pixels(pieced)[:, :60, :60]).all()
        rows = scores[f"{kind}/pieced"].values["l1_raw"][chosen]
        expected = np.abs(found["pieced"].astype(int) - few).mean((1, 2, 3)) / 255
        np.testing.assert_allclose(rows, expected, rtol=1e-12)


def test_a_batch_is_composited_once(shard, blind, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "palimpsest.evaluation.filling.composite", lambda *arrays: calls.append(1) or composite(*arrays)
    )
    holes = np.zeros((24, 64, 64), bool)
    holes[:, 8:40, 8:40] = True
    config = EvaluationConfig(batch_size=8, samples=24, worst=2)
    evaluate(TrainedModel(Grey(), "cpu"), shard, {"square": holes}, blind, {}, config)
    assert len(calls) == 3


class Damage:
    """The picture itself, with noise that grows with its place in the split."""

    size_divisor = 8

    def __init__(self, shard):
        self.shard = shard

    def fill(self, kind, ids, pictures, holes):
        noise = np.random.default_rng(0).integers(-1, 2, pictures.shape)
        grown = [self.shard.ids.index(name) * part for name, part in zip(ids, noise, strict=True)]
        return Filled(ids, pictures, holes, (pictures + np.array(grown)).clip(0, 255).astype(np.uint8))


@pytest.mark.slow
def test_the_worst_pictures_of_each_kind_are_kept_the_worst_first(shard, weights_folder):
    holes = np.zeros((24, 64, 64), bool)
    holes[:, 8:56, 8:56] = True
    source = Damage(shard)
    features = Features(weights_folder, "cpu")
    scores, samples = evaluate(
        source, shard, {"square": holes}, features, {}, EvaluationConfig(batch_size=8, samples=3, worst=4)
    )
    distances = scores["square"].values["lpips_alex"]
    worst = samples["worst/square/index"]
    assert worst.tolist() == np.argsort(-distances)[:4].tolist() and len(set(worst.tolist())) == 4
    assert distances[worst].min() >= np.delete(distances, worst).max()
    for place, result in zip(worst, samples["worst/square/result"], strict=True):
        first = place // 8 * 8
        batch = np.stack([shard[i] for i in range(first, first + 8)])
        filled = source.fill("square", shard.ids[first : first + 8], batch, holes[:8])
        assert (result == filled.results[place - first]).all() and (result != shard[place]).any()


def test_of_equally_bad_pictures_the_earlier_are_kept():
    distances = np.array([1, 3, 3, 0, 3, 5, 3, 5, np.nan, 2])
    pictures = np.arange(10, dtype=np.uint8)[:, None, None, None]
    worst = Worst(4)
    assert worst.arrays == {}
    for batch in np.split(np.arange(10), [3, 4, 8]):
        worst.add(distances[batch], batch, pictures[batch])
    assert worst.arrays["index"].tolist() == np.argsort(-distances, kind="stable")[:4].tolist() == [5, 7, 1, 2]
    assert worst.arrays["result"][:, 0, 0, 0].tolist() == [5, 7, 1, 2]


class Faulty(Grey):
    """Returns what it is told to."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def inpaint(self, image, hole):
        return self.output(image)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda image: None, r"finite and in \[0, 1\], found a NoneType; see the contract"),
        (lambda image: image.numpy(), r"finite and in \[0, 1\], found a ndarray; see the contract"),
        (lambda image: image * math.nan, r"found values from nan to nan, so nothing is recorded"),
        (lambda image: image.index_fill(2, torch.tensor(3), math.inf), r"found values from 0 to inf"),
        (lambda image: image * 0 + 255, r"found values from 255 to 255, so nothing is recorded"),
        (lambda image: image - 0.01, r"found values from -0\.01 to 0\."),
        (
            lambda image: image[:, :1],
            r"asked for an output of \(8, 3, 64, 64\), .*, found \(8, 1, 64, 64\); see the co",
        ),
    ],
)
def test_an_output_that_is_no_picture_is_refused(shard, blind, output, said):
    holes = np.zeros((24, 64, 64), bool)
    holes[:, 20:50, 8:40] = True
    config = EvaluationConfig(batch_size=8, samples=2, worst=2)
    with pytest.raises(InputError, match=said):
        evaluate(TrainedModel(Faulty(output), "cpu"), shard, {"square": holes}, blind, {}, config)
    with pytest.raises(InputError, match=r"found (values|\(|a )"):
        inpaint(Faulty(output), np.stack([shard[0]]), holes[:1])


def test_rounding_is_no_fault(shard):
    holes = np.zeros((1, 64, 64), bool)
    holes[:, 20:50, 8:40] = True
    result, _ = inpaint(Faulty(lambda image: image * 0 + 1 + 1e-6), np.stack([shard[0]]), holes)
    assert (result[holes] == 255).all()


def test_an_interval_depends_on_the_pictures_and_not_on_their_order():
    ids, values = ["c", "a", "d", "b"], np.array([3.0, 1.0, 7.0, 2.0])
    ratios, order = np.full(4, 0.25), [1, 3, 0, 2]
    found = Scores(ids, ratios, {"psnr": values}, {}, {}).aggregates()["psnr"]
    in_order = Scores([ids[i] for i in order], ratios, {"psnr": values[order]}, {}, {}).aggregates()["psnr"]
    assert found == in_order and found.low < found.mean < found.high


def test_what_is_written_of_a_run(shards, shard, shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slot = tmp_path / "data" / "scenes"
    slot.mkdir(parents=True)
    (slot / "shards").symlink_to(shards)
    holes = build(Holes, shipped["holes"], "holes").only(["rectangle", "square"])
    write_bank(holes, shard.ids, 64, Workspace(tmp_path).slot("scenes").holes)
    write_reference({}, slot / "reference")
    about = {"run": "grey", "model": "m", "profile": "tiny", "slot": "scenes", "dataset": "bundled-photos"}
    about |= {"code": "0a", "settings": "1b", "features": "", "source": ""}
    kinds, config = ["square", "rectangle"], EvaluationConfig(batch_size=8, samples=3, worst=2)
    sources = {seed: TrainedModel(Grey(level), "cpu") for seed, level in ((4, 0.5), (2, 0.75))}
    measure(sources, About(**about), kinds, config, "cpu")
    written = json.loads((tmp_path / "results/grey/metrics.json").read_text())
    counted = ["seeds", "size", "images", "photos", "hole_ratios"]
    assert list(written) == [*about, *counted, "holes", "by_seed", "intervals", "missing"]
    assert {name: written[name] for name in about} == about
    assert [written[name] for name in counted[:-1]] == [[4, 2], 64, 24, 2]
    assert list(written["holes"]) == kinds and written["missing"]["fid"].endswith("`dvc repro weights` makes it")
    rows = list(csv.DictReader((tmp_path / "results/grey/per-image.csv").open()))
    for kind in kinds:
        mine = [row for row in rows if row["hole"] == kind]
        values = np.array([[float(row["psnr_hole"]) for row in mine if row["seed"] == seed] for seed in ("4", "2")])
        assert values.shape == (2, 24) and written["holes"][kind]["psnr_hole"] == pytest.approx(values.mean())
        assert written["by_seed"][kind]["psnr_hole"] == pytest.approx(values.mean(1)) and (values[0] != values[1]).all()
        by_name = values.mean(0)[np.argsort(shard.ids, kind="stable")]
        assert written["intervals"][kind]["psnr_hole"] == list(aggregate(by_name).spread)
        ratios = [float(row["hole_ratio"]) for row in mine]
        assert written["hole_ratios"][kind] == pytest.approx(np.mean(ratios))
    with np.load(tmp_path / "results/grey/samples.npz") as kept:
        assert (kept["square/output"] == 128).all()  # of the first seed
    shown = json.loads((tmp_path / "results/grey/summary.json").read_text())
    assert shown == {"grey": {"square": {name: written["holes"]["square"][name] for name in ("psnr", "ssim")}}}


def test_the_metrics_of_dvc_are_a_few_of_each_run():
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    declared = [path for stage in stages.values() for path in stage.get("do", stage).get("metrics", [])]
    assert declared == ["results/${key}/summary.json"] * 3
    ((kinds,),) = [run.values() for run in summary("tmad", "square", dict.fromkeys(read_metrics(), 1.0)).values()]
    assert list(kinds) == MAIN and len(MAIN) <= 12


def test_dvc_shows_and_compares_a_summary(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("metrics: [summary.json]\n")

    def call(*words: str) -> str:
        who = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **who}
        run = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    write_json(tmp_path / "summary.json", summary("tmad", "square", {"psnr": 20.0, "ssim": math.nan, "l1": 0.5}))
    call("git", "init", "-q")
    call("git", "add", "-A")
    call("git", "commit", "-qm", "measured")
    dvc = (sys.executable, "-m", "dvc")
    write_json(tmp_path / "summary.json", summary("tmad", "square", {"psnr": math.inf, "ssim": 0.5, "l1": 0.5}))
    lines = call(*dvc, "metrics", "diff").splitlines()[1:]
    assert [line.split()[1:] for line in lines] == [
        ["tmad.square.psnr", "20.0", "inf", "-"],
        ["tmad.square.ssim", "-", "0.5", "-"],
    ]
    head = call(*dvc, "exp", "show", "--csv").splitlines()[0].split(",")
    assert {"tmad.square.psnr", "tmad.square.ssim"} < set(head) and "tmad.square.l1" not in head


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
