"""Pictures exported for other tools, and the scores of what they made of them."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palimpsest.config.yaml import InputError, build
from palimpsest.data.shards import Shard
from palimpsest.evaluation.exchange import export, score_folders
from palimpsest.holes.bank import read_bank, write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.papers.metrics import read_metrics
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def exported(tmp_path, shards, shipped):
    """A project with test pictures and two kinds of holes, the first 6 of 24 exported with brush holes."""
    slot = tmp_path / "data" / "scenes"
    slot.mkdir(parents=True)
    (slot / "shards").symlink_to(shards)
    holes = build(Holes, shipped["holes"], "").only(["brush", "rectangle"])
    write_bank(holes, Shard(shards / "test").ids, 64, Workspace(tmp_path).slot("scenes").holes)
    export(tmp_path, "scenes", "brush", tmp_path / "out")
    for file in ("params.yaml", "runtime.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    return tmp_path


def pixels(path):
    return np.asarray(Image.open(path))


def few(project, count=4):
    """Folders of results (a perfect copy), images and holes with `count` pictures."""
    names = sorted(path.name for path in (project / "out" / "images").iterdir())[:count]
    for folder, source in (("results", "images"), ("images", "images"), ("holes", "holes")):
        (project / folder).mkdir()
        for name in names:
            shutil.copy(project / "out" / source / name, project / folder)
    return [project / folder for folder in ("results", "images", "holes")], names


def test_what_is_exported_is_what_the_pipeline_measures_on(exported, shards):
    shard = Shard(shards / "test")
    bank = read_bank(Workspace(exported).slot("scenes").holes, "brush", 24)
    assert len(list((exported / "out/images").iterdir())) == len(list((exported / "out/holes").iterdir())) == 24
    for number, name in enumerate(shard.ids):
        assert (pixels(exported / f"out/images/{name}.png") == shard[number]).all()
        hole = pixels(exported / f"out/holes/{name}.png")
        assert hole.dtype == np.uint8 and (hole == 255 * bank[number]).all()


def test_nothing_is_written_over_a_folder_that_holds_files(exported):
    with pytest.raises(InputError, match="found files already; accepted: a new or empty folder"):
        export(exported, "scenes", "rectangle", exported / "out")
    with pytest.raises(InputError, match=r"star\.npz: asked for arrays, found no file"):
        export(exported, "scenes", "star", exported / "elsewhere")
    assert not (exported / "elsewhere").exists()


def test_an_export_that_stops_half_way_leaves_nothing(exported, monkeypatch):
    save = Image.Image.save

    def failing(picture, path):
        if "holes" in str(path):
            raise OSError(28, "No space left on device")
        save(picture, path)

    monkeypatch.setattr(Image.Image, "save", failing)
    (exported / "empty").mkdir()
    with pytest.raises(OSError, match="No space left"):
        export(exported, "scenes", "brush", exported / "empty")
    assert not any((exported / "empty").iterdir()) and not list(exported.glob(".*"))
    monkeypatch.undo()
    assert export(exported, "scenes", "brush", exported / "empty") == 24
    assert len(list((exported / "empty" / "images").iterdir())) == 24


def test_a_perfect_copy_is_ideal_by_every_metric(exported, weights_folder):
    scores, left_out = score_folders(*few(exported)[0], weights_folder, "cpu")
    means = {name: found.mean for name, found in scores.aggregates().items()}
    assert not left_out and set(means) == set(read_metrics()) - {"fid"} and set(scores.missing) == {"fid"}
    ideal = {"psnr": math.inf, "ssim": 1, "ncc": 1, "l1": 0, "l2": 0, "lmse": 0, "lpips": 0, "fd": 0}
    for name, mean in means.items():
        if (kind := name.split("_")[0]) != "tv":  # a result's own; its original's has no other ideal
            assert mean == pytest.approx(ideal[kind], abs=1e-6), name


def test_a_known_distortion_has_its_closed_form(exported, weights_folder):
    folders, names = few(exported)
    ratios = []
    for name in names:
        image, hole = pixels(folders[1] / name), pixels(folders[2] / name) > 0
        error = np.where(image > 127, -20, 20) * hole[..., None] + np.where(image > 127, -5, 5) * ~hole[..., None]
        Image.fromarray((image + error).astype(np.uint8)).save(folders[0] / name)
        ratios.append(hole.mean())
    scores, left_out = score_folders(*folders, weights_folder, "cpu")
    assert not left_out and scores.ids == [Path(name).stem for name in names]
    ratios, inside, outside = np.array(ratios), 20 / 255, 5 / 255
    np.testing.assert_allclose(scores.ratios, ratios)
    expected = {
        "l1_hole": inside + 0 * ratios,
        "l1": inside * ratios,
        "l1_percent": 100 * inside * ratios,
        "l1_raw": inside * ratios + outside * (1 - ratios),
        "l2_hole_percent": 100 * inside**2 + 0 * ratios,
        "l2": inside**2 * ratios,
        "l2_raw": inside**2 * ratios + outside**2 * (1 - ratios),
        "psnr_hole": -20 * np.log10(inside) + 0 * ratios,
        "psnr": -10 * np.log10(inside**2 * ratios),
        "psnr_channels": -10 * np.log10(inside**2 * ratios),
        "psnr_raw": -10 * np.log10(inside**2 * ratios + outside**2 * (1 - ratios)),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(scores.values[name], values, rtol=1e-12, err_msg=name)
    means = scores.aggregates()
    assert means["psnr"].mean == pytest.approx(expected["psnr"].mean(), rel=1e-12)
    assert min(means[name].mean for name in ("lpips_alex", "lpips_vgg", "lpips_alex_raw", "fd_vgg16")) > 0.01


def test_originals_may_stand_as_their_own_results(exported, weights_folder):
    (_, images, holes), _ = few(exported)
    scores, left_out = score_folders(images, images, holes, weights_folder, "cpu")
    assert len(scores.ids) == 4 and not left_out and (scores.values["l1_raw"] == 0).all()


def test_the_command_prints_the_means_and_writes_every_value(exported, palimpsest):
    few(exported)
    folders = ["score", "--results", "results", "--images", "images", "--holes", "holes"]
    command = [sys.executable, "-m", "palimpsest", *folders, "--out", "scores.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(command, capture_output=True, text=True, cwd=exported, env=environment, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    lines = [line.split() for line in run.stdout.splitlines()]
    assert ["psnr", "∞", "dB", "[∞,", "∞]", "4"] in lines and ["l1_hole", "0.0000", "[0.0000,", "0.0000]", "4"] in lines
    headed = [line for line in run.stdout.splitlines() if line and not line.startswith(" ")]
    assert headed == ["whole picture", "hole only", "raw output", "whole set"]
    assert "lpips_alex" in run.stdout and "`dvc repro weights` makes it" in run.stdout  # none here: said, not hidden
    tree = json.loads((exported / "scores.json").read_text())
    assert tree["summary"]["psnr"]["mean"] == "inf" and tree["summary"]["ssim"]["count"] == 4
    assert len(tree["pictures"]) == 4 and tree["left_out"] == {} and "fid" in tree["missing"]

    assert palimpsest(exported, *folders, "--out", "scores.csv") == (0, run.stdout, "")
    rows = list(csv.DictReader((exported / "scores.csv").open()))
    assert [row["image"] for row in rows[4:]] == ["(mean)", "(low)", "(high)", "(count)"]
    assert {float(row["l1_hole"]) for row in rows[:4]} == {0.0} and rows[4]["psnr"] == "inf"


def test_what_cannot_be_scored_is_named_and_the_rest_is_scored(exported, palimpsest):
    (results, images, holes), names = few(exported, 8)
    image = pixels(images / names[0])
    (results / names[0]).unlink()
    Image.fromarray(image[:32]).save(results / names[1])
    (results / names[2]).write_bytes((results / names[2]).read_bytes()[:200])
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(holes / names[3])
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(holes / names[4])
    Image.fromarray(image).save((results / names[5]).with_suffix(".bmp"))
    (results / ".hidden.png").write_text("no picture")
    (results / "notes.txt").write_text("no picture")
    Image.fromarray(image).save(results / "stray.png")
    status, printed, error = palimpsest(
        exported, "score", "--results", "results", "--images", "images", "--holes", "holes"
    )
    assert status == 1 and error.startswith("error: 2 pictures were scored, 7 left out:\n")
    for name, said in {
        names[0]: "asked for one picture of this name, found none",
        names[1]: "result and original are 64 x 32 px and 64 x 64 px; accepted: equal sizes",
        names[2]: "found one that is cut short or damaged",
        names[3]: "every pixel is known",
        names[4]: "every pixel is missing",
        names[5]: f"found {Path(names[5]).stem}.bmp and {names[5]}",
        "stray.png": "images/stray: asked for one picture of this name, found none",
    }.items():
        (line,) = [line for line in error.splitlines() if line.strip().startswith(f"{Path(name).stem}:")]
        assert said in line
    assert " 2\n" in printed
    assert "hidden" not in error and "notes" not in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--results": "none"}, "none: asked for a folder of pictures, found none"),
        ({"--results": "holes"}, "found nothing to score; the first reason: "),
        ({"--out": "scores.txt"}, "scores.txt: accepted: a name that ends in .csv or .json"),
        ({"--out": "nowhere/scores.csv"}, "nowhere/scores.csv: asked to write scores there; accepted: a file in"),
    ],
)
def test_the_command_refuses_in_one_line(exported, palimpsest, change, said):
    few(exported, 2)
    options = {"--results": "results", "--images": "images", "--holes": "holes", **change}
    status, _, error = palimpsest(exported, "score", *(word for pair in options.items() for word in pair))
    assert status == 1 and error.startswith("error: ") and said in error and error.count("\n") == 1


def test_export_by_command(exported, palimpsest):
    status, printed, error = palimpsest(
        exported, "export", "--slot", "scenes", "--holes", "rectangle", "--out", "for-them"
    )
    assert (status, error) == (0, "") and printed.startswith("24 pictures in for-them/images")
    status, _, error = palimpsest(exported, "export", "--slot", "faces", "--holes", "rectangle", "--out", "more")
    assert status == 1 and "profiles.tiny.slots.faces is missing; found here: scenes" in error
    status, _, error = palimpsest(exported, "export", "--slot", "scenes", "--holes", "star", "--out", "more")
    assert status == 1 and "asked for holes of kind 'star'; accepted: rectangle, " in error


def test_pictures_of_several_sizes_are_scored_one_with_another(exported, weights_folder):
    folders, names = few(exported, 3)
    for folder in folders:
        Image.fromarray(np.tile(pixels(folder / names[1]), (2, 1, *[1] * (folder.name != "holes")))).save(
            folder / names[1]
        )
    scores, left_out = score_folders(*folders, weights_folder, "cpu")
    assert not left_out and len(scores.ids) == 3 and (scores.values["l1"] == 0).all()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folders[0] / names[2])
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folders[1] / names[2])
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(folders[2] / names[2])
    scores, left_out = score_folders(*folders, weights_folder, "cpu")
    assert list(left_out) == [Path(names[2]).stem] and "31 px or more" in left_out[Path(names[2]).stem]
