import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from palimpsest.results.curves import COLUMNS, to_csv
from palimpsest.workspace import Workspace
from reported import Fake

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trained(fake) -> Fake:
    """Two runs that trained, one of them from a pretrained network."""
    path = Workspace(fake.root).resolved("runs")
    described = json.loads(path.read_text())
    coarse = {"name": "coarse", "start": None, "inside": None}
    described["deepfill-v1"]["run"] = {"name": "deepfill-v1", "start": coarse, "inside": None}
    described["deepfill-v1-baseline"]["run"] = {"name": "deepfill-v1-baseline", "start": None, "inside": None}
    path.write_text(json.dumps(described))
    (fake.root / "runs" / "coarse").mkdir()
    log = [{"iteration": 3, "phase": "first", "l1": 0.5, "psnr": 20.0}]
    (fake.root / "runs" / "coarse" / "log.json").write_text(json.dumps(log))
    return fake


def test_every_logged_value_of_what_trained_is_a_row(trained):
    rows = list(csv.DictReader(io.StringIO(to_csv(trained.root, trained.measured))))
    assert list(rows[0]) == COLUMNS
    assert [tuple(row.values()) for row in rows if row["run"] == "coarse"] == [
        ("coarse", "1", "3", "first", "l1", "0.5"),
        ("coarse", "1", "3", "first", "psnr", "20.0"),
    ]
    assert {row["run"] for row in rows} == {"coarse", "deepfill-v1", "deepfill-v1-baseline"}
    (trained.root / "results" / "deepfill-v1" / "metrics.json").unlink()
    assert "coarse" not in to_csv(trained.root, trained.measured)


def test_every_seed_of_a_run_has_its_curve(trained):
    trained.write("deepfill-v1", seeds=(1, 3))
    further = Workspace(trained.root).run("deepfill-v1").of([1, 3])[3].log
    further.parent.mkdir()
    further.write_text(json.dumps([{"iteration": 2, "phase": "joint", "generator": 0.75}]))
    rows = [
        row for row in csv.DictReader(io.StringIO(to_csv(trained.root, trained.measured))) if row["iteration"] == "2"
    ]
    values = {(row["run"], row["seed"]): float(row["value"]) for row in rows}
    assert values == {("deepfill-v1-baseline", "1"): 0.5, ("deepfill-v1", "1"): 0.5, ("deepfill-v1", "3"): 0.75}


def test_dvc_shows_a_curve_for_each_run_and_quantity(trained, tmp_path_factory):
    project = tmp_path_factory.mktemp("dvc")
    shipped = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
    YAML().dump({"plots": shipped["plots"]}, project / "dvc.yaml")
    (project / "reports").mkdir()
    (project / "reports" / "curves.csv").write_text(to_csv(trained.root, trained.measured))
    shutil.copytree(ROOT / ".dvc" / "plots", project / ".dvc" / "plots")
    shutil.copy(ROOT / ".dvc" / "config", project / ".dvc")

    def call(*words: str) -> str:
        run = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    call("git", "init", "-q")
    shown = json.loads(call(sys.executable, "-m", "dvc", "plots", "show", "--show-vega", "reports/curves.csv"))
    points = {(row["run"], row["quantity"]) for row in shown["data"]["values"]}
    assert points == {(run, "generator") for run in ("deepfill-v1", "deepfill-v1-baseline")} | {
        ("coarse", "l1"),
        ("coarse", "psnr"),
    }
    assert shown["spec"]["encoding"]["x"]["field"] == "iteration" and "<DVC" not in json.dumps(shown)
