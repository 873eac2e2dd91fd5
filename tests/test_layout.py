"""The house holds itself: who may import whom, what loads without torch, what each stage depends on.

Each check is a function of a folder, so that the second half can show it failing on a planted fault.
"""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from palimpsest import manifests

ROOT = Path(__file__).parents[1]

RANKS = [
    ["config"],
    ["storage", "markdown"],
    ["workspace", "manifests"],
    ["resolved"],
    ["data", "papers", "rendering"],
    ["holes", "weights", "learning"],
    ["layers"],
    ["losses", "metrics"],
    ["models", "released"],
    ["inpainting"],
    ["training"],
    ["evaluation"],
    ["results"],
    ["study"],
    ["tables"],
    ["claims"],
    ["figures"],
    ["page"],
    ["settings"],
    ["pipeline", "methods", "demo"],
    ["commands"],
    ["__main__"],
]
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
SCRIPTS = sorted(path.stem for path in (ROOT / "stages").glob("*.py"))
WITHOUT_TORCH = ["download", "split", "holes", "study", "tables", "figures", "gallery", "report"]
BY_MODEL = ["pretrain", "train", "evaluate", "transfer"]
LATE = {"transfer": ["palimpsest.evaluation.trained"]}  # a network that is absent needs no torch
EVERY_MODEL = ["check", "architectures", "benchmark"]


def imports(path: Path) -> set[str]:
    """The rooms that a file names in an import, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module="palimpsest", names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module)) if module.startswith("palimpsest."):
                found.add(module.split(".")[1])
            case ast.Import(names=names):
                found |= {alias.name.split(".")[1] for alias in names if alias.name.startswith("palimpsest.")}
    return found


def climbs(package: Path) -> list[str]:
    """Every import of a room that is not of a lower rank than the one that imports it; rooms that have no rank."""
    faults = []
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        if room not in RANK:
            faults.append(f"{room} has no rank")
            continue
        for other in imports(path) - {room}:
            if RANK.get(other, len(RANKS)) >= RANK[room]:
                faults.append(f"{path.name} imports {other}, which is not below {room}")
    return faults


LOAD = """
import importlib, json, os, sys
sys.path[:0] = [os.path.join(os.getcwd(), "src"), os.getcwd()]
ahead, scripts = json.loads(sys.argv[1])
for module in ahead:
    importlib.import_module(module)
for script, modules in scripts.items():
    if os.fork() == 0:
        for module in [f"stages.{script}", *modules]:
            importlib.import_module(module)
        print(json.dumps([script, sorted(sys.modules)]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def loaded(root: Path, scripts: dict[str, list[str]], ahead: Sequence[str] = ()) -> dict[str, set[str]]:
    """The modules in memory once a stage's script and others are imported, each stage in its own process.

    `ahead` are modules that all of them find loaded.
    """
    command = [sys.executable, "-c", LOAD, json.dumps([ahead, scripts])]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert run.returncode == 0, run.stderr
    return {script: set(modules) for script, modules in map(json.loads, run.stdout.splitlines())}


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] in ("palimpsest", "stages")}


def test_imports_follow_the_ranks():
    assert climbs(ROOT / "src" / "palimpsest") == []


def modules_of(script: str) -> list[str]:
    """What a stage loads once it runs."""
    return [*LATE.get(script, []), *(f"palimpsest.models.{model}" for model in models_of(script))]


def models_of(script: str) -> list[str]:
    return manifests.MODELS if script in EVERY_MODEL else ["deepfill_v1"] if script in BY_MODEL else []


@pytest.fixture(scope="module")
def stages() -> dict[str, set[str]]:
    """What each stage loads."""
    with_torch = {script: modules_of(script) for script in SCRIPTS if script not in WITHOUT_TORCH}
    return loaded(ROOT, {script: [] for script in WITHOUT_TORCH}) | loaded(ROOT, with_torch, ahead=["torch"])


@pytest.mark.parametrize("script", WITHOUT_TORCH)
def test_a_stage_that_computes_no_network_loads_without_torch(stages, script):
    assert "torch" not in stages[script]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_manifest_is_exactly_what_a_stage_loads(stages, script):
    assert set(manifests.manifest(script, models_of(script))) == ours(stages[script])


def metrics_of(stage: str) -> set[str]:
    """The modules of metrics that a stage runs with any model."""
    return {name for name in manifests.manifest(stage, manifests.MODELS) if name.startswith("palimpsest.metrics.")}


def test_training_depends_on_no_metric_but_that_of_a_prior():
    assert metrics_of("train") == set()
    assert metrics_of("pretrain") == {"palimpsest.metrics.features", "palimpsest.metrics.frechet"}
    assert metrics_of("evaluate") > {"palimpsest.metrics.features", "palimpsest.metrics.pixel"}


@pytest.fixture
def house(tmp_path):
    """A copy of the project's code, in which a fault can be planted."""
    for part in ("src", "stages"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    return tmp_path


def plant(house: Path, file: str, line: str) -> None:
    path = house / file
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_an_import_that_climbs_is_found(house):
    plant(house, "src/palimpsest/layers/contextual_attention.py", "from palimpsest.models import create")
    assert climbs(house / "src" / "palimpsest") == ["contextual_attention.py imports models, which is not below layers"]
    (house / "src" / "palimpsest" / "helpers.py").write_text("")
    assert "helpers has no rank" in climbs(house / "src" / "palimpsest")


def test_a_linked_environment_is_no_file_of_the_project(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / "elsewhere")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    files = ["git", "ls-files", "-co", "--exclude-standard"]
    run = subprocess.run(files, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [".gitignore"]


@pytest.mark.slow
def test_torch_in_the_report_is_found(house):
    plant(house, "src/palimpsest/tables/cost.py", "import torch")
    assert "torch" in loaded(house, {"tables": []})["tables"]


def test_an_import_that_the_manifest_does_not_see_is_found(house):
    plant(house, "stages/holes.py", "import importlib; importlib.import_module('palimpsest.' + 'learning')")
    assert ours(loaded(house, {"holes": []})["holes"]) - set(manifests.manifest("holes")) == {"palimpsest.learning"}
