"""The stage `train` as a process of its own: killed, given other settings, or split over two processes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from building import shrink
from palimpsest.config.yaml import build
from palimpsest.settings.params import Params
from palimpsest.settings.resolving import training
from palimpsest.storage import write_json
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RUN = "deepfill-v1"
FILES = ("weights.safetensors", "log.json", "samples.npz")


@pytest.fixture
def project(tmp_path, params, shards, weights_folder):
    """A folder in which `train` trains two small nets for six iterations under `params`."""
    schedule = {"batch_size": 4, "phases": [{"name": "joint", "iterations": 6, "learning_rate": 1e-3}]}
    shrink(params["runs"][RUN], {"width": 2, "critic_width": 2, "schedule": schedule})
    params["profiles"]["tiny"]["training"] |= {"log_every": 1, "sample_every": 100}
    shutil.copy(ROOT / "runtime.yaml", tmp_path)
    slot = Workspace(tmp_path).slot("scenes")
    slot.folder.mkdir(parents=True)
    slot.shards.symlink_to(shards)
    Workspace(tmp_path).weights.symlink_to(weights_folder)
    return Workspace(tmp_path)


def start(project, params, **environment):
    """Runs the stage on what `check` would write for it."""
    write_json(project.resolved("train", RUN), training(params, build(Params, params, ""), "train", RUN))
    environment = {
        "PALIMPSEST_DEVICE": "cpu",
        "PALIMPSEST_CHECKPOINT_SECONDS": "0.0",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "stages.train", RUN],
        cwd=project.root,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


def stop_in_seed(seed, project, process, stop):
    """What it printed in all, if `stop` ends it once this seed has a resume point."""
    while not list((project.root / "scratch").glob(f"*/seed-{seed}/state")):
        assert process.poll() is None
        time.sleep(0.01)
    stop()
    output, _ = process.communicate(timeout=60)
    return output


def made(folder):
    """{file: its bytes} of all seeds of a run."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_process_goes_on_in_its_seed_to_the_same_bytes_and_other_settings_do_not(project, params):
    scratch, folder = project.root / "scratch", project.run(RUN).folder
    params["profiles"]["tiny"]["seeds"] = [1, 2]
    finish(start(project, params))
    whole = made(folder)
    assert whole.keys() == {f"{seed}{file}" for seed in ("", "seed-2/") for file in FILES}
    assert whole["weights.safetensors"] != whole["seed-2/weights.safetensors"]
    assert not list(scratch.iterdir())

    shutil.rmtree(folder)
    process = start(project, params)
    stop_in_seed(2, project, process, process.kill)
    (old,) = scratch.iterdir()
    kept = shutil.copytree(old, project.root / "kept")
    first = (old / "finished" / "weights.safetensors").stat()
    assert not folder.exists()
    finish(start(project, params))
    assert made(folder) == whole
    assert (folder / "weights.safetensors").stat().st_mtime_ns == first.st_mtime_ns  # it was not trained again

    shutil.copytree(kept, old)
    params["profiles"]["tiny"]["seeds"] = [1]
    finish(start(project, params))
    assert list(scratch.iterdir()) == [old]  # a run removes the state that it resumes from when it ends
    assert made(folder) == {file: whole[file] for file in FILES}  # with one seed as with several


@pytest.mark.parametrize(
    ("number", "environment"),
    [
        (signal.SIGINT, {}),
        (signal.SIGTERM, {}),
        (signal.SIGTERM, {"PALIMPSEST_WORKERS": "1"}),
        (signal.SIGINT, {"PALIMPSEST_DEVICES": "2"}),
    ],
)
def test_a_training_that_is_stopped_says_where_and_goes_on_to_the_same_bytes(project, params, number, environment):
    """As by Ctrl-C in a terminal, and by a queue that ends a job: the signal goes to all its processes."""
    finish(start(project, params, **environment))
    whole = made(project.run(RUN).folder)
    process = start(project, params, **environment)
    output = stop_in_seed(1, project, process, lambda: os.killpg(process.pid, number))
    *_, said = output.splitlines()
    where = r"training stopped at iteration [1-6] of 6; the same command goes on from scratch/\S+/seed-1/state"
    assert re.fullmatch(where, said) and "Traceback" not in output
    assert process.returncode == 128 + number
    finish(start(project, params, **environment))
    assert made(project.run(RUN).folder) == whole


def test_two_processes_train_what_one_does(project, params):
    """Without critic steps nothing is drawn at random in a step, so that only the order of sums may differ."""
    params["runs"][RUN]["settings"]["critic_steps"] = 0
    found = []
    for devices in ("1", "2"):
        finish(start(project, params, PALIMPSEST_DEVICES=devices))
        found.append(checkpoints.load(project.run(RUN).weights)[0].networks["generator"].state_dict())
    alone, both = found
    gap = sum((alone[name] - both[name]).abs().mean().item() for name in alone) / len(alone)
    assert gap < 1e-4  # 7e-4 where each process keeps its own gradients
