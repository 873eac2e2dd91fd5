"""The pipeline as its users run it: a copy of the project with small nets, under real `dvc`."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from palimpsest.tables.formats import FORMATS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
KEPT = ["constant-fill", "deepfill-v1", "deepfill-v1-baseline", "tmad", "gm-srm"]
PRETRAINED = ["tmad-coarse", "gm-srm-memory"]
HOLES = ["rectangle", "brush", "irregular-20-30"]
TRAINED = {"train@deepfill-v1", "train@deepfill-v1-baseline"}
TRANSFERRED = {"transfer@elsewhere", "transfer@larger"}
EVALUATED = {f"evaluate@{name}" for name in KEPT}
OF_DEEPFILL = {"evaluate@deepfill-v1", "evaluate@deepfill-v1-baseline"}
OF_TMAD = {"train@tmad", "evaluate@tmad"}
OF_GM_SRM = {"train@gm-srm", "evaluate@gm-srm"}
SLOTS = ["scenes", "unseen", "large"]
REPORTED = {"study", "tables", "figures", "gallery", "report"}

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


class Project:
    """A clone with its own settings; `repro` returns the stages that ran."""

    def __init__(self, root: Path):
        self.root = root
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(root / "src"),
            "OMP_NUM_THREADS": "1",
            "PALIMPSEST_DEVICE": "cpu",
            **{
                f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
        }

    def call(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        run = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    def repro(self, *arguments: str) -> set[str]:
        lines = self.call("dvc", "repro", *arguments).stdout.splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}

    def settings(self) -> dict:
        return YAML(typ="safe").load((self.root / "params.yaml").read_text())

    def write(self, settings: dict) -> None:
        YAML().dump(settings, self.root / "params.yaml")

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def pages(self) -> dict[str, bytes]:
        """{path: content} of every table and figure."""
        reports = self.root / "reports"
        return {
            str(path.relative_to(reports)): path.read_bytes()
            for folder in ("tables", "figures")
            for path in sorted((reports / folder).iterdir())
        }

    def outputs(self) -> dict[str, str]:
        """{path: hash} of every output in dvc.lock."""
        lock = YAML(typ="safe").load((self.root / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The project with two pretrained networks and five runs of two iterations at most, reproduced once."""
    project = Project(tmp_path_factory.mktemp("project") / "clone")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.splitlines():
        if not name.startswith(("results/", "reports/", "tests/")) and name != "dvc.lock" and (ROOT / name).exists():
            (project.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project.root / name)
    settings = project.settings()
    settings["runs"] = {name: settings["runs"][name] for name in KEPT}
    for name in ("constant-fill", "tmad", "gm-srm"):
        settings["runs"][name]["holes"] = ["rectangle"]
    settings["pretrained"] = {name: settings["pretrained"][name] for name in PRETRAINED}
    phase = {"name": "all", "iterations": 2, "learning_rate": 1e-3}
    settings["pretrained"]["tmad-coarse"]["profiles"]["tiny"] = {"width": 2, "schedule": {"phases": [phase]}}
    settings["runs"]["tmad"]["profiles"]["tiny"] |= {"width": 2, "critic_width": 2, "patches": 2}
    settings["runs"]["tmad"]["profiles"]["tiny"]["schedule"] = {"batch_size": 1, "phases": [phase]}
    few = {"augment": ["flip"], "phases": [phase]}
    memory = {"width": {"base": 64, "most": 4}, "latent": 8, "deviation_group": 2}
    settings["pretrained"]["gm-srm-memory"]["profiles"]["tiny"] = {**memory, "schedule": {"batch_size": 2, **few}}
    settings["runs"]["gm-srm"]["profiles"]["tiny"] |= {
        "width": 2,
        "embedding_width": 2,
        "schedule": {"batch_size": 1, **few},
    }
    settings["runs"]["gm-srm"]["settings"]["schedule"]["hole"] = "rectangle"
    settings["profiles"]["tiny"]["training"]["compared"] = 4
    transfer = {"run": "deepfill-v1", "model": "deepfill_v1", "holes": ["rectangle"]}
    settings["transfers"] = {"elsewhere": {**transfer, "slot": "unseen"}, "larger": {**transfer, "slot": "large"}}
    settings["profiles"]["tiny"]["slots"]["large"] |= {"scale": 96, "size": 96}
    settings["profiles"]["tiny"]["benchmark"] = {"sizes": [64], "rounds": 1}
    settings["holes"]["kinds"] = {name: settings["holes"]["kinds"][name] for name in HOLES}
    tiny = settings["runs"]["deepfill-v1"]["profiles"]["tiny"]
    tiny |= {"width": 2, "critic_width": 2}
    tiny["schedule"] |= {"batch_size": 2, "phases": [phase]}
    project.write(settings)
    project.call("git", "init", "-q")
    project.call("git", "add", "-A")
    project.call("git", "commit", "-qm", "clone")
    everything = project.repro()
    each_slot = {f"{stage}@{slot}" for stage in ("download", "split", "masks", "reference") for slot in SLOTS}
    once = {"sources", "check", "weights", "benchmark"}
    trained = TRAINED | OF_TMAD | OF_GM_SRM | {f"pretrain@{name}" for name in PRETRAINED}
    assert everything >= trained | EVALUATED | TRANSFERRED | REPORTED | each_slot | once
    return project


@pytest.fixture
def clean(project):
    """The project as it was reproduced first, put back afterwards from the run-cache."""
    before = {name: (project.root / name).read_text() for name in ("params.yaml", "dvc.lock")}
    yield project
    project.call("git", "checkout", "-q", "--", "src", "stages", "dvc.yaml", "params.yaml")
    for name, text in before.items():
        (project.root / name).write_text(text)
    project.call("dvc", "checkout", "-q", check=False)
    project.repro()


def test_nothing_to_do_runs_nothing(project):
    assert project.repro() == set()


def test_two_reproductions_from_scratch_are_equal_byte_for_byte(project):
    first, pages = project.outputs(), project.pages()
    for folder in ("data", "runs", "results", "reports", "code", ".dvc/cache", "dvc.lock"):
        path = project.root / folder
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    project.repro()
    again = project.outputs()
    folders = ("tables", "figures", "gallery", "thumbnails", "pdf", "index.html", "report.tex")
    timed = {"results/benchmark.json", *(f"reports/{name}" for name in folders)}
    assert {path for path in first if first[path] != again[path]} <= timed
    assert len(first) > 40
    changed = {path for path, content in project.pages().items() if content != pages[path]}
    measured = ("crfill-5", "deepfill-v1-claims", "tmad-claims", "tmad-V")
    tables = {f"tables/{name}.{end}" for name in measured for end in FORMATS}
    figures = {f"figures/{name}.{end}" for name in ("crfill-timing", "overview-speed") for end in ("png", "pdf")}
    assert changed <= tables | figures
    assert len(pages) > 40


def test_a_loss_weight_reruns_its_models_runs_and_what_is_downstream(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["loss"]["gradient_penalty"] = 5.0
    clean.write(settings)
    assert clean.repro() == {"check"} | TRAINED | OF_DEEPFILL | TRANSFERRED | REPORTED


def test_what_a_run_begins_with_is_made_anew_only_by_its_own_settings(clean):
    settings = clean.settings()
    settings["runs"]["tmad"]["settings"]["retrieval"]["candidates"] = 2
    clean.write(settings)
    assert clean.repro() == {"check", "benchmark"} | OF_TMAD | REPORTED  # another architecture, too
    settings["runs"]["tmad"]["settings"]["loss"]["l1"] = 2.0
    clean.write(settings)
    assert clean.repro() == {"check"} | OF_TMAD | REPORTED
    settings["pretrained"]["tmad-coarse"]["settings"]["loss"]["valid"] = 1.0
    clean.write(settings)
    assert clean.repro() == {"check", "pretrain@tmad-coarse"} | OF_TMAD | REPORTED


def test_a_loss_of_gm_srm_does_not_retrain_its_memory(clean):
    settings = clean.settings()
    loss = settings["runs"]["gm-srm"]["settings"]["loss"]
    loss |= {"hole": 6.0, "perceptual": 0.0, "adversarial": 0.02, "divergence": 0.1}
    settings["runs"]["gm-srm"]["needs"]["features"] = "nothing"
    clean.write(settings)
    assert clean.repro() == {"check"} | OF_GM_SRM | REPORTED
    settings["pretrained"]["gm-srm-memory"]["settings"]["loss"]["r1"] = 2.0
    clean.write(settings)
    assert clean.repro() == {"check", "pretrain@gm-srm-memory"} | OF_GM_SRM | REPORTED


def test_a_memory_of_other_pictures_is_settings_alone(clean):
    settings = clean.settings()
    settings["slots"].append("others")
    for profile in settings["profiles"].values():
        profile["slots"]["others"] = {**profile["slots"]["scenes"], "scale": profile["slots"]["scenes"]["size"]}
    fields = {
        "model": "stylegan2",
        "slot": "others",
        "base": "gm-srm-memory",
        "frechet_network": "vgg16",
        "settings": {},
    }
    settings["pretrained"]["other-memory"] = fields
    settings["runs"]["gm-srm"]["needs"]["inside"] = "other-memory"
    clean.write(settings)
    made = {f"{stage}@others" for stage in ("download", "split", "masks", "reference")}
    assert clean.repro() == {"check", "pretrain@other-memory"} | made | OF_GM_SRM | REPORTED
    for folder in ("data/others", "runs/other-memory"):
        shutil.rmtree(clean.root / folder)
    shutil.rmtree(clean.root / "data" / "holes" / "others")
    (clean.root / "data" / "credits" / "others").unlink()


def test_a_folder_of_ones_own_is_one_entry(clean):
    """Four photographs as noise: what is measured on the slot is measured again, nothing is trained."""
    folder = clean.root / "mine"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 80, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    settings = clean.settings()
    settings["datasets"]["mine"] = {
        "rule": "own",
        "folder": str(folder),
        "split": {"by": "random", "of": "*", "seed": 1, "val": 1, "test": 2},
        "val_of_test": None,
        "counts": {"train": None, "val": None, "test": None},
    }
    clean.write(settings)
    assert clean.repro() == {"check"}
    settings["profiles"]["tiny"]["slots"]["unseen"] |= {"dataset": "mine", "scale": None, "crop": "centre"}
    clean.write(settings)
    made = {f"{stage}@unseen" for stage in ("download", "split", "masks", "reference")}
    assert clean.repro() == {"check", "transfer@elsewhere"} | made | REPORTED
    measured = json.loads((clean.root / "results" / "elsewhere" / "metrics.json").read_text())
    assert (measured["dataset"], measured["images"]) == ("mine", 2)
    assert "mine, 2 of 64 × 64 px" in (clean.root / "reports" / "index.html").read_text()


def test_an_edit_of_a_model_reruns_the_runs_that_it_works_in(clean):
    clean.edit("src/palimpsest/models/tmad_coarse.py", "+ 1) / 2).clamp(0, 1)", "+ 1) / 2).clamp(0, 0.9)")
    assert clean.repro() >= {"sources", "check", "pretrain@tmad-coarse"} | OF_TMAD | REPORTED


def test_a_variants_difference_reruns_the_variant_alone(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1-baseline"]["settings"]["critic_steps"] = 1
    clean.write(settings)
    expected = {"check", "train@deepfill-v1-baseline", "evaluate@deepfill-v1-baseline"} | REPORTED
    assert clean.repro() == expected


def test_another_profiles_value_reruns_no_run(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["profiles"]["photos"]["width"] = 16
    clean.write(settings)
    assert clean.repro() == {"check"}


def test_a_metric_retrains_nothing(clean):
    clean.edit(
        "src/palimpsest/metrics/pixel.py",
        "return 100 * l1(pair)",
        "return 99 * l1(pair)",
    )
    assert clean.repro() == {"sources", "check"} | EVALUATED | TRANSFERRED | REPORTED


def test_a_hole_that_no_run_trains_on_retrains_nothing(clean):
    settings = clean.settings()
    settings["holes"]["kinds"]["brush"]["width"] = [10, 20]
    clean.write(settings)
    masks = {f"masks@{slot}" for slot in SLOTS}
    assert clean.repro() == {"check", "study", "figures", "gallery", "report"} | masks | EVALUATED | TRANSFERRED


def test_a_hole_that_a_run_trains_on_retrains_it(clean):
    settings = clean.settings()
    settings["holes"]["kinds"]["rectangle"]["max_shrink"] = 8
    clean.write(settings)
    assert clean.repro() >= {"check", "masks@scenes"} | TRAINED | EVALUATED | REPORTED


def test_another_kind_of_hole_to_measure_on_reruns_that_run_alone(clean):
    settings = clean.settings()
    settings["runs"]["constant-fill"]["holes"] = ["rectangle", "irregular-20-30"]
    clean.write(settings)
    assert clean.repro() == {"check", "evaluate@constant-fill"} | REPORTED
    measured = json.loads((clean.root / "results" / "constant-fill" / "metrics.json").read_text())
    assert list(measured["holes"]) == ["rectangle", "irregular-20-30"]


def test_results_of_another_tool_become_a_row_and_nothing_else_reruns(clean):
    clean.call(sys.executable, "-m", "palimpsest", "export", "--slot", "scenes", "--holes", "rectangle", "--out", "e")
    shutil.copytree(clean.root / "e" / "images", clean.root / "theirs" / "rectangle")
    settings = clean.settings()
    entry = {
        "label": "A perfect copy",
        "source": "a test",
        "slot": "scenes",
        "folder": "theirs",
        "holes": ["rectangle"],
    }
    settings["external"] = {"copy": entry}
    clean.write(settings)
    assert clean.repro() == {"check", "external@copy"} | REPORTED
    rows = (clean.root / "reports" / "tables" / "deepfill-v1-1.csv").read_text().splitlines()
    (row,) = [line.split(",") for line in rows if line.startswith("A perfect copy (external)")]
    assert "bundled-photos" in row and "∞" in row and "0.00" in row
    one = next((clean.root / "theirs" / "rectangle").iterdir())
    one.write_bytes(
        next(path for path in (clean.root / "e" / "images").iterdir() if path.name != one.name).read_bytes()
    )
    assert clean.repro() == {"external@copy"} | REPORTED
    one.unlink()
    run = clean.call("dvc", "repro", check=False)
    assert run.returncode != 0 and f"{one.name}: asked for an 8-bit RGB picture, found no such file" in run.stderr
    for folder in ("e", "theirs", "results/copy"):
        shutil.rmtree(clean.root / folder)


def test_a_word_of_the_report_rebuilds_the_report_alone(clean):
    clean.edit("src/palimpsest/reporting/templates/index.html", "</title>", " again</title>")
    assert clean.repro() == {"sources", "report"}


def test_a_comment_reruns_no_stage_of_the_pipeline(clean):
    clean.edit("src/palimpsest/training.py", "import json\n", "# A comment.\nimport json\n")
    assert clean.repro() == {"sources"}


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


def test_an_ablation_runs_as_an_experiment(clean):
    clean.call("git", "add", "-A")
    clean.call("git", "commit", "-qm", "reproduced")
    clean.call("dvc", "exp", "run", "-q", "-S", "runs.deepfill-v1.settings.attention.masking=multiply")
    assert clean.settings()["runs"]["deepfill-v1"]["settings"]["attention"]["masking"] == "multiply"
    difference = json.loads(clean.call("dvc", "metrics", "diff", "--json", "HEAD").stdout)
    assert "results/deepfill-v1/metrics.json" in difference, difference


def test_training_curves_are_dvc_plots(project):
    shown = project.call("dvc", "plots", "show", "--show-vega", "reports/curves.csv").stdout
    values = json.loads(shown)["data"]["values"]
    assert {int(row["iteration"]) for row in values} == {2}
    assert {row["rev"] for row in values} == {"workspace"}
    assert {row["run"] for row in values} == {*PRETRAINED, *KEPT} - {"constant-fill"}


def test_two_reproductions_at_once_lose_nothing(clean):
    settings = copy.deepcopy(clean.settings())
    settings["runs"]["deepfill-v1"]["settings"]["loss"]["gradient_penalty"] = 3.0
    clean.write(settings)
    first = subprocess.Popen(["dvc", "repro"], cwd=clean.root, env=clean.environment, stdout=subprocess.PIPE, text=True)
    lines = iter(first.stdout.readline, "")
    assert any("train@deepfill-v1" in line for line in lines)
    second = clean.call("dvc", "repro", check=False)
    output, _ = first.communicate()
    assert first.returncode == 0, output
    assert second.returncode != 0
    assert any(word in second.stderr for word in ("Unable to acquire lock", "is busy")), second.stderr
    assert clean.repro() == set()


def test_a_new_method_is_a_file_a_section_and_a_row(clean):
    (clean.root / "src" / "palimpsest" / "models" / "toy.py").write_text(TOY.lstrip())
    settings = clean.settings()
    schedule = copy.deepcopy(settings["runs"]["deepfill-v1"]["settings"]["schedule"])
    schedule["phases"] = [{"name": "only", "iterations": 3, "learning_rate": 0.1}]
    settings["runs"]["toy"] = {
        "model": "toy",
        "slot": "scenes",
        "holes": ["rectangle"],
        "base": "toy",
        "needs": dict.fromkeys(("start", "inside", "features"), "nothing"),
        "settings": {"shade": 0.25, "schedule": schedule},
        "profiles": {"tiny": {"schedule": {"batch_size": 2}}, "photos": {}, "paper": {}},
    }
    clean.write(settings)
    spec = YAML(typ="safe").load((clean.root / "src/palimpsest/papers/deepfill-v1.yaml").read_text())
    spec["tables"]["1"]["rows"].append({"label": "Toy method", "run": "toy"})
    YAML().dump(spec, clean.root / "src/palimpsest/papers/deepfill-v1.yaml")

    ran = clean.repro()
    assert {"train@toy", "evaluate@toy", "tables"} <= ran and not TRAINED & ran
    measured = json.loads((clean.root / "results" / "toy" / "metrics.json").read_text())["holes"]["rectangle"]
    (row,) = [
        line
        for line in (clean.root / "reports/tables/deepfill-v1-1.md").read_text().splitlines()
        if "Toy method" in line
    ]
    assert f"{measured['psnr_hole']:.2f}" in row
    (clean.root / "src" / "palimpsest" / "models" / "toy.py").unlink()
    for folder in ("runs", "results"):
        shutil.rmtree(clean.root / folder / "toy")


def test_where_a_run_is_measured_retrains_nothing(clean):
    settings = clean.settings()
    settings["transfers"]["elsewhere"]["holes"] = ["rectangle", "brush"]
    settings["transfers"]["again"] = {**settings["transfers"]["elsewhere"], "run": "deepfill-v1-baseline"}
    clean.write(settings)
    assert clean.repro() == {"check", "transfer@elsewhere", "transfer@again"} | REPORTED
    measured = json.loads((clean.root / "results" / "again" / "metrics.json").read_text())
    assert (measured["slot"], measured["dataset"], measured["images"]) == ("unseen", "bundled-science", 27)
    assert list(measured["holes"]) == ["rectangle", "brush"]
    shutil.rmtree(clean.root / "results" / "again")


def test_a_measurement_of_speed_reruns_no_training(clean):
    settings = clean.settings()
    settings["profiles"]["tiny"]["benchmark"]["rounds"] = 2
    clean.write(settings)
    assert clean.repro() == {"check", "benchmark"} | REPORTED
    measured = json.loads((clean.root / "results" / "benchmark.json").read_text())
    assert set(measured["found"]) == {"deepfill-v1", "tmad"} and measured["devices"]["cpu"]


def test_another_architecture_is_measured_again(clean):
    settings = clean.settings()
    settings["runs"]["deepfill-v1"]["settings"]["width"] = 16
    clean.write(settings)
    assert clean.repro() >= {"check", "benchmark"} | REPORTED
