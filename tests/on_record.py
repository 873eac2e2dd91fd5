"""A project whose results can be put on record, and a record made of them."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from palimpsest.page.recording import Here, put_on_record
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[1]
DAY = datetime(2027, 5, 1, 12, 30, tzinfo=UTC)
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


@pytest.fixture
def made(fake):
    """A project in which the pipeline has made all that belongs to a record, from a commit."""
    for name in ("params.yaml", "runtime.yaml", "datasets.yaml"):
        shutil.copy(ROOT / name, fake.root / name)
    git(fake.root, "init", "--quiet")
    git(fake.root, "add", "*.yaml")
    git(fake.root, "commit", "--quiet", "--message", "settings")
    benchmark(fake.root, "A processor")
    return fake


@pytest.fixture
def folder(made) -> Path:
    """A record."""
    return put_on_record(here(made.root), "small-night")


def edit(path: Path, *keys: str, to: object) -> None:
    """Changes a value in a JSON file; `to` may be a function of what is there."""
    tree = json.loads(path.read_text())
    part = tree
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = to(part[keys[-1]]) if callable(to) else to
    path.write_text(json.dumps(tree))
