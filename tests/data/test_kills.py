"""The stages download and split, killed between any two steps, then run again as DVC runs them: the same bytes.

One process imports the stages' modules and forks for each run, so that hundreds of real kills take seconds.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import numpy as np
import pytest

import palimpsest
from data import entry, make_tar, photograph
from palimpsest.data.catalogue import filled_slot
from palimpsest.data.downloading import CHUNK
from palimpsest.manifests import manifest
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace
from server import Site

ROOT = Path(palimpsest.__file__).parents[2]
TRAIN, TEST = "train_large_places365standard.tar", "val_large.tar"
OUTS = {"download": ["data/scenes/raw", "data/scenes/credits"], "split": ["data/scenes/shards", "data/scenes/report"]}
RESULTS = [*OUTS["download"], *OUTS["split"], "archives"]

FORKS = """
import json, os, runpy, signal, sys, threading
import requests
import stages
from PIL import Image
from palimpsest.config import runtime
from palimpsest.data import downloading, fetching, packing

Image.init()
runtime.read_runtime(sys.argv[1])

packing.SECONDS = 0.0  # every photograph is brought to the disk
steps = 0
lock = threading.Lock()

def counted(owner, name, kill, act=None, counts=lambda *arguments: True):
    act = act or getattr(owner, name)

    def step(*arguments, **named):
        global steps
        with lock:
            steps += counts(*arguments)
            if steps == kill and counts(*arguments):
                os.kill(os.getpid(), signal.SIGKILL)
        return act(*arguments, **named)

    setattr(owner, name, step)

def there(path, *arguments, dir_fd=None):
    return dir_fd is not None or os.path.lexists(path)

def run(folder, stage, kill):
    os.chdir(folder)
    os.fsync = lambda file: None  # a kill, unlike a power cut, loses nothing that was written
    counted(os, "unlink", kill, counts=there)
    for name in ("replace", "rename", "link", "truncate", "rmdir"):
        counted(os, name, kill)
    counted(downloading, "sleep", kill, lambda seconds: None)
    counted(fetching, "_measure", kill)
    counted(packing, "_prepare", kill)
    counted(packing, "_settle", kill)
    sys.argv = [stage, "scenes"]
    sys.stdout = open(os.devnull, "w")
    try:
        runpy.run_module(f"stages.{stage}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        print(end.code, file=sys.stderr, flush=True)
        os._exit(1)
    with open("steps", "w") as file:
        file.write(str(steps))
    os._exit(0)

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(*json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def fork() -> Iterator:
    """(folder, stage, kill) → the exit status of a run that is killed before its step number `kill`, 0 = never."""
    command = [sys.executable, "-c", FORKS, str(ROOT / "runtime.yaml")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "no_proxy": "*"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as forks:

        def run(folder: Path, stage: str, kill: int = 0) -> int:
            forks.stdin.write(json.dumps([str(folder), stage, kill]) + "\n")
            forks.stdin.flush()
            return int(forks.stdout.readline())

        yield run
        forks.stdin.close()


@pytest.fixture
def project(tmp_path, catalogue, site) -> Path:
    """A project's folder with one slot: an archive on a server that cuts every connection, another in its place."""
    folder = tmp_path / "project"
    (folder / "archives").mkdir(parents=True)
    test = {f"val_large/Places365_val_{number:08}.jpg": photograph(10 + number) for number in range(1, 3)}
    train = {f"data_large/a/airfield/{number:08}.jpg": photograph(number) for number in range(1, 4)}
    train["data_large/b/beach/00000001.jpg"] = b"no picture"
    train["data_large/b/beach/00000002.jpg"] = test["val_large/Places365_val_00000002.jpg"]
    make_tar(folder / "archives" / TEST, test)
    train["data_large/README.txt"] = bytes(3 * CHUNK)
    site.files[TRAIN] = make_tar(tmp_path / TRAIN, train).read_bytes()
    site.cut = len(site.files[TRAIN]) // 2
    placed = {"url": None, "bytes": None, "hash": None, "how": "ask"}
    remotes = {TRAIN: placed | {"url": site.address(TRAIN), "how": None}, TEST: placed}
    counts = {"train": 5, "val": None, "test": 2}
    accepted = entry(catalogue, "places2", archives=remotes, counts=counts, val_of_test=1)
    slot = filled_slot({"places2": accepted}, "places2", ["places2"])
    crops = {"dataset": "places2", "scale": None, "size": 16, "resize": "bilinear", "small": "reject", "crop": "centre"}
    code = manifest("download") | manifest("split")  # one process loads what both stages run
    for name in ("download", "split"):
        resolved = {"code": code, "slot": slot.model_dump(), "crops": crops}
        write_json(Workspace(folder).resolved(name, "scenes"), resolved)
    shutil.copy(ROOT / "runtime.yaml", folder)
    return folder


def stage(folder: Path, name: str) -> subprocess.Popen:
    """As a user, or DVC, runs it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"stages.{name}", "scenes"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)  # fmt: skip


def finish(folder: Path, *names: str) -> None:
    for name in names:
        with stage(folder, name) as run:
            said = run.communicate()[0]
        assert run.returncode == 0, said


def visible(folder: Path) -> dict[str, bytes]:
    """Files under final names, of all that the stages write but their scratch."""
    found = {}
    for part in RESULTS:
        paths = [folder / part] if (folder / part).is_file() else sorted((folder / part).rglob("*"))
        found |= {str(path.relative_to(folder)): path.read_bytes() for path in paths
                  if path.is_file() and not path.name.startswith(".")}  # fmt: skip
    return found


def remove_outs(folder: Path, name: str) -> None:
    """What DVC does before it runs a stage."""
    for out in OUTS[name]:
        if (folder / out).is_dir():
            shutil.rmtree(folder / out)
        (folder / out).unlink(missing_ok=True)


def copied(folder: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(folder, target)


@pytest.fixture
def unbroken(project, tmp_path, fork) -> dict[str, bytes]:
    """What an unbroken run of both stages leaves."""
    copied(project, tmp_path / "unbroken")
    for name in ("download", "split"):
        assert fork(tmp_path / "unbroken", name) == 0
    files = visible(tmp_path / "unbroken")
    assert set(files) == {f"data/scenes/shards/{split}.{end}" for split in ("train", "val", "test")
                          for end in ("bin", "npy")} | {"data/scenes/credits", "data/scenes/raw/archives.json"} | {
        f"data/scenes/report/{name}" for name in ("report.json", "report.md", "rejected.csv", "train.jpg", "val.jpg",
                                                  "test.jpg")} | {
        f"archives/{name}{end}" for name in (TRAIN, TEST) for end in ("", ".sha256")}  # fmt: skip
    return files


def assert_whole(folder: Path, unbroken: dict[str, bytes], where: str) -> None:
    """Nothing half-written has a final name."""
    for name, contents in visible(folder).items():
        assert unbroken.get(name) == contents, f"{name}, killed at {where}"


@pytest.mark.slow
def test_a_run_killed_between_any_two_steps_ends_in_the_same_bytes(tmp_path, project, unbroken, fork):
    folder, at, downloaded = tmp_path / "killed", {}, copied(project, tmp_path / "downloaded")
    assert fork(downloaded, "download") == 0
    at["download"] = int((downloaded / "steps").read_text())
    assert fork(copied(downloaded, folder), "split") == 0
    at["split"] = int((folder / "steps").read_text())
    assert visible(folder) == unbroken
    assert at["download"] >= 10 and at["split"] >= 40

    for name, before in {"download": project, "split": downloaded}.items():
        for kill in range(1, at[name] + 1):
            where = f"step {kill} of {name}"
            assert fork(copied(before, folder), name, kill) == -signal.SIGKILL, where
            assert_whole(folder, unbroken | visible(downloaded), where)
            remove_outs(folder, name)
            for again in ("download", "split")[name == "split" :]:
                assert fork(folder, again) == 0, where
            assert visible(folder) == unbroken, where
            assert not list((folder / "scratch").glob("split-*")), where
            left = [path.stat().st_size for path in (folder / "archives").glob(".*")]
            assert max(left) < 1000, where  # of what was downloaded, at most a note


@pytest.mark.slow
def test_many_kills_in_a_row_end_in_the_same_bytes(tmp_path, project, unbroken, fork):
    folder, draw = copied(project, tmp_path / "killed"), np.random.default_rng(0)
    kills = {"download": 0, "split": 0}
    for name, most in {"download": 8, "split": 30}.items():
        for number in range(10):
            remove_outs(folder, name)
            status = fork(folder, name, int(draw.integers(1, most)))
            kills[name] += status == -signal.SIGKILL
            assert status in (0, -signal.SIGKILL), number
        remove_outs(folder, name)
        assert fork(folder, name) == 0
    assert min(kills.values()) >= 5
    assert visible(folder) == unbroken


@pytest.mark.slow
def test_a_user_kills_a_download_in_the_middle(project, unbroken, site: Site):
    site.cut, site.stall = None, 2 * CHUNK
    part = project / "archives" / f".{TRAIN}.part"
    with stage(project, "download") as run:
        for _ in range(3000):
            if part.exists() and part.stat().st_size == site.stall:
                break
            sleep(0.01)
        assert part.stat().st_size == site.stall
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert set(visible(project)) == {f"archives/{TEST}"}
    site.stall = None
    site.asked.clear()
    finish(project, "download", "split")
    assert site.asked == [(f"/{TRAIN}", f"bytes={2 * CHUNK}-")]
    assert visible(project) == unbroken


def test_a_cut_connection_needs_no_second_run(project, unbroken, site):
    assert [wanted for _, wanted in site.asked] == [None, f"bytes={site.cut}-"]
    assert unbroken[f"archives/{TRAIN}"] == site.files[TRAIN]


def test_an_archive_that_is_another_ends_in_one_line_and_nothing_else(project, site):
    resolved = Workspace(project).resolved("download", "scenes")
    resolved.write_text(resolved.read_text().replace('"hash": null', f'"hash": "sha256:{"0" * 64}"', 1))
    site.cut = None
    with stage(project, "download") as run:
        said = run.communicate()[0].splitlines()
    assert run.returncode == 1
    assert said[-1].startswith(f"error: {site.address(TRAIN)}: asked for sha256 {'0' * 64}, which its owner publishes")
    assert set(visible(project)) == {f"archives/{TEST}"}


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_the_next_run_in_the_same_bytes(project, unbroken):
    """Files of more than 2,000 bytes cannot be written: the first shard stops in its middle."""
    finish(project, "download")
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (2000,) * 2); "
        "runpy.run_module('stages.split', run_name='__main__', alter_sys=True)"
    )
    command = [sys.executable, "-c", limited, "scenes"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: no room to write scratch/split-scenes/") and run.stderr.count("\n") == 1
    assert run.stderr.endswith("train.bin: File too large; nothing was left half written\n")
    assert not (project / "data" / "scenes" / "shards").exists()
    finish(project, "split")
    assert visible(project) == unbroken
