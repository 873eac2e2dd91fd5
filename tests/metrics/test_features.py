"""LPIPS against its package and the frozen vectors; FID and its features against pytorch-fid."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from metrics import vectors
from palimpsest.data.shards import Shard
from palimpsest.manifests import manifest
from palimpsest.metrics.features import Features
from palimpsest.metrics.frechet import Statistics, frechet_distance
from palimpsest.metrics.sets import read_reference
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[2]
NETS = {"lpips_alex": ("alexnet", "alex"), "lpips_vgg": ("vgg16", "vgg")}
RAW = {f"{metric}_raw" for metric in NETS}


def only(features: Features, trunk: str) -> Features:
    """The same with one trunk, for the tests that need no other."""
    part = Features.__new__(Features)
    part.__dict__ |= {**vars(features), "lpips": {trunk: features.lpips[trunk]}}
    return part


def check_vectors(features: Features, metric: str, name: str, mask: str) -> None:
    trunk, net = NETS[metric]
    picture, hole = vectors.picture(name), vectors.hole(mask)
    result, output = (vectors.prediction(kind, picture, hole) for kind in ("comp_mean", "raw_mean"))
    values, _ = only(features, trunk).score(result[None], output[None], picture[None])
    expected = {kind: vectors.VECTORS["cases"][f"{name}/{mask}/{kind}"] for kind in ("comp_mean", "raw_mean")}
    tolerance = vectors.VECTORS["about"]["tolerance"]["lpips"]
    assert values[metric] == pytest.approx(expected["comp_mean"][f"lpips_v01_{net}"], abs=tolerance)
    assert values[f"{metric}_raw"] == pytest.approx(expected["raw_mean"][f"lpips_v01_{net}"], abs=tolerance)


def as_tensor(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).contiguous() / 255


CASES = [(name, mask) for name in vectors.VECTORS["images"] for mask in vectors.VECTORS["masks"]]


@pytest.mark.parametrize(("name", "mask"), CASES)
def test_lpips_alex_of_the_vectors(features, name, mask):
    check_vectors(features, "lpips_alex", name, mask)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mask"), CASES)
def test_lpips_vgg_of_the_vectors(features, name, mask):
    check_vectors(features, "lpips_vgg", name, mask)


def test_lpips_of_constant_pictures(features):
    grey, white, black = (np.full((1, 64, 64, 3), value, np.uint8) for value in (0, 255, 0))
    values, _ = features.score(white, black, grey)
    constants = vectors.VECTORS["lpips_constant_64x64"]["minus1_vs_plus1"]
    for metric, (_, net) in NETS.items():
        assert values[metric] == pytest.approx(constants[net], abs=2e-5)
        assert values[f"{metric}_raw"] == 0


@pytest.mark.parametrize("metric", NETS)
def test_lpips_is_the_packages_own(features, pictures, metric):
    network = features.lpips[NETS[metric][0]]
    outputs, results = pictures[::-1], np.roll(pictures, 3, axis=0)
    values, _ = features.score(results, outputs, pictures)
    with torch.inference_mode():
        x, y, z = (as_tensor(each) for each in (results, outputs, pictures))
        np.testing.assert_allclose(values[metric], network(x, z, normalize=True).flatten(), atol=1e-7, rtol=0)
        np.testing.assert_allclose(values[f"{metric}_raw"], network(y, z, normalize=True).flatten(), atol=1e-7, rtol=0)
    assert values[metric].dtype == np.float64
    assert values[metric].min() > 0.01


def test_lpips_is_symmetric_and_zero_for_equal_pictures(features, pictures):
    others = np.roll(pictures, 1, axis=0)
    there, _ = features.score(pictures, pictures, others)
    back, _ = features.score(others, pictures, pictures)
    for metric in NETS:
        np.testing.assert_array_equal(there[metric], back[metric])
        np.testing.assert_array_equal(there[metric], there[f"{metric}_raw"])
        np.testing.assert_array_equal(back[f"{metric}_raw"], 0)


def test_the_range_trap_is_avoided(features):
    """Pictures in [0, 1] where LPIPS wants [-1, 1] give another number, and it is not ours."""
    picture = vectors.picture("astronaut")
    result = vectors.prediction("comp_mean", picture, vectors.hole("square128"))
    x, y = (as_tensor(each[None]) for each in (result, picture))
    alone = only(features, "alexnet")
    with torch.inference_mode():
        assert alone.lpips["alexnet"](x, y).item() == pytest.approx(0.2555, abs=5e-5)
    values, _ = alone.score(result[None], result[None], picture[None])
    assert values["lpips_alex"] == pytest.approx(0.2866, abs=5e-5)


def test_each_trunk_sees_each_picture_once(features, pictures, monkeypatch):
    seen = []
    for trunk, network in features.lpips.items():
        forward = network.net.forward
        monkeypatch.setattr(network.net, "forward", lambda x, t=trunk, f=forward: seen.append((t, len(x))) or f(x))
    features.score(pictures, pictures, pictures)
    assert sorted(seen) == [("alexnet", 8)] * 3 + [("vgg16", 8)] * 3


def test_a_picture_is_measured_alone_as_in_a_batch(features, pictures):
    together, pooled = features.score(pictures[::-1], pictures[::-1], pictures)
    alone, pooled_alone = features.score(pictures[:-2:-1], pictures[:-2:-1], pictures[:1])
    for metric, values in alone.items():
        assert values[0] == pytest.approx(together[metric][0], rel=1e-5)
    np.testing.assert_allclose(pooled_alone["vgg16"][0], pooled["vgg16"][0], rtol=1e-4, atol=1e-5)


def test_pooled_features_are_of_the_results_and_the_same_for_real_pictures(features, pictures):
    _, pooled = features.score(pictures, pictures[::-1], np.roll(pictures, 1, axis=0))
    assert {name: values.shape for name, values in pooled.items()} == {"vgg16": (8, 512)}
    np.testing.assert_array_equal(features.pool(pictures)["vgg16"], pooled["vgg16"])
    network = features.lpips["vgg16"]
    with torch.inference_mode():
        maps = network.net(network.scaling_layer(2 * as_tensor(pictures) - 1))
    np.testing.assert_allclose(pooled["vgg16"], maps.relu5_3.mean((2, 3)), rtol=1e-4, atol=1e-4)


def test_networks_that_are_missing_are_named(features, weights_folder, tmp_path, pictures):
    assert set(features.missing) == {"inception"} and "pt_inception" in features.missing["inception"]
    nowhere = Features(tmp_path / "nowhere", "cpu")
    assert set(nowhere.missing) == {"alexnet", "vgg16", "inception"}
    assert all("`dvc repro weights` makes it" in reason for reason in nowhere.missing.values())
    assert nowhere.score(pictures, pictures, pictures) == ({}, {}) and nowhere.pool(pictures) == {}

    shutil.copytree(weights_folder, tmp_path / "weights")
    about = tmp_path / "weights" / "vgg16" / "about.json"
    shutil.copy(tmp_path / "weights" / "vgg19" / "about.json", about)
    half = Features(tmp_path / "weights", "cpu")
    assert set(half.missing) == {"vgg16", "inception"}
    values, pooled = half.score(pictures, pictures, pictures)
    assert set(values) == {"lpips_alex", "lpips_alex_raw"} and pooled == {}


def test_too_small_a_picture_goes_without_a_network(features):
    def score(height, width):
        picture = np.zeros((1, height, width, 3), np.uint8)
        return features.score(picture, picture, picture)[0]

    assert set(score(15, 40)) == set()
    assert set(score(16, 16)) == set(score(30, 40)) == {"lpips_vgg", "lpips_vgg_raw"}
    assert set(score(31, 40)) == {"lpips_vgg", "lpips_vgg_raw", "lpips_alex", "lpips_alex_raw"}
    assert features.pool(np.zeros((1, 40, 15, 3), np.uint8)) == {}
    assert features.pool(np.zeros((1, 16, 16, 3), np.uint8))["vgg16"].shape == (1, 512)


@pytest.mark.slow
def test_the_stages_make_weights_and_reference(tmp_path, shards, monkeypatch):
    shutil.copytree(shards, tmp_path / "data" / "scenes" / "shards")
    shutil.copy(ROOT / "runtime.yaml", tmp_path)
    monkeypatch.setenv("PALIMPSEST_DEVICE", "cpu")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    settings = {"weights": {"weights": {"folder": None, "download": False}}, "reference": {}}
    for stage, slot in {"weights": "", "reference": "scenes"}.items():
        write_json(Workspace(tmp_path).resolved(stage, slot), {"code": manifest(stage), **settings[stage]})
        command = [sys.executable, "-m", f"stages.{stage}", *filter(None, [slot])]
        subprocess.run(command, cwd=tmp_path, check=True)
    shard = Shard(shards / "test")
    found = read_reference(tmp_path / "data" / "scenes" / "reference")
    pooled = Features(tmp_path / "weights", "cpu").pool(np.stack([shard[i] for i in range(len(shard))]))
    assert set(found) == {"vgg16"}
    np.testing.assert_allclose(found["vgg16"].features, pooled["vgg16"], rtol=1e-5, atol=1e-6)


@pytest.fixture
def two_folders(tmp_path, pictures) -> list[str]:
    """The pictures, and the same shifted and darkened, as folders of PNG."""
    for name, shown in (("one", pictures), ("two", darker(pictures))):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(shown):
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    return [str(tmp_path / "one"), str(tmp_path / "two")]


def darker(pictures: np.ndarray) -> np.ndarray:
    return np.roll(pictures, 7, axis=2) // 2


@pytest.mark.slow
def test_inception_features_are_those_of_pytorch_fid(folder_with_inception, pictures, two_folders):
    from pytorch_fid.fid_score import compute_statistics_of_path

    features = Features(folder_with_inception, "cpu")
    assert features.missing == {}
    mean, covariance = compute_statistics_of_path(two_folders[0], features.inception, 8, 2048, "cpu", 0)
    ours = Statistics.of(features.pool(pictures)["inception"])
    np.testing.assert_allclose(ours.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(ours.root @ ours.root.T, covariance, rtol=1e-5, atol=1e-8 * covariance.max())
    _, pooled = features.score(pictures, darker(pictures), darker(pictures))
    np.testing.assert_array_equal(pooled["inception"].mean(0), ours.mean)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning", "ignore:Matrix is singular")
def test_fid_is_that_of_pytorch_fid(folder_with_inception, pictures):
    """On 256 of the 2,048 features, as pytorch-fid takes minutes for the root of the whole matrix."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    features = Features(folder_with_inception, "cpu")
    one, two = (features.pool(each)["inception"][:, :256] for each in (pictures, darker(pictures)))
    moments = [part for pooled in (one, two) for part in (pooled.mean(0), np.cov(pooled, rowvar=False))]
    theirs = calculate_frechet_distance(*moments)
    assert frechet_distance(Statistics.of(one), Statistics.of(two)) == pytest.approx(theirs, rel=1e-4)
    assert theirs > 1
