"""A project whose studies are built from results that no run made, and what stands in for its raters."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from palimpsest.config.yaml import build
from palimpsest.holes.kinds import Holes
from palimpsest.results.measured import read_results
from palimpsest.study.design import Config
from palimpsest.study.pages import build_all
from palimpsest.study.trials import Key, read_key
from palimpsest.workspace import Workspace
from reported import OF_THIS_TREE, Fake

SQUARES = ["square", "strokes", "object"]
IRREGULAR = "irregular-40-50-any"
BOTH = [*SQUARES, IRREGULAR]
METHODS = {"deepfill-v2": BOTH, "medfe": BOTH, "crfill": SQUARES, "gm-srm": [IRREGULAR]}
STUDY = "crfill-1"  # three pictures under each of three kinds of hole, three methods


def rebuild(root: Path, seed: int = 1) -> None:
    build_all(root, read_results(root), Config(seed=seed, pictures=50), Workspace(root).reports.study)


@pytest.fixture(scope="session")
def held(tmp_path_factory, shards, shipped) -> Path:
    """A project with built studies; not to be changed."""
    holes = build(Holes, shipped["holes"], "").only(BOTH)
    fake = Fake(tmp_path_factory.mktemp("held"), shards, holes)
    originals = fake.pictures
    for number, (run, kinds) in enumerate(METHODS.items()):
        fake.pictures = originals // (number + 2)
        fake.add(run, kinds=tuple(kinds))
    rebuild(fake.root)
    return fake.root


@pytest.fixture
def root(held, tmp_path) -> Path:
    """A copy of it."""
    return shutil.copytree(held, tmp_path / "project", symlinks=True)


@pytest.fixture
def key(held) -> Key:
    return read_key(held, STUDY)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "palimpsest", "study", *map(str, words)]


def study(root: Path, *words: object) -> subprocess.CompletedProcess:
    """`python -m palimpsest study` in a project."""
    return subprocess.run(command(*words), cwd=root, capture_output=True, text=True, check=False, env=OF_THIS_TREE)


def ballot(key: Key, rater: str, choose, number: int = 0, trials: int | None = None) -> dict:
    """A rater's vote file; `choose` a method from (number of the trial, methods)."""
    votes = {}
    for place, (name, trial) in enumerate(list(key.trials.items())[:trials]):
        codes = {run: code for code, run in trial.codes.items()}
        votes[name] = {"choice": codes[choose(place, list(codes))], "seconds": 1.5}
    return {"identity": key.identity, "rater": rater, "number": number, "votes": votes}


def saved(root: Path, ballot: dict, name: str = "votes.json") -> Path:
    (root / name).write_text(json.dumps(ballot))
    return root / name
