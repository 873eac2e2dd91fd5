"""Pictures exported for other tools, and the scores of what they made of them."""

import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from data import write_shard
from palimpsest.config.yaml import InputError, build, part, read_yaml
from palimpsest.data.crops import Crops
from palimpsest.data.folders import NAME
from palimpsest.data.shards import Shard
from palimpsest.evaluation import exchange
from palimpsest.evaluation.exchange import export, score_folders
from palimpsest.holes.bank import read_bank, write_bank
from palimpsest.holes.files import Reading
from palimpsest.holes.kinds import Holes
from palimpsest.metrics.sets import OF_NETWORK
from palimpsest.papers.metrics import REGIONS, read_metrics
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[2]
CROPS = part(read_yaml(ROOT / "params.yaml"), Crops, "profiles", "tiny", "slots", "scenes")


@pytest.fixture
def exported(tmp_path, shards, shipped):
    """A project with 24 test pictures and three kinds of holes, exported with brush holes."""
    slot = tmp_path / "data" / "scenes"
    slot.mkdir(parents=True)
    (slot / "shards").symlink_to(shards)
    holes = build(Holes, shipped["holes"], "").only(["brush", "rectangle", "square"])
    files = Workspace(tmp_path).slot("scenes")
    write_bank(holes, Shard(shards / "test").ids, 64, files.holes)
    write_json(files.account, {"settings": CROPS.model_dump()})
    export(tmp_path, "scenes", CROPS, ["brush"], tmp_path / "out")
    for file in ("params.yaml", "runtime.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    return tmp_path


def pixels(path):
    return np.asarray(Image.open(path))


def few(project, count=4):
    """Folders of results (a perfect copy), images and holes with `count` pictures."""
    names = sorted(path.name for path in (project / "out" / "images").iterdir())[:count]
    for folder, source in (("results", "images"), ("images", "images"), ("holes", "holes/brush")):
        (project / folder).mkdir()
        for name in names:
            shutil.copy(project / "out" / source / name, project / folder)
    return [project / folder for folder in ("results", "images", "holes")], names


def scored(folders, weights_folder):
    """The scores of results, images and holes, and what was left out."""
    found = score_folders(
        {part: (folder, NAME) for part, folder in zip(("results", "images", "holes"), folders, strict=True)},
        Reading(None, False),
        weights_folder,
        "cpu",
    )
    return found.scores, found.inputs.left_out


def test_what_is_exported_is_what_the_pipeline_measures_on(exported, shards):
    shard = Shard(shards / "test")
    bank = read_bank(Workspace(exported).slot("scenes").holes, "brush", 24)
    assert len(list((exported / "out/images").iterdir())) == len(list((exported / "out/holes/brush").iterdir())) == 24
    for number, name in enumerate(shard.ids):
        assert (pixels(exported / f"out/images/{name}.png") == shard[number]).all()
        hole = pixels(exported / f"out/holes/brush/{name}.png")
        assert hole.dtype == np.uint8 and (hole == 255 * bank[number]).all()


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_export_adds_its_holes_and_keeps_those_there(exported, tmp_path):
    before = files_in(exported / "out")
    added = export(exported, "scenes", CROPS, ["square", "rectangle"], exported / "out")
    assert added == (24, ["brush", "square", "rectangle"])
    after = files_in(exported / "out")
    assert len(after) == 1 + 24 * 4
    assert {name: after[name] for name in before if name != "about.json"} == {
        name: file for name, file in before.items() if name != "about.json"
    }
    export(exported, "scenes", CROPS, ["brush", "square", "rectangle"], tmp_path / "at-once")
    assert files_in(tmp_path / "at-once") == after
    assert export(exported, "scenes", CROPS, ["brush"], exported / "out")[1] == ["brush", "square", "rectangle"]
    assert not list(exported.glob(".*"))


def test_an_export_of_pictures_that_were_made_anew_is_replaced(exported):
    """With the tenth picture gone, no picture or hole of it is left, and a kind that is no more is gone too."""
    files = Workspace(exported).slot("scenes")
    shard = Shard(files.shard("test"))
    kept = [number for number in range(24) if number != 9]
    files.shards.unlink()
    write_shard(files.shard("test"), [(shard.ids[n], shard.photos[n], shard[n]) for n in kept])
    holes = build(Holes, read_yaml(ROOT / "params.yaml")["holes"], "").only(["rectangle"])
    write_bank(holes, [shard.ids[n] for n in kept], 64, files.holes)
    assert export(exported, "scenes", CROPS, ["rectangle"], exported / "out") == (23, ["rectangle"])
    names = set(files_in(exported / "out"))
    assert names == {
        "about.json",
        *(f"{part}/{shard.ids[n]}.png" for n in kept for part in ("images", "holes/rectangle")),
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda out: (out / "results").mkdir(), "found results, which no export made"),
        (lambda out: (out / "notes.txt").write_text("mine"), "found notes.txt, which no export made"),
        (lambda out: (out / "images" / "mine.png").write_text("mine"), "found images/mine.png, which no export made"),
        (lambda out: next((out / "holes/brush").iterdir()).write_text("mine"), r"found holes/brush/.*png, which no"),
        (lambda out: (out / "link").symlink_to("images"), "found link, which no export made"),
        (lambda out: (out / "about.json").unlink(), "found files that no export made"),
        (lambda out: (out / "about.json").write_text('{"slot": "scenes"}'), "found files that no export made"),
        (lambda out: (shutil.rmtree(out), out.write_text("mine")), "found files that no export made"),
    ],
)
def test_nothing_of_anyone_else_s_is_lost(exported, change, said):
    out = exported / "out"
    change(out)
    before = sorted(path for path in exported.rglob("*")), files_in(exported)
    with pytest.raises(
        InputError, match=rf"out: asked to export to it, {said}.*; accepted: a new or empty folder, or an unmod"
    ):
        export(exported, "scenes", CROPS, ["rectangle"], out)
    assert (sorted(path for path in exported.rglob("*")), files_in(exported)) == before


def test_what_appears_while_an_export_is_written_is_kept(exported, monkeypatch):
    save = Image.Image.save

    def saving(picture, path):
        (exported / "out" / "mine.txt").write_text("mine")
        save(picture, path)

    monkeypatch.setattr(Image.Image, "save", saving)
    with pytest.raises(InputError, match=r"found mine\.txt, which no export made"):
        export(exported, "scenes", CROPS, ["rectangle"], exported / "out")
    assert (exported / "out" / "mine.txt").exists() and not (exported / "out/holes/rectangle").exists()


def test_another_slot_or_other_pictures_are_refused(exported):
    (exported / "data" / "unseen").symlink_to("scenes")
    with pytest.raises(InputError, match="asked to export unseen to it, found an export of scenes; accepted: a new or"):
        export(exported, "unseen", CROPS, ["brush"], exported / "out")
    with pytest.raises(InputError, match=r"asked for pictures of size 32, found size 64; `dvc repro` makes them"):
        export(exported, "scenes", CROPS.model_copy(update={"size": 32}), ["brush"], exported / "out")
    with pytest.raises(InputError, match=r"star\.npz: asked for arrays, found no file"):
        export(exported, "scenes", CROPS, ["star"], exported / "elsewhere")
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
        export(exported, "scenes", CROPS, ["brush"], exported / "empty")
    assert not any((exported / "empty").iterdir()) and not list(exported.glob(".*"))
    monkeypatch.undo()
    assert export(exported, "scenes", CROPS, ["brush"], exported / "empty") == (24, ["brush"])
    assert len(list((exported / "empty" / "images").iterdir())) == 24


def test_a_perfect_copy_is_ideal_by_every_metric(exported, weights_folder):
    scores, left_out = scored(few(exported)[0], weights_folder)
    means = {name: found.mean for name, found in scores.aggregates().items()}
    assert not left_out and set(means) | set(scores.missing) == set(read_metrics())
    assert set(scores.missing) == {*OF_NETWORK["inception"], "u_ids_vgg16", "p_ids_vgg16"}
    ideal = {"psnr": math.inf, "ssim": 1, "ncc": 1, "l1": 0, "l2": 0, "lmse": 0, "lpips": 0, "fd": 0}
    ideal |= {"precision": 1, "recall": 1, "kd": means["kd_vgg16"]}
    assert means["kd_vgg16"] <= 0  # unbiased, so of equal sets less than 0
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
    scores, left_out = scored(folders, weights_folder)
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


def test_two_folders_are_compared_picture_by_picture(exported, palimpsest):
    (results, images, _), names = few(exported)
    shutil.copytree(results, exported / "darker")
    for place, name in enumerate(names):
        Image.fromarray(np.clip(pixels(images / name).astype(int) - 10 - place, 0, 255).astype(np.uint8)).save(
            exported / "darker" / name
        )
    (exported / "darker" / names[3]).unlink()
    command = [
        "score",
        "--results",
        "darker",
        "--images",
        "images",
        "--holes",
        "holes",
        "--against",
        "results",
        "--all",
    ]
    status, printed, error = palimpsest(exported, *command)
    assert status == 1 and f"{Path(names[3]).stem}: " in error
    table = printed.split("against, on 3 pictures with results in both\n")[1]
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()}
    assert rows["l1_raw"][-1] == rows["ssim"][-1] == "worse"
    assert rows["psnr"][1:] == ["∞", "undefined", "0", "(3", "undefined", "or", "infinite)"]  # less infinity
    mean, other, difference, low, _, count, verdict = rows["l1_hole"]
    assert verdict == "worse" and float(other) == 0 and float(low.strip("[,")) > 0 and count == "3"
    assert float(difference) == pytest.approx(float(mean), abs=1e-3)
    assert "fd_vgg16" not in rows  # of a whole set, without pairs


def test_originals_may_be_their_own_results(exported, weights_folder):
    (_, images, holes), _ = few(exported)
    scores, left_out = scored([images, images, holes], weights_folder)
    assert len(scores.ids) == 4 and not left_out and (scores.values["l1_raw"] == 0).all()


def test_the_command_prints_the_means_and_writes_every_value(exported, palimpsest):
    few(exported)
    folders = ["score", "--results", "results", "--images", "images", "--holes", "holes"]
    command = [sys.executable, "-m", "palimpsest", *folders, "--out", "scores.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(command, capture_output=True, text=True, cwd=exported, env=environment, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    lines = [line.split() for line in run.stdout.splitlines()]
    assert ["psnr", "∞", "4"] in lines and ["l1_hole", "0.0000", "[0.0000,", "0.0000]", "4"] in lines
    headed = [line for line in run.stdout.splitlines() if not line.startswith(" ")]
    assert headed[1:5] == ["whole picture", "hole only", "raw output", "whole set"]
    ratio = np.mean([pixels(path).astype(bool).mean() for path in (exported / "holes").iterdir()])
    assert headed[6].startswith(f"holes: {ratio:.1%} missing on average of 4 pictures, from ")
    assert "lpips_alex" in run.stdout and "`dvc repro weights` makes it" in run.stdout  # none here: said, not hidden
    tree = json.loads((exported / "scores.json").read_text(), parse_constant=pytest.fail)
    assert tree["summary"]["psnr"]["mean"] == "inf" and tree["summary"]["ssim"]["count"] == 4
    assert len(tree["pictures"]) == 4 and tree["left_out"] == {} and "fid" in tree["missing"]

    assert palimpsest(exported, *folders, "--out", "scores.csv") == (0, run.stdout, "")
    rows = list(csv.DictReader((exported / "scores.csv").open()))
    assert [row["image"] for row in rows[4:]] == ["(mean)", "(low)", "(high)", "(count)", "(infinite)"]
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
    assert status == 1 and error.startswith("error: scored 2 pictures, left out 7:\n")
    for name, said in {
        names[0]: "asked for one picture of this name, found none",
        names[1]: "results and images are 64 x 32 and 64 x 64 px; accepted: equal sizes",
        names[2]: "found a file cut short or damaged",
        names[3]: "every pixel is known",
        names[4]: "every pixel is missing",
        names[5]: f"found {Path(names[5]).stem}.bmp and {names[5]}",
        "stray.png": "images/stray: asked for one picture of this name, found none",
    }.items():
        (line,) = [line for line in error.splitlines() if line.strip().startswith(f"{Path(name).stem}:")]
        assert said in line
    assert " 2\n" in printed
    left_out = [line for line in error.splitlines() if line.startswith("  ")]
    assert left_out == sorted(left_out) and "--pattern" not in error
    assert "hidden" not in error and "notes" not in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--results": "none"}, "none: asked for a folder of pictures, found none"),
        ({"--images": "none"}, "none: asked for a folder of pictures, found none"),
        ({"--holes": "none"}, "none: asked for a folder of pictures, found none"),
        ({"--results": "stray"}, "asked for pictures of the same names, found 'a_fake' in stray, '"),
        ({"--out": "scores.txt"}, "scores.txt: accepted: a name that ends in .csv or .json"),
        ({"--out": "nowhere/scores.csv"}, "nowhere/scores.csv: asked to write scores there; accepted: a file in"),
    ],
)
def test_the_command_refuses_in_one_line(exported, palimpsest, change, said):
    few(exported, 2)
    (exported / "stray").mkdir()
    Image.new("RGB", (64, 64)).save(exported / "stray" / "a_fake.png")
    options = {"--results": "results", "--images": "images", "--holes": "holes", **change}
    status, _, error = palimpsest(exported, "score", *(word for pair in options.items() for word in pair))
    assert status == 1 and error.startswith("error: ") and said in error and error.count("\n") == 1


def test_folders_are_looked_at_before_weights(exported, monkeypatch):
    monkeypatch.setattr(exchange, "Features", lambda *_: pytest.fail("weights were read first"))
    with pytest.raises(InputError, match="none: asked for a folder of pictures, found none"):
        scored([exported / "out/images", exported / "out/images", exported / "none"], exported)


def test_export_by_command(exported, palimpsest):
    status, printed, error = palimpsest(
        exported, "export", "--slot", "scenes", "--holes", "rectangle", "square", "--out", "theirs"
    )
    said = "theirs: 24 pictures in images, and a hole for each (255 = missing) in holes/rectangle, holes/square\n"
    assert (status, printed, error) == (0, said, "")
    added = palimpsest(exported, "export", "--dataset", "bundled-photos", "--holes", "brush", "--out", "theirs")
    assert added == (0, said.replace("\n", ", holes/brush\n"), "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--slot", "faces"], "profiles.tiny.slots.faces is missing; found here: scenes"),
        (["--slot", "scenes", "--holes", "brush", "star"], "asked for holes of kind 'star'; accepted: square, "),
        (
            ["--dataset", "dtd"],
            "asked for dataset 'dtd', which fills none of profiles.tiny.slots; accepted: bundled-pho",
        ),
        (["--dataset", "twice"], "asked for dataset 'twice', which fills scenes and unseen; accepted: --slot with one"),
    ],
)
def test_export_refuses_in_one_line(exported, palimpsest, change, said):
    if "twice" in change:
        params = (exported / "params.yaml").read_text()
        for dataset in ("bundled-photos", "bundled-science"):
            params = params.replace(f"dataset: {dataset}\n", "dataset: twice\n", 1)
        (exported / "params.yaml").write_text(params)
    status, _, error = palimpsest(exported, "export", "--holes", "brush", "--out", "more", *change)
    assert status == 1 and said in error and error.count("\n") == 1 and not (exported / "more").exists()


def test_pictures_of_several_sizes_are_scored_one_with_another(exported, weights_folder):
    folders, names = few(exported, 3)
    for folder in folders:
        Image.fromarray(np.tile(pixels(folder / names[1]), (2, 1, *[1] * (folder.name != "holes")))).save(
            folder / names[1]
        )
    scores, left_out = scored(folders, weights_folder)
    assert not left_out and len(scores.ids) == 3 and (scores.values["l1"] == 0).all()


LOST = {  # px of the smaller side → what a picture has no value of
    31: set(),
    30: {"lpips_alex"},
    19: {"lpips_alex", "lmse"},
    10: {"lpips_alex", "lmse", "lpips_vgg", "ssim"},
    1: {
        "lpips_alex",
        "lmse",
        "lpips_vgg",
        "ssim",
        "ssim_uniform",
        *(f"tv_{kind}percent" for kind in ("", "hole_", "relative_")),
    },
}


def test_a_small_picture_loses_only_what_it_is_too_small_for(exported, palimpsest, features):
    """The means are those of the others, and the note says of each metric who has no value."""
    folders, names = few(exported, 6)
    draw = np.random.default_rng(0)
    for side, name in zip(LOST, names, strict=False):
        small = draw.integers(0, 256, (side, 40, 3), np.uint8)
        for folder, each in zip(folders, (255 - small, small, np.eye(side, 40, dtype=np.uint8) * 255), strict=True):
            Image.fromarray(each).save(folder / name)
    options = ["--results", "results", "--images", "images", "--holes", "holes", "--out", "scores.json"]
    status, printed, _ = palimpsest(exported, "score", *options)
    tree = json.loads((exported / "scores.json").read_text())
    assert status == 0 and tree["summary"]["fd_vgg16"]["count"] == 4
    for side, name in zip(LOST, names, strict=False):
        undefined = {metric for metric, value in tree["pictures"][Path(name).stem].items() if value is None}
        assert {metric.removesuffix("_raw") for metric in undefined} == LOST[side]
    for metric in ("lpips_alex", "lpips_vgg", "ssim", "ssim_uniform", "lmse"):
        without = [Path(name).stem for side, name in zip(LOST, names, strict=False) if metric in LOST[side]]
        (line,) = [line for line in printed.splitlines() if re.search(rf"^(.*, )?{metric}[:,]", line)]
        assert all(name in line for name in without[:3]) and (" and 1 more" in line) == (len(without) == 4)


def test_one_perfect_picture_hides_no_mean(exported, palimpsest):
    """Three pictures are off by 20 levels everywhere: 20 log10(255 / 20) dB. One is perfect: infinitely many."""
    (results, images, _), names = few(exported)
    for name in names[1:]:
        image = pixels(images / name)
        Image.fromarray(np.where(image > 127, image - 20, image + 20).astype(np.uint8)).save(results / name)
    folders = ["score", "--results", "results", "--images", "images", "--holes", "holes"]
    status, printed, _ = palimpsest(exported, *folders, "--out", "scores.json")
    rows = {words[0]: words[1:] for line in printed.splitlines() if (words := line.split())}
    decibel = 20 * np.log10(255 / 20)
    assert rows["psnr_raw"] == [f"{decibel:.2f}", "dB", f"[{decibel:.2f},", f"{decibel:.2f}]", "3", "(1", "infinite)"]
    found = json.loads((exported / "scores.json").read_text(), parse_constant=pytest.fail)["summary"]["psnr_raw"]
    assert status == 0 and found["mean"] == pytest.approx(decibel) and (found["count"], found["infinite"]) == (3, 1)
    shutil.copytree(images, exported / "perfect")
    perfect = palimpsest(exported, *folders[:2], "perfect", *folders[3:], "--against", "perfect", "--all")[1]
    table, against = perfect.split("against, on 4 pictures with results in both\n")
    (row,) = [line.split() for line in table.splitlines() if line.startswith("  psnr_raw ")]
    assert row == ["psnr_raw", "∞", "4"]
    (row,) = [line.split() for line in against.splitlines() if line.startswith("  psnr_raw ")]
    assert (
        row == ["psnr_raw", "∞", "∞", "undefined", "0", "(4", "undefined", "or", "infinite)"] and "nan" not in perfect
    )
    against = palimpsest(exported, *folders, "--against", "perfect")[1].split("with results in both\n")[1]
    (row,) = [line.split() for line in against.splitlines() if line.startswith("  psnr_raw ")]
    assert row[1:3] == [f"{decibel:.2f}", "∞"] and row[4:] == ["0", "(4", "undefined", "or", "infinite)"]
    reasons = [line.split("missing: ")[1] for line in table.splitlines() if "missing: " in line]
    assert len(reasons) > 3 and len({why for why in reasons if len(why) > 20}) == sum(len(why) > 20 for why in reasons)


def test_a_dozen_metrics_are_printed_and_all_when_asked(exported, palimpsest):
    few(exported)
    folders = ["score", "--results", "results", "--images", "images", "--holes", "holes"]

    def named(*more):
        lines = palimpsest(exported, *folders, *more)[1].splitlines()
        return [line.split()[0] for line in lines if line.startswith("  ")]

    assert named("--all") == [name for head in REGIONS for name, each in read_metrics().items() if each.of == head]
    assert named() == ["l1", "psnr", "ssim", "lpips_alex", "l1_hole", "psnr_hole", "ssim_hole", "psnr_raw", "fd_vgg16"]
    paired = [name for name in named() if name not in ("lpips_alex", "fd_vgg16")]
    assert named("--against", "results")[9:] == paired


def test_results_as_other_tools_leave_them_are_scored(exported, palimpsest):
    """JPEG, grey and 16 bits; a suffix; a folder below; names of macOS; links; holes that are soft and inverted."""
    (_, images, holes), names = few(exported)
    (exported / "theirs" / "latest").mkdir(parents=True)
    for number, name in enumerate(names):
        image, hole, stem = Image.open(images / name), Image.open(holes / name), "é" if number == 0 else Path(name).stem
        fake = exported / "theirs" / "latest" / unicodedata.normalize("NFD", f"{stem}_fake_B.JPG")
        (image.convert("L") if number == 1 else image).save(fake, "JPEG", quality=95)
        (images / name).rename(images / f"{stem}.png")
        (holes / name).unlink()
        soft = hole.resize((128, 128), Image.Resampling.BICUBIC).resize((64, 64), Image.Resampling.BICUBIC)
        ImageOps.invert(soft).save(holes / f"{stem}.webp", lossless=True)
    (exported / "links").symlink_to("theirs")
    folders = ["score", "--results", "links", "--images", "images", "--holes", "holes"]
    status, _, error = palimpsest(exported, *folders)
    assert (
        status == 1 and error.endswith("_fake_B'\n") and "accepted: --pattern results='latest/{name}_fake_B'" in error
    )
    status, printed, error = palimpsest(exported, *folders, "--pattern", "latest/{name}_fake_B", "--invert")
    assert (status, error) == (0, "")
    assert "\nresults: grey (1); read as upright 8-bit RGB" in printed
    assert (
        re.search(r"\nholes: \d+\.\d% missing on average of 4 pictures", printed)
        and "neither black nor white" in printed
    )
