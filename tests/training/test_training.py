import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from palimpsest.config import runs
from palimpsest.config.runtime import launch, read_runtime
from palimpsest.config.yaml import InputError, build, read_yaml
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes
from palimpsest.learning.schedule import Cosine, Linear, Phase
from palimpsest.models import create, is_prior
from palimpsest.settings import Params, training_inputs
from palimpsest.storage import write_json
from palimpsest.training import checkpoints
from palimpsest.training.batches import Batches
from palimpsest.training.loop import Display, TrainingConfig, _average, _means, train
from palimpsest.training.priors import Imagined
from palimpsest.training.run import train_run, write
from palimpsest.training.sample_grids import Filled

ROOT = Path(__file__).parents[2]
RUNTIME = read_runtime(ROOT / "runtime.yaml").model_copy(update={"device": "cpu", "checkpoint_seconds": 0.0})
CONFIG = TrainingConfig(seed=1, log_every=2, sample_every=3, samples=2, compared=4)


class KilledError(Exception):
    """Stands for a kill."""


SMALL = {
    "deepfill-v1": {"width": 2, "critic_width": 2},
    "crfill": {"generator": {"width": 2}, "critic": {"width": 2, "layers": 4}},
    "tmad": {"width": 2, "critic_width": 2, "patches": 3},
    "gm-srm": {"width": 2, "embedding_width": 2, "critic": {"width": 2, "layers": 4}},
    "gm-srm-memory": {"width": {"base": 64, "most": 4}, "latent": 8, "deviation_group": 2},
}
COSINE = {"highest": 1e-3, "lowest": 1e-5, "periods": 2}
PHASES = {
    "deepfill-v1": [("first", 5, 1e-3), ("last", 3, 1e-4)],
    "crfill": [("coarse", 2, 1e-3), ("refinement", 2, 1e-3), ("all", 1, 1e-3), ("reconstruction", 3, 1e-3)],
    "tmad": [("first", 5, COSINE), ("last", 3, 1e-4)],
    "gm-srm": [("first", 5, 1e-3), ("last", 3, {"highest": 1e-3, "lowest": 0.0})],
    "gm-srm-memory": [("prior", 8, 2e-3)],
}


@pytest.fixture(params=["deepfill-v1"])
def job(request, params, crops, shards, tmp_path, features):
    """Trains eight iterations of a small network, going on from what lies in tmp_path; stops after `kill`."""
    name = request.param
    settings = {**params["pretrained"], **params["runs"]}[name]["profiles"]["tiny"]
    settings |= SMALL[name]
    phases = [dict(zip(("name", "iterations", "learning_rate"), phase, strict=True)) for phase in PHASES[name]]
    settings["schedule"] |= {"batch_size": 2, "phases": phases}
    holes = build(Holes, params["holes"], "")
    fabric = launch(RUNTIME)

    def run(kill: int | None = None, spoil: int | None = None, folder: str = "scratch", watch: bool = False):
        torch.manual_seed(CONFIG.seed)
        model = create(runs.resolve(params, name), 64)
        step, calls = model.step, []

        def watched(image, hole):
            calls.append(1)
            if kill is not None and len(calls) > kill:
                raise KilledError
            if watch:
                model.rates = [*getattr(model, "rates", []), model.optimisers["generator"].param_groups[0]["lr"]]
            losses = step(image, hole)
            return {**losses, "generator": losses["generator"] * math.nan} if len(calls) - 1 == spoil else losses

        model.step = watched
        schedule = model.config.schedule
        batches = Batches(Shard(shards / "train"), crops, holes, schedule, model.batches, CONFIG.seed)
        if is_prior(runs.resolve(params, name).model):
            grid = Imagined.of(CONFIG.samples, CONFIG.compared, "vgg16", features, batches.crop, "cpu")
        else:
            grid = Filled.of(Shard(shards / "val"), holes, "rectangle", CONFIG.samples)
        progress = train(model, batches, grid, CONFIG, fabric, tmp_path / folder, RUNTIME)
        return model, progress, grid, len(calls)

    return run


def state(model):
    return {
        **model.networks.state_dict(),
        **{
            f"{n}.{i}.{k}": torch.as_tensor(v)
            for n, o in model.optimisers.items()
            for i, s in o.state_dict()["state"].items()
            for k, v in s.items()
        },
    }


@pytest.mark.parametrize("job", ["deepfill-v1", "crfill", "tmad", "gm-srm", "gm-srm-memory"], indirect=True)
@pytest.mark.parametrize("kill", [1, 3, 6, 7])
def test_a_killed_run_goes_on_and_ends_in_the_same_bits(job, kill):
    unbroken, whole, _, _ = job(folder="other")
    with pytest.raises(KilledError):
        job(kill=kill)
    resumed, rest, _, steps = job()
    assert steps == 8 - max((row["iteration"] for row in whole.log if row["iteration"] <= kill), default=0)
    assert state(resumed).keys() == state(unbroken).keys()
    assert all(torch.equal(value, state(unbroken)[name]) for name, value in state(resumed).items())
    assert rest.log == whole.log
    assert rest.grids.keys() == whole.grids.keys() == {3, 6, 8}
    assert all((rest.grids[i] == whole.grids[i]).all() for i in whole.grids)


def test_a_rate_that_falls_along_a_cosine_restarts():
    phase = Phase(name="only", iterations=8, learning_rate=Cosine(highest=0.1, lowest=0.02, periods=2))
    rates = [phase.highest_rate * phase.share(i) for i in range(8)]
    middle = 0.02 + 0.08 * (1 + math.cos(math.pi / 4)) / 2
    assert rates == pytest.approx([0.1, middle, 0.06, 0.12 - middle] * 2)
    steady = Phase(name="only", iterations=8, learning_rate=0.1)
    assert {steady.highest_rate * steady.share(i) for i in range(8)} == {0.1}


def test_a_rate_that_falls_straight_ends_at_its_lowest():
    phase = Phase(name="only", iterations=4, learning_rate=Linear(highest=0.1, lowest=0.02))
    assert [phase.highest_rate * phase.share(i) for i in range(4)] == pytest.approx([0.1, 0.08, 0.06, 0.04])
    with pytest.raises(ValueError, match=r"lowest is 0.2 and highest 0.1; accepted: a rate that falls"):
        Linear(highest=0.1, lowest=0.2)


@pytest.mark.parametrize("job", ["tmad"], indirect=True)
def test_every_iteration_has_its_own_rate(job):
    model, _, _, _ = job(watch=True)
    phase = Phase(name="first", iterations=5, learning_rate=Cosine(**COSINE))
    assert model.rates == pytest.approx([1e-3 * phase.share(i) for i in range(5)] + [1e-4] * 3)


def test_the_log_has_a_row_every_few_iterations_and_the_phase(job):
    _, progress, _, _ = job()
    assert [(row["iteration"], row["phase"]) for row in progress.log] == [
        (2, "first"),
        (4, "first"),
        (5, "first"),
        (6, "last"),
        (8, "last"),
    ]
    assert all(math.isfinite(row["generator"]) for row in progress.log)


def test_what_is_written_can_be_read(job, tmp_path):
    _, progress, grid, _ = job()
    write(progress, grid, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "log.json").read_text()) == progress.log
    kept = np.load(tmp_path / "run" / "samples.npz")
    assert kept["iterations"].tolist() == [3, 6, 8]
    assert kept["results"].shape == (3, 2, 64, 64, 3) and kept["results"].dtype == np.uint8
    known = ~kept["holes"]
    assert all((result[known] == kept["pictures"][known]).all() for result in kept["results"])


@pytest.mark.parametrize("job", ["gm-srm-memory"], indirect=True)
def test_a_prior_s_log_has_its_distance_with_every_sheet(job, tmp_path):
    _, progress, grid, _ = job()
    assert [row["iteration"] for row in progress.log] == [2, 3, 4, 6, 8]
    assert [row["iteration"] for row in progress.log if "fd_vgg16" in row] == [3, 6, 8]
    assert [row["iteration"] for row in progress.log if "r1" in row] == [2]  # in its first step alone
    write(progress, grid, tmp_path / "run")
    kept = np.load(tmp_path / "run" / "samples.npz")
    assert set(kept.files) == {"iterations", "results"}
    assert kept["results"].shape == (3, 2, 64, 64, 3) and kept["results"].dtype == np.uint8


def test_means_are_over_the_iterations_that_had_a_loss():
    rows = [{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0, "c": 4.0}]
    assert _means(rows) == {"a": 3.0, "b": 5.0, "c": 4.0}


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_good_state(job, tmp_path):
    said = re.escape(
        f"stopped at iteration 6 of 8: the loss generator is nan; the last good state is {tmp_path}/scratch/state.pt"
    )
    with pytest.raises(InputError, match=said):
        job(spoil=5)
    assert torch.load(tmp_path / "scratch" / "state.pt", weights_only=True)["iteration"] == 5
    with pytest.raises(InputError, match=r"iteration 1 of 8.*no resume point was written yet"):
        job(spoil=0, folder="fresh")


def test_a_resume_point_that_is_cut_short_is_refused(job, tmp_path):
    with pytest.raises(KilledError):
        job(kill=5)
    path = tmp_path / "scratch" / "state.pt"
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"state\.pt: the resume point is damaged; remove its folder"):
            job()


def test_processes_must_divide_the_batch(shards, crops, params):
    holes = build(Holes, params["holes"], "")
    schedule = create(runs.resolve(params, "deepfill-v1"), 64).config.schedule
    with pytest.raises(InputError, match="accepted: a multiple of 3 processes"):
        Batches(Shard(shards / "train"), crops, holes, schedule, 6, 1, 0, 3)


def test_processes_agree_on_gradients_and_buffers():
    """Each tensor becomes what one message made of all of them."""

    class Two:
        world_size = 2

        def all_reduce(self, tensor, reduce_op):
            assert reduce_op == "mean" and tensor.shape == (7,)
            return (tensor + torch.arange(7.0)) / 2

    tensors = [torch.zeros(2, 3), torch.tensor(4.0)]
    _average(Two(), tensors)
    assert tensors[0].tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]] and tensors[1].item() == 5


@pytest.mark.parametrize(
    ("stage", "name", "room"), [("train", "gm-srm-memory", "runs"), ("pretrain", "gm-srm", "pretrained")]
)
def test_a_stage_trains_the_sections_of_its_own(project, params, monkeypatch, stage, name, room):
    monkeypatch.chdir(project)
    inputs = training_inputs(params, build(Params, params, ""), name)
    write_json(project / "data" / "training" / f"{name}.json", inputs)
    with pytest.raises(InputError, match=rf"asked {stage} for \w+\.{name}; accepted: a section of {room}$"):
        train_run(stage, name)


def test_plain_lines_tell_losses_rate_and_time_left(capsys):
    display = Display(10, 4)
    display.seconds_between_lines = 0
    display.show(5, {"l1": 0.25})
    assert re.fullmatch(r"5/10: l1 0\.25; [\d.]+ it/s, \d+ s left\n", capsys.readouterr().out)


@pytest.fixture
def project(tmp_path, params, shards):
    """A folder in which stages/train.py runs, on two small nets of six iterations."""
    from ruamel.yaml import YAML

    tiny = params["runs"]["deepfill-v1"]["profiles"]["tiny"]
    tiny |= {"width": 2, "critic_width": 2}
    tiny["schedule"] |= {"batch_size": 4, "phases": [{"name": "joint", "iterations": 6, "learning_rate": 1e-3}]}
    params["profiles"]["tiny"]["training"] |= {"log_every": 1, "sample_every": 100}
    YAML().dump(params, tmp_path / "params.yaml")
    (tmp_path / "runtime.yaml").write_text((ROOT / "runtime.yaml").read_text())
    (tmp_path / "data" / "scenes").mkdir(parents=True)
    (tmp_path / "data" / "scenes" / "shards").symlink_to(shards)
    return tmp_path


def start(project, run="deepfill-v1", **environment):
    """Runs stages/train.py on what stages/check.py writes of params.yaml."""
    tree = read_yaml(project / "params.yaml")
    inputs = training_inputs(tree, build(Params, tree, ""), run)
    write_json(project / "data" / "training" / f"{run}.json", inputs)
    environment = {
        "PALIMPSEST_DEVICE": "cpu",
        "PALIMPSEST_CHECKPOINT_SECONDS": "0.0",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    command = [sys.executable, ROOT / "stages" / "train.py", run]
    return subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


@pytest.mark.slow
def test_a_process_killed_from_outside_resumes_to_the_same_bytes(project):
    assert finish(start(project))[0] == 0
    weights = project / "runs" / "deepfill-v1" / "weights.safetensors"
    files = {path.name: path.read_bytes() for path in weights.parent.iterdir()}
    assert not list((project / "scratch").iterdir())

    weights.unlink()
    process = start(project)
    while not list((project / "scratch").glob("*/state.pt")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not weights.exists()
    assert finish(start(project))[0] == 0
    assert {path.name: path.read_bytes() for path in weights.parent.iterdir()} == files


@pytest.mark.slow
def test_other_settings_never_resume_from_an_old_state(project):
    process = start(project)
    while not list((project / "scratch").glob("*/state.pt")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    old = set((project / "scratch").iterdir())
    weights = project / "runs" / "deepfill-v1" / "weights.safetensors"
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("gradient_penalty: 10.0", "gradient_penalty: 9.0"))
    assert finish(start(project))[0] == 0
    assert set((project / "scratch").iterdir()) == old
    beside_the_old_state = weights.read_bytes()
    shutil.rmtree(project / "scratch")
    assert finish(start(project))[0] == 0
    assert weights.read_bytes() == beside_the_old_state


@pytest.mark.slow
def test_two_processes_train_what_one_does(project):
    """Without critic steps nothing is drawn at random in a step, so that only the order of sums may differ."""
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("critic_steps: 5", "critic_steps: 0"))
    weights = project / "runs" / "deepfill-v1" / "weights.safetensors"
    found = []
    for devices in ("1", "2"):
        status, output = finish(start(project, PALIMPSEST_DEVICES=devices))
        assert status == 0, output
        found.append(checkpoints.load(weights)[0].networks["generator"].state_dict())
    alone, both = found
    gap = sum((alone[name] - both[name]).abs().mean().item() for name in alone) / len(alone)
    assert gap < 1e-4  # 7e-4 where each process keeps its own gradients
