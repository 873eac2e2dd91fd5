"""A project folder with results that no run made: known numbers, so that a report's can be checked."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palimpsest.config.yaml import build
from palimpsest.data.shards import Shard
from palimpsest.evaluation.scoring import Scores
from palimpsest.evaluation.scoring import table as scored_table
from palimpsest.figures.draw import all_parts
from palimpsest.holes.bank import write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.manifests import manifest
from palimpsest.metrics.aggregate import aggregate
from palimpsest.papers.metrics import read_metrics
from palimpsest.results.measured import read_results
from palimpsest.storage import write_json, write_text
from palimpsest.tables.tables import BUILDERS, contexts
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[1]
OF_THIS_TREE = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}  # whatever is installed
CODE = "c" * 64  # the hash of the manifest that measured every result
PIECED = ["crfill", "deepfill-v2"]  # runs with reference patches
RUNS = ["patchmatch", "deepfill-v1-baseline", "deepfill-v1", "constant-fill"]
SAMPLES = [0, 10, 20]
FEW = ["rectangle", "square", "brush", "centre-6", "centre-14", "centre-25", "centre-39", "centre-50"]
SEED_STEP = 0.25  # between the means of one seed and the next
SPREAD = 0.0001  # between the values of one picture and the next
PLACES = np.arange(24) - 11.5  # of the pictures, about the middle


EXPLAINED = read_metrics()


def value(run: str, metric: str) -> float:
    """A number of its own for each run and metric, the same in every process."""
    return 10 + 3.001 * (RUNS.index(run) if run in RUNS else len(RUNS)) + 0.137 * list(EXPLAINED).index(metric)


def table(fake, key):
    found = (context for context in contexts(fake.measured) if key.startswith(context.name))
    return next(table for context in found for table in BUILDERS[context.layout.kind](context) if table.key == key)


def block(found, head):
    """The rows of one block, as a table."""
    return replace(found, rows=dict(found.bodies)[head], blocks=[])


def column(found, group, text):
    (place,) = [i for i, head in enumerate(found.heads) if head.group == group and head.text == text]
    return {label: row[place] for label, row in found.rows}


def every_drawing(fake):
    """Every figure in the order of the report."""
    return [drawing for part in all_parts(fake.root, fake.measured) for drawing in part()]


def heads(grid):
    """The heads of the columns of a figure of pictures."""
    return [text.get_text() for text in grid.axes[0].texts if text.get_rotation() == 0]


class Fake:
    """Writes results; `measured` reads them back."""

    def __init__(self, root: Path, shards: Path, holes: Holes):
        self.root = root
        folder = root / "data" / "scenes"
        folder.mkdir(parents=True)
        (folder / "shards").symlink_to(shards)
        shard = Shard(shards / "test")
        write_bank(holes, shard.ids, 64, Workspace(root).slot("scenes").holes)
        self.pictures = np.stack([shard[i] for i in SAMPLES])
        (folder / "credits").write_text("rocket.jpg: SpaceX & others <credit>.\n")
        (folder / "report").symlink_to(shards.parent / "report")
        counts = {"generator": 2_896_454, "local_critic": 7}
        described = {
            "settings": "a" * 64,
            "code": CODE,
            "parameters": {"generator": 5},
            "parameters_at_paper_scale": counts,
        }
        described |= {"stage": "evaluate", "measured": {}, "blocks": {}, "label": "", "source": ""}
        described |= {"beside": "", "as_published": False}
        (root / "resolved").mkdir()
        Workspace(root).resolved("runs").write_text(
            json.dumps({run: {**described, "run": {"name": run, "model": "m"}} for run in RUNS})
        )
        for run in RUNS:
            self.write(run)

    @classmethod
    def at(cls, root: Path) -> "Fake":
        """One that has been written."""
        found = cls.__new__(cls)
        found.root, shard = root, Shard(Workspace(root).slot("scenes").shard("test"))
        found.pictures = np.stack([shard[i] for i in SAMPLES])
        return found

    def write(
        self,
        run: str,
        dataset="bundled-photos",
        profile="tiny",
        settings="a" * 64,
        kinds=("rectangle",),
        slot="scenes",
        seeds=(1,),
        **changes,
    ):
        """Results whose mean has this spread over seeds: each further seed measures SEED_STEP more of every metric."""
        means = {metric: value(run, metric) for metric in EXPLAINED if metric != "fid"} | changes
        single = {name: mean + SPREAD * PLACES for name, mean in means.items() if EXPLAINED[name].of != "set"}
        intervals = {name: aggregate(values).spread for name, values in single.items()}
        shifts = SEED_STEP * (np.arange(len(seeds)) - (len(seeds) - 1) / 2)
        by_seed = {name: [mean + shift for shift in shifts] for name, mean in means.items()}
        about = {
            "run": run,
            "model": "m",
            "profile": profile,
            "slot": slot,
            "dataset": dataset,
            "size": 64,
            "images": 24,
            "photos": 2,
            "settings": settings,
            "features": "",
            "source": "",
            "code": CODE,
            "seeds": list(seeds),
            "hole_ratios": dict.fromkeys(kinds, 0.2),
            "holes": dict.fromkeys(kinds, means),
            "by_seed": dict.fromkeys(kinds, by_seed),
            "intervals": dict.fromkeys(kinds, intervals),
            "missing": {"fid": "its weights are at home"},
        }
        results, trained = Workspace(self.root).results(run), Workspace(self.root).run(run)
        write_json(results.metrics, about)
        ids, ratios = [f"picture-{i}" for i in range(24)], np.full(24, 0.2)
        scored = {
            seed: Scores(ids, ratios, {name: values + shift for name, values in single.items()}, {}, {})
            for seed, shift in zip(seeds, shifts, strict=True)
        }
        write_text(results.per_image, scored_table({seed: dict.fromkeys(kinds, each) for seed, each in scored.items()}))
        offsets = np.zeros((3, 2, 8, 8), np.int16)
        offsets[:, 0, 0, 0] = 3
        samples = {"index": np.array(SAMPLES)}
        for kind in kinds:
            samples |= {f"{kind}/result": self.pictures, f"{kind}/output": self.pictures}
            samples |= {f"{kind}/flow": offsets} if run == "deepfill-v1" else {}
            samples |= {f"{kind}/offsets": offsets} if run in PIECED else {}
            samples |= {f"{kind}/pieced": self.pictures} if run in PIECED else {}
        np.savez(results.samples, **samples)
        log = [{"iteration": i, "phase": "joint", "generator": 1 / i} for i in (1, 2)] if "deepfill" in run else []
        write_json(trained.log, log)
        grids = {"pictures": self.pictures, "holes": np.zeros((3, 64, 64, 1), np.uint8)}
        grids |= {"iterations": np.array([1, 2]), "results": np.stack([self.pictures] * 2)}
        np.savez(trained.samples, **(grids if log else {}))

    def external(self, name: str, label: str, **changes):
        """External results, under a name that no run has."""
        self.add(name, stage="external", label=label, source="their page, model of 2027", **changes)

    def released(self, name: str, label: str, beside: str, as_published: bool, **changes):
        """A network that others trained, beneath a run of ours."""
        more = {"beside": beside, "as_published": as_published}
        self.add(name, stage="transfer", label=label, more=more, **changes)

    def add(self, name: str, label="", source="", stage="evaluate", more=None, **changes):
        """One more set of results."""
        path = Workspace(self.root).resolved("runs")
        described = json.loads(path.read_text())
        described[name] = {**described[RUNS[0]], "parameters": {}, "parameters_at_paper_scale": {}}
        described[name] |= {"stage": stage, "label": label, "source": source, **(more or {})}
        described[name]["run"] = {"name": name, "model": "m"}
        path.write_text(json.dumps(described))
        self.write(name, **changes)

    @property
    def measured(self):
        return read_results(self.root)


@pytest.fixture(scope="session")
def few_holes(shipped) -> Holes:
    return build(Holes, shipped["holes"], "").only(FEW)


@pytest.fixture
def fake(tmp_path, shards, few_holes) -> Fake:
    return Fake(tmp_path, shards, few_holes)


def architecture(runs, parameters, seconds, **changes):
    values = {str(size): {"seconds": s, "fastest": s, "peak_mib": 100 * s} for size, s in seconds.items()}
    counts = {str(size): int(3e9 * size) for size in (*seconds, *map(int, changes))}
    return {
        "runs": runs,
        "parameters": parameters,
        "structure": "abc",
        "idle": [],
        "multiply_adds": counts,
        "measured": {"cpu": values | changes},
    }


@pytest.fixture
def timed(fake):
    """A machine on which attention takes N^2 and the rest N^1 seconds, and attention at 1024 px does not fit."""
    found = {
        "deepfill-v2": architecture(
            ["deepfill-v2"], 4_052_478, {128: 0.01, 256: 0.16, 512: 2.56}, **{"1024": "does not fit"}
        ),
        "crfill": architecture(["crfill-baseline", "crfill"], 4_052_478, {128: 0.1, 256: 0.4, 512: 1.6, 1024: 6.4}),
        "deepfill-v1": architecture(["deepfill-v1"], 3_601_542, {512: 1.25}),
    }
    about = {"devices": {"cpu": "A processor"}, "threads": 2, "versions": {"torch": "9.9"}, "rounds": 3, "found": found}
    Workspace(fake.root).benchmark.write_text(json.dumps(about))
    return fake


def run_stage(root: Path, stage: str, **settings: object) -> None:
    """Runs a stage in a project, with settings as `check` would have resolved them."""
    write_json(Workspace(root).resolved(stage), {"code": manifest(stage), **settings})
    command = [sys.executable, "-m", f"stages.{stage}"]
    run = subprocess.run(command, cwd=root, env=OF_THIS_TREE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="session")
def reported(tmp_path_factory, shards, few_holes) -> Path:
    """A folder in which the stages that make the report have run; not to be changed."""
    root = Fake(tmp_path_factory.mktemp("reported"), shards, few_holes).root
    run_stage(root, "study", study={"seed": 1, "pictures": 6})
    for stage in ("tables", "figures", "gallery", "report"):
        run_stage(root, stage)
    return root


@pytest.fixture
def project(reported, tmp_path) -> Path:
    """A copy of it that a test may change."""
    return shutil.copytree(reported, tmp_path / "project", symlinks=True)
