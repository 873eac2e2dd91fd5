"""The pipeline as its users run it: a copy of the project with small nets, under real `dvc`."""

import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML
from torch import nn

from building import shrink
from iopaint import Painter, serving
from palimpsest.markdown import plain
from project import Project

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
KEPT = ["constant-fill", "deepfill-v1", "deepfill-v1-baseline", "tmad"]
SLOTS = ["scenes", "unseen"]
HOLES = ["rectangle", "brush"]
REPORTED = {"study", "tables", "figures", "gallery", "report"}
OF_DEEPFILL = {f"{stage}@{run}" for stage in ("train", "evaluate") for run in KEPT[1:3]} | {"transfer@moved"}
EVALUATED = {f"evaluate@{run}" for run in KEPT} | {"transfer@moved"}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The project with a pretrained network and four runs of two iterations at most, reproduced once.

    It lies in a folder with a space in its name.
    """
    project = Project(tmp_path_factory.mktemp("project") / "a clone")
    files = ["git", "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.run(files, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if not name.startswith(("docs/", "tests/")) and name != "dvc.lock" and (ROOT / name).exists():
            (project.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project.root / name)
    settings = project.settings()
    settings["slots"] = SLOTS
    for profile in settings["profiles"].values():
        profile["slots"] = {slot: profile["slots"][slot] for slot in SLOTS}
    left_out = [*settings["runs"], *settings["pretrained"], *settings["transfers"]]
    settings["runs"] = {name: {**settings["runs"][name], "holes": ["rectangle"]} for name in KEPT}
    settings["pretrained"] = {"tmad-coarse": settings["pretrained"]["tmad-coarse"]}
    settings["released"] = {}
    settings["transfers"] = {"moved": {"run": "deepfill-v1", "slot": "unseen", "holes": ["rectangle"]}}
    settings["holes"]["kinds"] = {name: settings["holes"]["kinds"][name] for name in HOLES}
    settings["profiles"]["tiny"]["benchmark"] = {"sizes": [64], "rounds": 1}
    schedule = {"batch_size": 1, "phases": [{"name": "all", "iterations": 2, "learning_rate": 1e-3}]}
    shrink(settings["pretrained"]["tmad-coarse"], {"width": 2, "schedule": schedule})
    shrink(settings["runs"]["tmad"], {"width": 2, "critic_width": 2, "patches": 2, "schedule": schedule})
    few = {"width": 2, "critic_width": 2, "schedule": {**schedule, "augment": []}}
    few["schedule"]["phases"] = [{**schedule["phases"][0], "name": "joint"}]
    shrink(settings["runs"]["deepfill-v1"], few)
    project.write(settings)
    for paper in (project.root / "src" / "palimpsest" / "papers").glob("*.yaml"):
        if "tables" in (tree := YAML(typ="safe").load(paper)):
            YAML().dump({**tree, "foreseen": [*tree.get("foreseen", []), *left_out]}, paper)
    project.call("git", "init", "-q")
    everything = side_by_side(project)
    each_slot = {f"{stage}@{slot}" for stage in ("download", "split", "holes", "reference") for slot in SLOTS}
    once = {"check", "weights", "architectures", "benchmark", "convert", "pretrain@tmad-coarse"}
    trained = {f"train@{run}" for run in KEPT}
    assert everything == trained | EVALUATED | REPORTED | each_slot | once
    project.commit()
    return project


@pytest.fixture
def clean(project):
    """The project as it was reproduced first, put back afterwards from the run-cache."""
    yield project
    project.call("git", "reset", "-q", "--hard")
    project.call("git", "clean", "-qfd")
    project.call("dvc", "checkout", "-q", "--force")


def test_nothing_to_do_runs_nothing_and_leaves_the_tree_clean(project):
    assert project.repro() == set()
    assert project.call("git", "status", "--porcelain").stdout == ""


def side_by_side(project: Project, *arguments: str) -> set[str]:
    """The stages that ran under `repro` of the command line."""
    command = ["env", "PYTHONPATH=src", "python", "-m", "palimpsest", "repro", *arguments]
    ended = [line for line in project.call(*command).stderr.splitlines() if line[:1].isdigit()]
    return {line.split()[1].rstrip(":") for line in ended if "as in the cache" not in line}


def test_stages_side_by_side_and_one_by_one_make_the_same_bytes_from_scratch(project):
    first, pages = project.outputs(), project.files("reports")
    for folder in ("data", "resolved", "weights", "runs", "results", "reports", ".dvc/cache", "dvc.lock"):
        path = project.root / folder
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    project.repro()
    again = project.outputs()
    timed = {"results/benchmark.json", "reports/tables", "reports/figures", "reports/gallery", "reports/thumbnails"}
    timed |= {"reports/pdf", "reports/index.html", "reports/report.tex"}
    timed |= {"reports/commit.txt"}  # of the tree as it is now
    assert {path for path in first if first[path] != again[path]} <= timed
    assert len(first) > 30
    changed = {Path(path).stem for path, content in project.files("reports").items() if content != pages.get(path)}
    seconds = {"crfill-5", "deepfill-v1-claims", "tmad-claims", "tmad-V", "crfill-timing", "overview-speed"}
    pages_of_runs = {*KEPT, "index", "report", "moved", "commit"}  # which say what a run's speed is
    assert {name.removesuffix("-notes") for name in changed} <= seconds | pages_of_runs
    assert len(pages) > 60
    project.commit()


def test_a_further_seed_reruns_the_ablations_and_what_is_downstream(clean):
    weights = {run: (clean.root / "runs" / run / "weights.safetensors").read_bytes() for run in KEPT[1:3]}
    settings = clean.settings()
    settings["profiles"]["tiny"]["seeds"] = [1, 2]
    clean.write(settings)
    assert side_by_side(clean) == {"check"} | OF_DEEPFILL | REPORTED
    for run, first in weights.items():
        assert (clean.root / "runs" / run / "weights.safetensors").read_bytes() == first
        assert (clean.root / "runs" / run / "seed-2" / "weights.safetensors").read_bytes() != first
    found = json.loads((clean.root / "results" / "moved" / "metrics.json").read_text())
    one, other = found["by_seed"]["rectangle"]["psnr"]
    assert found["seeds"] == [1, 2] and one != other
    rows = (clean.root / "reports" / "tables" / "deepfill-v1-1.md").read_text().splitlines()
    assert [row.split("|")[1].strip() for row in rows if "±" in row and row.startswith("|")] == [
        "DeepFill v1, baseline",
        "DeepFill v1",
    ]
    assert clean.repro() == set()


def test_a_hole_that_no_run_trains_on_retrains_nothing(clean):
    settings = clean.settings()
    settings["holes"]["kinds"]["brush"]["width"] = [10, 20]
    clean.write(settings)
    holes = {f"holes@{slot}" for slot in SLOTS}
    assert side_by_side(clean) == {"check"} | holes | EVALUATED | REPORTED


TOY = '''
"""Toy: black, with one weight that learns nothing."""

import torch
from torch import nn

from palimpsest.config.yaml import Settings
from palimpsest.learning.schedule import Schedule


class Config(Settings):
    shade: float
    schedule: Schedule


class Model:
    size_divisor = 1
    batches = 1

    def __init__(self, config, size):
        self.config = config
        self.networks = nn.ModuleDict({"shade": nn.Linear(1, 1)})
        self.optimisers = {"shade": torch.optim.SGD(self.networks.parameters(), 0.1)}

    def begin(self, phase):
        pass

    def step(self, image, hole):
        loss = (self.networks["shade"](image.new_ones(1, 1)) - self.config.shade).square().mean()
        self.optimisers["shade"].zero_grad()
        loss.backward()
        self.optimisers["shade"].step()
        return {"loss": loss}

    def inpaint(self, image, hole):
        return torch.full_like(image, self.config.shade)
'''


def test_a_new_method_is_a_file_a_section_and_a_row(clean):
    (clean.root / "src" / "palimpsest" / "models" / "toy.py").write_text(TOY.lstrip())
    settings = clean.settings()
    schedule = {**settings["runs"]["deepfill-v1"]["settings"]["schedule"], "batch_size": {"paper": 4, "tiny": 2}}
    schedule["phases"] = [{"name": "only", "iterations": 3, "learning_rate": 0.1}]
    settings["runs"]["toy"] = {
        "model": "toy",
        "slot": "scenes",
        "holes": ["rectangle"],
        "needs": {"start": "nothing", "inside": "nothing"},
        "settings": {"shade": 0.25, "schedule": schedule},
    }
    clean.write(settings)
    add_row(clean.root / "src" / "palimpsest" / "papers" / "deepfill-v1.yaml", {"label": "Toy method", "run": "toy"})
    assert clean.repro() == {"check", "train@toy", "evaluate@toy"} | REPORTED | {"architectures", "benchmark"}
    measured = json.loads((clean.root / "results" / "toy" / "metrics.json").read_text())["holes"]["rectangle"]
    rows = (clean.root / "reports" / "tables" / "deepfill-v1-1.md").read_text().splitlines()
    (row,) = [line for line in rows if "Toy method" in line]
    assert f"{measured['psnr_hole']:.2f}" in row


def add_row(spec: Path, row: dict) -> None:
    """Puts a row at the end of table 1 of a paper."""
    tree = YAML(typ="safe").load(spec.read_text())
    tree["tables"]["1"]["rows"].append(row)
    YAML().dump(tree, spec)


class Darker(nn.Module):
    """Grey in holes, and all that is known darker."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, picture, mask):
        return torch.where(mask > 0, 0.5, picture * self.factor)


def test_anyones_model_is_a_section_and_a_file_or_an_address(clean):
    """A changed file is measured again. A server is asked once, whatever it does later, and again with --force."""

    def save(factor: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.jit.script(Darker(factor)).save(clean.root / "darker.pt")

    save(0.8)
    clean.environment["no_proxy"] = "*"
    section = {"source": "a test", "slot": "scenes", "holes": ["rectangle"]}
    form = {"inputs": ["picture", "mask"], "mask": {"missing": 1, "known": 0}, "size_divisor": 1}
    form |= {"picture": {"colours": "rgb", "range": [0, 1], "in_hole": "black"}}
    form |= {"output": {"colours": "rgb", "range": [0, 1], "beyond": "refused"}}
    script = {**section, "label": "Darker", "results": {"kind": "torchscript", "path": "darker.pt", **form}}
    settings = clean.settings()
    with serving(Painter()) as painter:
        served = {"kind": "server", "path": "runs/nothing", "address": painter.address, "model": "lama"}
        served |= {"in_hole": "grey", "request": {}, "timeout": 60}
        settings["external"] = {"darker": script, "served": {**section, "label": "Served", "results": served}}
        clean.write(settings)
        assert clean.repro() == {"check", "external@darker", "external@served"} | REPORTED
        assert clean.repro() == set()
        rows = (clean.root / "reports" / "tables" / "deepfill-v1-1-every-metric.md").read_text().splitlines()
        heads = [cell.strip() for cell in next(row for row in rows if "Darker (external)" in row).split("|")]
        for metric in ("l1_percent", "l1_percent_raw"):
            shown = [cell.strip() for cell in next(row for row in rows if f" {plain(metric)} " in row).split("|")]
            for name, label in (("darker", "Darker"), ("served", "Served")):
                measured = json.loads((clean.root / "results" / name / "metrics.json").read_text())["holes"]
                place = next(n for n, head in enumerate(heads) if f"{label} (external)" in head)
                assert f"{measured['rectangle'][metric]:.2f}" in shown[place]
        save(0.7)
        assert clean.repro() == {"external@darker"} | REPORTED
        asked, before = len(painter.asked), clean.psnr("served")
        painter.darker = 50
        assert asked == 24 and clean.repro() == set() and len(painter.asked) == asked
        clean.repro("--force", "--single-item", "external@served")
        assert len(painter.asked) == 2 * asked
        assert clean.psnr("served") == before  # known pixels are put back
        raw = json.loads((clean.root / "results" / "served" / "metrics.json").read_text())["holes"]["rectangle"]
        assert raw["l1_percent_raw"] > raw["l1_percent"] + 10
        provenance = (clean.root / "reports" / "gallery" / "provenance" / "served.js").read_text()
        assert "lama, named by its server" in provenance
    settings["external"]["darker"]["label"] = "Much darker"
    clean.write(settings)
    assert clean.repro() & {"external@darker", "external@served"} == set()  # and the server is gone


def test_two_reproductions_at_once_lose_nothing(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["loss"]["gradient_penalty"] = 3.0
    clean.write(settings)
    first = clean.start("dvc", "repro", "train")
    assert any("Running stage 'train@deepfill-v1'" in line for line in first.stdout)
    second = clean.call("dvc", "repro", "train", check=False)
    output, _ = first.communicate()
    assert first.returncode == 0, output
    assert second.returncode != 0
    assert any(word in second.stderr for word in ("Unable to acquire lock", "is busy")), second.stderr
    assert clean.repro("train") == set()


def test_a_training_uses_the_processes_of_runtime_yaml_side_by_side_too(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["schedule"]["batch_size"] = 2
    clean.write(settings)
    clean.environment["PALIMPSEST_DEVICES"] = "2"
    side_by_side(clean, "train@deepfill-v1")
    del clean.environment["PALIMPSEST_DEVICES"]
    said = (clean.root / "scratch" / "logs" / "train@deepfill-v1.log").read_text()
    assert "distributed_backend=gloo" in said and "MEMBER: 2/2" in said
    assert clean.repro("train@deepfill-v1") == set()


def test_a_wrong_setting_stops_everything_at_the_start(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["loss"]["l1_hloe"] = 1.0
    clean.write(settings)
    outputs = clean.outputs()
    run = clean.call("dvc", "repro", check=False)
    assert run.returncode != 0
    assert "runs.deepfill-v1.settings.loss.l1_hloe is not a setting" in run.stdout + run.stderr
    assert "train@" not in run.stdout
    assert clean.outputs() == outputs


FILL = "src/palimpsest/models/constant_fill.py"


def changed_method(project: Project) -> None:
    """Makes another method of the constant fill."""
    text = (project.root / FILL).read_text()
    start = text.index("    def inpaint")
    (project.root / FILL).write_text(f"{text[:start]}    def inpaint(self, image, hole):\n        return image * 0\n")


def test_an_experiment_runs_apart_with_its_own_code_and_settings(clean):
    """`--temp` copies what Git holds; a relative folder that it does not hold is the one beside the original."""
    first = clean.psnr()
    (clean.root / ".git" / "info" / "exclude").write_text("/shapes/\n")
    (clean.root / "shapes").mkdir()
    Image.new("L", (80, 60), 0).save(clean.root / "shapes" / "black.png")
    clean.call(
        "dvc", "exp", "run", "--temp", "-n", "apart",
        "-S", "+holes.kinds.shapes={shape: silhouettes, folder: shapes, scale: [0.35, 0.9], rotation: 30.0}",
        "-S", "runs.deepfill-v1.settings.attention.kind=none", "evaluate@constant-fill", "evaluate@deepfill-v1",
    )  # fmt: skip
    shown = json.loads(clean.call("dvc", "metrics", "diff", "--json", "HEAD", "apart").stdout)
    assert "results/deepfill-v1/summary.json" in shown and "results/constant-fill/summary.json" not in shown
    parameters = json.loads(clean.call("dvc", "params", "diff", "--json", "HEAD", "apart").stdout)
    changed = {key for key in parameters["params.yaml"] if not key.startswith("holes.kinds.shapes.")}
    assert changed == {"runs.deepfill-v1.settings.attention.kind"}
    assert clean.psnr() == first


def test_a_queued_experiment_keeps_the_code_that_it_was_queued_with(clean):
    """Code of the workspace that is edited before the queue starts is none of the experiment's."""
    expected = clean.psnr()
    clean.call(
        "dvc",
        "exp",
        "run",
        "-q",
        "--queue",
        "-n",
        "queued",
        "-S",
        "profiles.tiny.evaluation.worst=3",
        "evaluate@constant-fill",
    )
    changed_method(clean)
    clean.call("dvc", "queue", "start", "-j", "1")
    for _ in range(600):
        status = clean.call("dvc", "queue", "status").stdout
        if "queued" in status and ("Success" in status or "Failed" in status):
            break
        time.sleep(0.5)
    assert "Success" in status, clean.call("dvc", "queue", "logs", "queued", check=False).stdout
    clean.call("git", "checkout", "-q", "--", "src")
    clean.call("dvc", "exp", "apply", "queued")
    assert clean.psnr() == expected
    with np.load(clean.root / "results" / "constant-fill" / "samples.npz") as kept:
        assert len(kept["worst/rectangle/index"]) == 3  # it was measured anew
    clean.call("dvc", "queue", "kill", "--force", "queued", check=False)


def test_a_worktree_runs_its_own_code(clean, tmp_path):
    """A second tree on one environment, its code edited: its numbers are its own, and no other tree takes them."""
    first = clean.psnr()
    clean.call("git", "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    tree = Project(tmp_path / "tree")
    tree.call("dvc", "cache", "dir", "--local", str(clean.root / ".dvc" / "cache"))
    changed_method(tree)
    tree.repro("evaluate@constant-fill")
    assert tree.psnr() != first
    assert clean.repro("--force", "--single-item", "evaluate@constant-fill") == {"evaluate@constant-fill"}
    assert clean.psnr() == first
    clean.call("git", "worktree", "remove", "--force", str(tmp_path / "tree"))


def test_an_edit_during_a_run_is_refused_where_it_would_be_recorded(clean):
    """Code that is edited after `check` and undone later leaves no number of its own under the old manifest."""
    first, lock = clean.psnr(), (clean.root / "dvc.lock").read_text()
    source = (clean.root / FILL).read_text()
    changed_method(clean)
    run = clean.call("dvc", "repro", "--force", "--single-item", "evaluate@constant-fill", check=False)
    (clean.root / FILL).write_text(source)
    assert run.returncode != 0
    said = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert said == [
        "error: palimpsest.models.constant_fill: its source has changed since `check` read it, so nothing is recorded; "
        "`dvc repro` starts from it"
    ]
    assert (clean.root / "dvc.lock").read_text() == lock
    clean.repro("evaluate@constant-fill")
    assert clean.psnr() == first


def test_an_edit_of_what_is_loaded_already_changes_nothing(clean):
    """A training that has loaded its code ends as it began, whatever is edited meanwhile."""
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["loss"]["gradient_penalty"] = 2.0
    clean.write(settings)
    started = clean.start("dvc", "repro", "train@deepfill-v1")
    assert any("/2: " in line for line in started.stdout)  # its first iterations are done
    changed_method(clean)
    output, _ = started.communicate()
    assert started.returncode == 0, output


def test_a_killed_reproduction_goes_on(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["loss"]["gradient_penalty"] = 7.0
    clean.write(settings)
    started = clean.start("dvc", "repro", "evaluate@deepfill-v1")
    assert any("Running stage 'train@deepfill-v1'" in line for line in started.stdout)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    assert "train@deepfill-v1" in clean.repro("evaluate@deepfill-v1")
