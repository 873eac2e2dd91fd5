"""The house holds itself: who may import whom, what loads without torch, what each stage depends on.

Each check is a function of a folder, so that the second half can show it failing on a planted fault.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from palimpsest import manifests

ROOT = Path(__file__).parents[1]

RANKS = [
    ["config", "storage", "sources", "archives", "fetching"],
    ["data", "datasets", "layers", "papers", "runs", "runtime", "weights"],
    ["masks", "losses", "metrics"],
    ["models"],
    ["inpainting", "checkpoints", "scoring", "sheets", "priors"],
    ["training", "evaluation", "exchange", "benchmark"],
    ["study"],
    ["settings", "reporting"],
    ["__main__"],
]
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
WITHOUT_TORCH = ["sources", "download", "split", "masks", "study", "tables", "figures", "gallery", "report"]


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
    """Every import of a room by one of lower or equal rank that is not the room itself; rooms that have no rank."""
    faults = []
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        if room not in RANK:
            faults.append(f"{room} has no rank")
            continue
        for other in imports(path) - {room}:
            if RANK.get(other, len(RANKS)) > RANK[room]:
                faults.append(f"{path.name} imports {other}, which stands above {room}")
    return faults


def loaded(root: Path, script: str, *models: str) -> set[str]:
    """The modules in memory once a stage's script and its models' files are imported, in a process of their own."""
    code = f"""
import importlib, json, sys
sys.path[:0] = [{str(root / "src")!r}, {str(root)!r}]
importlib.import_module("stages.{script}")
for model in {list(models)!r}:
    importlib.import_module("palimpsest.models." + model)
print(json.dumps(sorted(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] in ("palimpsest", "stages")} - {"stages"}


def dependencies(root: Path) -> dict[str, tuple[str, list[str]]]:
    """{stage: (the script its command runs, its deps)} of dvc.yaml."""
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text())["stages"]
    stages = {name: stage.get("do", stage) for name, stage in stages.items()}
    return {name: (stage["cmd"].split()[1], stage["deps"]) for name, stage in stages.items()}


def uncovered(root: Path) -> list[str]:
    """Stages whose deps do not hold the manifest of the script they run."""
    faults = []
    for name, (script, deps) in dependencies(root).items():
        wanted = {f"code/{name}.json", f"code/{name}-${{item.model}}.json"}
        if script != f"stages/{name}.py":
            faults.append(f"{name} runs {script}")
        if name != "sources" and not wanted & set(deps):
            faults.append(f"{name} does not depend on its source files")
        if any(dep.endswith(".py") or (dep.startswith("src/palimpsest/") and name not in ALLOWED) for dep in deps):
            faults.append(f"{name} depends on source files past its manifest")
    return faults


ALLOWED = {"sources"} | {
    "check",
    "download",
    "split",
    "masks",
    "study",
    "tables",
    "figures",
    "gallery",
    "report",
}  # read data files of the package


def test_imports_follow_the_ranks():
    assert climbs(ROOT / "src" / "palimpsest") == []


@pytest.mark.parametrize("script", WITHOUT_TORCH)
def test_a_stage_that_computes_no_network_loads_without_torch(script):
    assert "torch" not in loaded(ROOT, script)


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "stages").glob("*.py")))
def test_a_manifest_is_exactly_what_a_stage_loads(script):
    by_model = ["deepfill_v1"] if script in ("pretrain", "train", "evaluate", "transfer") else []
    models = manifests.MODELS if script in ("check", "benchmark") else by_model
    assert set(manifests.manifest(script, models)) == ours(loaded(ROOT, script, *models))


def metrics_of(stage: str) -> set[str]:
    """The modules of metrics that a stage runs with any model."""
    return {name for name in manifests.manifest(stage, manifests.MODELS) if name.startswith("palimpsest.metrics.")}


def test_training_depends_on_no_metric_but_that_of_a_prior():
    assert metrics_of("train") == set()
    assert metrics_of("pretrain") == {"palimpsest.metrics.features"}
    assert metrics_of("evaluate") > {"palimpsest.metrics.features", "palimpsest.metrics.pixel"}


def test_every_stage_depends_on_its_manifest():
    assert uncovered(ROOT) == []
    assert set(dependencies(ROOT)) == {path.stem for path in (ROOT / "stages").glob("*.py")}


PRINT_MANIFEST = """
import json, sys
sys.path.insert(0, "src")
from palimpsest import sources
print(json.dumps(sources.manifest("train", ["patchmatch"])))
"""


def test_a_comment_or_docstring_changes_no_manifest_and_code_does(house):
    def hashes():
        run = subprocess.run([sys.executable, "-c", PRINT_MANIFEST], capture_output=True, cwd=house, check=True)
        return json.loads(run.stdout)

    before, path = hashes(), house / "src" / "palimpsest" / "masks" / "bins.py"
    path.write_text(path.read_text().replace('"""Ratio bins:', '# Words.\n"""Other words:'))
    assert hashes() == before
    path.write_text(path.read_text() + "\nCODE = 1\n")
    assert {name for name, value in hashes().items() if value != before[name]} == {"palimpsest.masks.bins"}


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
    assert climbs(house / "src" / "palimpsest") == ["contextual_attention.py imports models, which stands above layers"]
    (house / "src" / "palimpsest" / "helpers.py").write_text("")
    assert "helpers has no rank" in climbs(house / "src" / "palimpsest")


def test_torch_in_the_report_is_found(house):
    plant(house, "src/palimpsest/reporting/tables.py", "import torch")
    assert "torch" in loaded(house, "tables")


def test_an_import_that_the_manifest_does_not_see_is_found(house):
    plant(house, "stages/masks.py", "import importlib; importlib.import_module('palimpsest.' + 'runs')")
    assert ours(loaded(house, "masks")) - set(manifests.manifest("masks", [])) == {"palimpsest.runs"}


def test_a_stage_without_its_manifest_is_found(house):
    path = house / "dvc.yaml"
    path.write_text(path.read_text().replace("code/split.json, ", "").replace("code/evaluate-", "code/transfer-"))
    assert uncovered(house) == [
        "split does not depend on its source files",
        "evaluate does not depend on its source files",
    ]
