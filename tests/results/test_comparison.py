"""What two states differ in: pairs of results whose differences are known, and a project under real DVC."""

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from palimpsest.data.shards import write_index
from palimpsest.metrics.differences import FEW, of_pictures
from palimpsest.results.comparison import ABSENT, changed_settings, compare, to_text
from palimpsest.results.measured import read_results
from palimpsest.storage import write_text
from palimpsest.workspace import Workspace
from reported import PLACES, Fake, value

PHOTOGRAPHS = np.arange(24) // 3  # eight of three tiles
SETTINGS = {"profile": "tiny", "runs": {"tmad": {"width": 8, "betas": [0.5, 0.9], "loss": {}}}}


@pytest.fixture
def other(fake, tmp_path_factory):
    """A copy of the results before anything changes."""
    return shutil.copytree(fake.root, tmp_path_factory.mktemp("before") / "project", symlinks=True)


def compared(before, fake, metrics=("psnr",), photographs=PHOTOGRAPHS):
    states = (replace(each, _photographs={"scenes": photographs}) for each in (read_results(before), fake.measured))
    return compare(*states, (SETTINGS, SETTINGS), list(metrics))


def move(fake, run, metric, gains):
    """Adds to a metric of each picture, and to its mean."""
    path = Workspace(fake.root).results(run).per_image
    head, *rows = csv.reader(path.open())
    for row, gain in zip(rows, gains, strict=True):
        row[head.index(metric)] = str(float(row[head.index(metric)]) + gain)
    write_text(path, "".join(",".join(row) + "\n" for row in [head, *rows]))


def test_a_setting_that_changed_came_or_went_is_named_by_its_dotted_key():
    tmad = {"width": 16, "betas": [0.5, 0.99], "loss": {"l1": 1.0}}
    assert changed_settings(SETTINGS, {"seed": 0, "runs": {"tmad": tmad}}) == {
        "profile": ("tiny", ABSENT),
        "runs.tmad.width": (8, 16),
        "runs.tmad.betas": ([0.5, 0.9], [0.5, 0.99]),
        "runs.tmad.loss.l1": (ABSENT, 1.0),
        "seed": (ABSENT, 0),
    }
    assert changed_settings(SETTINGS, SETTINGS) == {}


def test_equal_results_move_nothing(fake, other):
    found = compared(other, fake)
    assert (found.differences, found.apart, found.other_code) == ([], {}, [])
    assert set(found.alike) == set(fake.measured.results)
    assert to_text(found).splitlines() == ["no setting changed", "0 of 0 metrics moved; 4 runs unchanged"]


def test_a_difference_moves_where_its_own_interval_leaves_out_0(fake, other):
    """Each picture gains nearly as much: far less than the spread between pictures, and yet beyond chance."""
    spread = 5 * PLACES
    fake.write("patchmatch", psnr=value("patchmatch", "psnr") + 0.1, ssim=value("patchmatch", "ssim") + 0.1)
    gains = 0.02 * np.sin(np.arange(24))
    move(fake, "patchmatch", "psnr", gains)
    move(fake, "patchmatch", "ssim", spread)
    found = {each.metric: each for each in compared(other, fake, ["psnr", "ssim", "l1"]).differences}
    assert {name: each.moved for name, each in found.items()} == {"psnr": True, "ssim": False, "l1": False}
    expected = of_pictures(np.zeros((1, 24)), 0.1 + gains[None], PHOTOGRAPHS)
    gained = found["psnr"].gained
    assert (gained.mean, gained.low, gained.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert (gained.pictures, gained.photographs, gained.seeds) == (24, 8, (1, 1))
    assert found["psnr"].after - found["psnr"].before == pytest.approx(0.1)
    assert found["ssim"].gained.low < 0 < found["ssim"].gained.high


def test_what_seeds_differ_in_moves_nothing(fake, other):
    """Three seeds a quarter apart: a change of 0.1 that one seed alone would show is less than they vary."""
    for root in (other, fake.root):
        Fake.at(root).write("patchmatch", seeds=(1, 2, 3))
    fake.write("patchmatch", seeds=(1, 2, 3), psnr=value("patchmatch", "psnr") + 0.1)
    (found,) = compared(other, fake).differences
    assert found.gained.seeds == (3, 3) and not found.moved and found.gained.low < 0 < 0.1 < found.gained.high


def test_too_few_photographs_decide_nothing(fake, other):
    fake.write("patchmatch", psnr=value("patchmatch", "psnr") + 1)
    found = compared(other, fake, ["psnr", "l1"], np.arange(24) // 12)
    assert [(each.metric, each.moved, each.undecided) for each in found.differences] == [
        ("psnr", False, True),
        ("l1", False, False),
    ]
    lines = to_text(found).splitlines()
    assert lines[1] == "0 of 2 metrics moved, 1 without an interval; 3 runs unchanged" and len(lines) == 4
    assert lines[3].endswith(f"+1          {FEW}")


def test_the_moved_metrics_are_printed_with_what_is_better(fake, other):
    fake.write("patchmatch", psnr=value("patchmatch", "psnr") - 1, l1=value("patchmatch", "l1") - 1)
    lines = to_text(compared(other, fake, ["psnr", "l1", "ncc"])).splitlines()
    assert lines[:2] == ["no setting changed", "2 of 3 metrics moved; 3 runs unchanged"]
    assert lines[2].split() == ["run", "holes", "metric", "before", "after", "difference", "95", "%", "interval"]
    psnr, l1 = value("patchmatch", "psnr"), value("patchmatch", "l1")
    row = ["patchmatch", "rectangle", "psnr", f"{psnr:.2f}", f"{psnr - 1:.2f}", "-1", "[-1,", "-1]", "worse"]
    assert lines[3].split() == row
    row = ["patchmatch", "rectangle", "l1", f"{l1:.4f}", f"{l1 - 1:.4f}", "-1", "[-1,", "-1]", "better"]
    assert lines[4].split() == row
    assert lines[3].index("rectangle") == lines[2].index("holes")


def test_pictures_without_a_finite_difference_are_left_out(fake, other):
    fake.write("patchmatch", psnr=value("patchmatch", "psnr") + 1)
    move(fake, "patchmatch", "psnr", [np.inf, -np.inf, np.nan, *[0] * 21])
    (found,) = compared(other, fake).differences
    assert (found.gained.pictures, found.gained.photographs) == (21, 7)
    assert found.gained.mean == pytest.approx(1)


def test_what_cannot_be_compared_says_why(fake, other):
    fake.write("patchmatch", psnr=1.0)
    path = Workspace(fake.root).results("patchmatch").per_image
    path.write_text(path.read_text().replace("picture-3,", "picture-99,"))
    fake.write("deepfill-v1", psnr=1.0, settings="b" * 64)
    shutil.rmtree(Workspace(other).results("constant-fill").folder)
    found = compared(other, fake)
    assert found.differences == []
    assert found.apart == {
        "constant-fill": "before: not run",
        "deepfill-v1": "after: its result was made under other settings",
        "patchmatch, rectangle holes": "measured on other pictures or holes",
    }
    assert "not compared: constant-fill: before: not run" in to_text(found).splitlines()


def test_results_of_other_code_are_named(fake, other):
    fake.write("patchmatch", psnr=1.0)
    path = Workspace(fake.root).results("patchmatch").metrics
    path.write_text(path.read_text().replace("c" * 64, "d" * 64))
    found = compared(other, fake)
    assert found.other_code == ["patchmatch"]
    assert to_text(found).splitlines()[-1] == "measured by other code: patchmatch"


STAGES = """stages:
  check: {cmd: "true", deps: [params.yaml], outs: [resolved]}
  split: {cmd: "true", outs: [data/scenes/shards]}
  evaluate: {cmd: "true", outs: [results]}
"""


@pytest.mark.slow
def test_experiments_and_the_workspace_are_read_from_git_and_the_cache(fake):
    who = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def call(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *words] if words[0] in ("dvc", "palimpsest") else words
        environment = {**os.environ, **who}
        return subprocess.run(command, cwd=fake.root, env=environment, capture_output=True, text=True, check=False)

    def done(*words: str) -> str:
        run = call(*words)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def changed(setting: int, psnr: float) -> None:
        (fake.root / "params.yaml").write_text(f"seed: {setting}\n")
        fake.write("patchmatch", psnr=psnr)
        done("dvc", "commit", "-q", "-f")

    done("git", "init", "-q")
    assert call("palimpsest", "compare").stderr.startswith("error: experiments: found nothing that DVC can read")
    done("dvc", "init", "-q")
    (fake.root / "dvc.yaml").write_text(STAGES)
    tiles = [(f"picture-{i}", f"photo-{i // 3}", 64, 64, 0, "") for i in range(24)]
    shards = fake.root / "data" / "scenes" / "shards"
    shards.unlink()
    write_index(shards / "test.npy", tiles)
    (fake.root / ".gitignore").write_text("/data\n/resolved\n/results\n/runs\n")
    changed(1, 10.0)
    done("git", "add", "-A")
    done("git", "commit", "-qm", "measured")
    assert call("palimpsest", "compare", "better").stderr.count("\n") == 1
    changed(2, 11.0)
    done("dvc", "exp", "save", "-q", "-n", "better")
    changed(3, 9.0)
    row = ["patchmatch", "rectangle", "psnr", "10.00"]
    settings, lines = {}, {}
    for side, name in (("better", ["better"]), ("workspace", [])):
        head, _, settings[side], _, _, *lines[side] = done("palimpsest", "compare", *name).splitlines()
        assert head.startswith(f"{side} against ")
    assert [settings[side].split() for side in settings] == [["seed", "1", "→", "2"], ["seed", "1", "→", "3"]]
    assert [line.split() for line in lines["better"]] == [[*row, "11.00", "+1", "[+1,", "+1]", "better"]]
    assert [line.split() for line in lines["workspace"]] == [[*row, "9.00", "-1", "[-1,", "-1]", "worse"]]
    (fake.root / "params.yaml").write_text("seed: 4\n")
    last = done("palimpsest", "compare").splitlines()[-1]
    assert last == "settings or code have changed since these results were made; `dvc repro` makes them anew"
    assert "experiment: found 'worse'; accepted: better" in call("palimpsest", "compare", "worse").stderr
    shutil.rmtree(fake.root / ".dvc" / "cache")
    lost = call("palimpsest", "compare")
    assert lost.returncode == 1 and lost.stderr.count("\n") == 1 and "neither in Git nor in DVC's cache" in lost.stderr
