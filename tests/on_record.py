"""A project whose results can be put on record, and a record made of them."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from palimpsest.page.checking import Known
from palimpsest.page.recording import Here, put_on_record
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace
from reported import RUNS, Fake

ROOT = Path(__file__).parents[1]
DAY = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
LISTED = {"rule": "listed", "photographs": ["bundled-photos"], "buckets": None, "minimum": 9}
SECONDS = {"train@deepfill-v1": 3600.0, "evaluate@deepfill-v1": 36.0}


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@b.invalid"]
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def here(root: Path, date: datetime = DAY, **changes) -> Here:
    about = {"threads": 2, "seconds": SECONDS, "public": ["bundled-photos"]}
    return Here(root=root, date=date, **about | changes)


def benchmark(root: Path, device: str) -> None:
    about = {"devices": {"cpu": device}, "threads": 2, "versions": {"torch": "9.9"}, "rounds": 1, "found": {}}
    write_json(Workspace(root).benchmark, about)


@pytest.fixture(scope="session")
def few_settings(shipped) -> dict:
    """The shipped settings as far as records ask for them."""
    kept = {key: shipped[key] for key in ("profile", "accepted_terms", "profiles", "slots")}
    runs = {run: {**shipped["runs"][run], "settings": {}} for run in [*RUNS, "gl"]}
    return {**kept, "pretrained": {}, "transfers": {}, "external": {}, "runs": runs}


@pytest.fixture(scope="session")
def recorded(tmp_path_factory, shards, few_holes, few_settings) -> Path:
    """A project in which the pipeline has made all that belongs to a record, from a commit; not to be changed."""
    root = Fake(tmp_path_factory.mktemp("recorded"), shards, few_holes).root
    write_json(root / "params.yaml", few_settings)  # JSON is YAML
    write_json(root / "datasets.yaml", {"bundled-photos": LISTED})
    for name in ("runtime.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    git(root, "init", "--quiet")
    git(root, "add", "*.yaml")
    git(root, "commit", "--quiet", "--message", "settings")
    benchmark(root, "A processor")
    put_on_record(here(root), "small-night")
    return root


@pytest.fixture(scope="session")
def known(recorded) -> Known:
    """What its records are checked by."""
    return Known.read(recorded)


@pytest.fixture
def made(recorded, tmp_path) -> Fake:
    """A copy of it that a test may change."""
    return Fake.at(shutil.copytree(recorded, tmp_path / "project", symlinks=True))


@pytest.fixture
def folder(made) -> Path:
    """Its record."""
    return made.root / "records" / "small-night"


def edit(path: Path, *keys: str, to: object) -> None:
    """Changes a value in a JSON file; `to` may be a function of what is there."""
    tree = json.loads(path.read_text())
    part = tree
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = to(part[keys[-1]]) if callable(to) else to
    path.write_text(json.dumps(tree))
