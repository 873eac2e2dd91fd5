"""The training loop: exact resume, the log, sample grids, and what stops it."""

import io
import json
import math
import os
import re
import signal
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from building import shrink
from palimpsest.config import runs
from palimpsest.config.runtime import Runtime, launch, read_runtime
from palimpsest.config.stopping import Stopped
from palimpsest.config.yaml import InputError, build
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes
from palimpsest.learning.schedule import Cosine, Phase
from palimpsest.models import create, is_prior
from palimpsest.training.averaging import average, greatest
from palimpsest.training.batches import Batches
from palimpsest.training.display import Display
from palimpsest.training.loop import POSTPONED, TrainingConfig, _means, train
from palimpsest.training.priors import PriorSamples
from palimpsest.training.resume import DIGEST, Progress, ResumePoint
from palimpsest.training.run import write
from palimpsest.training.sample_grids import LOGGED, FilledSamples
from palimpsest.workspace import Workspace

ROOT = Path(__file__).parents[2]
RUNTIME = read_runtime(ROOT / "runtime.yaml").model_copy(update={"device": "cpu", "checkpoint_seconds": 0.0})
SEED = 1
CONFIG = TrainingConfig(log_every=2, sample_every=3, samples=2, validated=3, compared=4)


class KilledError(Exception):
    """Stands for a kill."""


SMALL = {
    "deepfill-v1": {"width": 2, "critic_width": 2},
    "crfill": {"generator": {"width": 2}, "critic": {"width": 2, "layers": 4}},
    "edge-connect": {"width": 2, "critic_width": 2, "residual_blocks": 1},
    "picnet": {"width": 2},
    "tmad": {"width": 2, "critic_width": 2, "patches": 3},
    "gm-srm": {"width": 2, "embedding_width": 2, "critic": {"width": 2, "layers": 4}},
    "gm-srm-memory": {"width": {"base": 64, "most": 4}, "latent": 8, "deviation_group": 2},
}
COSINE = {"highest": 1e-3, "lowest": 1e-5, "periods": 2}
PHASES = {
    "deepfill-v1": [("l1", 5, 1e-3), ("joint", 3, 1e-4)],
    "crfill": [("coarse", 2, 1e-3), ("refinement", 2, 1e-3), ("all", 1, 1e-3), ("reconstruction", 3, 1e-3)],
    "edge-connect": [("edges", 2, 1e-3), ("painting", 3, 1e-3), ("joint", 3, 1e-3)],
    "picnet": [("first", 5, 1e-3), ("last", 3, 1e-4)],
    "tmad": [("first", 5, COSINE), ("last", 3, 1e-4)],
    "gm-srm": [("first", 5, 1e-3), ("last", 3, {"highest": 1e-3, "lowest": 0.0})],
    "gm-srm-memory": [("prior", 8, 2e-3)],
}


@pytest.fixture(params=["deepfill-v1"])
def job(request, params, crops, shards, tmp_path, features):
    """Trains eight iterations of a small network, going on from what lies in tmp_path; stops after `kill`."""
    name = request.param
    phases = [dict(zip(("name", "iterations", "learning_rate"), phase, strict=True)) for phase in PHASES[name]]
    schedule = {"batch_size": 2, "phases": phases}
    shrink({**params["pretrained"], **params["runs"]}[name], {**SMALL[name], "schedule": schedule})
    holes = build(Holes, params["holes"], "")
    fabric = launch(RUNTIME)

    def run(
        kill: int | None = None,
        spoil: int | None = None,
        folder: str = "scratch",
        watch: bool = False,
        signals: dict[int, list[int]] | None = None,  # step → what comes amid it
        runtime: Runtime = RUNTIME,
    ):
        torch.manual_seed(SEED)
        model = create(runs.resolve(params, name), 64)
        step, calls = model.step, []

        def watched(*batch):
            calls.append(1)
            if kill is not None and len(calls) > kill:
                raise KilledError
            if watch:
                model.rates = [*getattr(model, "rates", []), model.optimisers["generator"].param_groups[0]["lr"]]
            losses = step(*batch)
            for number in (signals or {}).get(len(calls), []):
                signal.raise_signal(number)
            return {**losses, "generator": losses["generator"] * math.nan} if len(calls) - 1 == spoil else losses

        model.step = watched
        schedule = model.config.schedule
        derive = getattr(model, "derive", None)
        batches = Batches(Shard(shards / "train"), crops, holes, schedule, model.batches, SEED, derive=derive)
        if is_prior(runs.resolve(params, name).model):
            grid = PriorSamples.of(CONFIG.samples, CONFIG.compared, "vgg16", features, batches.crop, "cpu")
        else:
            grid = FilledSamples.of(Shard(shards / "val"), holes, "rectangle", CONFIG.samples, CONFIG.validated)
        progress = train(model, batches, grid, CONFIG, fabric, tmp_path / folder, runtime)
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


OFTEN, ONCE = (1, 3, 6, 7), (3,)  # iterations after which a run is killed


@pytest.mark.parametrize(
    ("job", "kills"),
    [
        ("crfill", OFTEN),
        pytest.param("deepfill-v1", OFTEN, marks=pytest.mark.slow),
        pytest.param("edge-connect", ONCE, marks=pytest.mark.slow),
        pytest.param("picnet", ONCE, marks=pytest.mark.slow),
        pytest.param("tmad", ONCE, marks=pytest.mark.slow),
        pytest.param("gm-srm", ONCE, marks=pytest.mark.slow),
        pytest.param("gm-srm-memory", ONCE, marks=pytest.mark.slow),
    ],
    indirect=["job"],
)
def test_a_killed_run_goes_on_and_ends_in_the_same_bits(job, kills):
    unbroken, whole, _, _ = job(folder="whole")
    for kill in kills:
        with pytest.raises(KilledError):
            job(kill=kill, folder=f"killed-{kill}")
        resumed, rest, _, steps = job(folder=f"killed-{kill}")
        assert steps == 8 - kill
        assert_same(resumed, rest, unbroken, whole)


def assert_same(model, progress, unbroken, whole):
    """The bits of a training that went on, and of one that nothing stopped."""
    assert state(model).keys() == state(unbroken).keys()
    assert all(torch.equal(value, state(unbroken)[name]) for name, value in state(model).items())
    assert progress.log == whole.log
    assert progress.grids.keys() == whole.grids.keys() == {3, 6, 8}
    assert all((progress.grids[i] == whole.grids[i]).all() for i in whole.grids)


SELDOM = RUNTIME.model_copy(update={"checkpoint_seconds": 3600.0})


@pytest.mark.parametrize(("step", "number"), [(1, 2), (5, 15), (7, 15), (8, 2)])
def test_a_stopped_run_leaves_a_resume_point_and_ends_in_the_same_bits(job, tmp_path, capfd, step, number):
    unbroken, whole, _, _ = job(folder="whole", runtime=SELDOM)
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped:
        job(runtime=SELDOM, signals={step: [number]})
    assert signal.getsignal(number) == before
    assert stopped.value.status == 128 + number
    where = f"training stopped at iteration {step} of 8; the same command goes on from {tmp_path}/scratch/state"
    assert str(stopped.value) == where and POSTPONED in capfd.readouterr().err
    resumed, rest, _, steps = job(runtime=SELDOM)
    assert steps == 8 - step
    assert_same(resumed, rest, unbroken, whole)


def test_a_second_signal_stops_a_run_at_once(job, tmp_path):
    with pytest.raises(
        Stopped, match=r"stopped at iteration 4 of 8; .* from the start: no resume point was written yet"
    ):
        job(runtime=SELDOM, signals={5: [signal.SIGINT, signal.SIGTERM]})
    assert not (tmp_path / "scratch").exists()


def test_processes_agree_on_whether_one_was_stopped():
    class Two:
        world_size, device = 2, "cpu"

        def all_reduce(self, tensor, reduce_op):
            assert reduce_op == "max"
            return torch.maximum(tensor, torch.tensor(15))

    assert [greatest(Two(), number) for number in (0, 2, 20)] == [15, 15, 20]


@pytest.mark.slow
@pytest.mark.parametrize("job", ["tmad"], indirect=True)
def test_every_iteration_has_its_own_rate(job):
    model, _, _, _ = job(watch=True)
    phase = Phase(name="first", iterations=5, learning_rate=Cosine(**COSINE))
    assert model.rates == pytest.approx([1e-3 * phase.share(i) for i in range(5)] + [1e-4] * 3)


def test_the_log_has_a_row_every_few_iterations_and_at_every_sample_grid(job):
    _, progress, _, _ = job()
    assert [(row["iteration"], row["phase"]) for row in progress.log] == [
        (2, "l1"),
        (3, "l1"),
        (4, "l1"),
        (5, "l1"),
        (6, "joint"),
        (8, "joint"),
    ]
    assert all(math.isfinite(row["generator"]) for row in progress.log)
    assert [row["iteration"] for row in progress.log if LOGGED in row] == [3, 6, 8]


def test_what_is_written_can_be_read(job, tmp_path):
    _, progress, grid, _ = job()
    files = Workspace(tmp_path).run("deepfill-v1")
    write(progress, grid, files)
    assert json.loads(files.log.read_text()) == progress.log
    kept = np.load(files.samples)
    assert kept["iterations"].tolist() == [3, 6, 8]
    assert kept["results"].shape == (3, 2, 64, 64, 3) and kept["results"].dtype == np.uint8
    known = ~kept["holes"]
    assert all((result[known] == kept["pictures"][known]).all() for result in kept["results"])


@pytest.mark.parametrize("job", ["gm-srm-memory"], indirect=True)
def test_a_priors_log_has_its_distance_with_every_sample_grid(job, tmp_path):
    _, progress, grid, _ = job()
    assert [row["iteration"] for row in progress.log] == [2, 3, 4, 6, 8]
    assert [row["iteration"] for row in progress.log if "fd_vgg16" in row] == [3, 6, 8]
    assert [row["iteration"] for row in progress.log if "r1" in row] == [2]  # in its first step alone
    files = Workspace(tmp_path).run("gm-srm-memory")
    write(progress, grid, files)
    kept = np.load(files.samples)
    assert set(kept.files) == {"iterations", "results"}
    assert kept["results"].shape == (3, 2, 64, 64, 3) and kept["results"].dtype == np.uint8


def test_means_are_over_the_iterations_that_had_a_loss():
    rows = [{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0, "c": 4.0}]
    assert _means(rows) == {"a": 3.0, "b": 5.0, "c": 4.0}


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_good_state(job, tmp_path):
    said = re.escape(
        f"stopped at iteration 6 of 8: the loss generator is nan; the last good state is {tmp_path}/scratch/state"
    )
    with pytest.raises(InputError, match=said):
        job(spoil=5)
    assert unpacked(tmp_path / "scratch" / "state")["iteration"] == 5
    with pytest.raises(InputError, match=r"iteration 1 of 8.*no resume point was written yet"):
        job(spoil=0, folder="fresh")


def unpacked(path):
    return torch.load(io.BytesIO(path.read_bytes()[DIGEST:]), weights_only=True)


def packed(state):
    """The bytes of a resume point that holds a state, as it may be or not."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return sha256(buffer.getvalue()).digest() + buffer.getvalue()


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def forged_optimisers(optimisers):
    """Ways in which optimisers may not be what their states are restored to."""
    name, whole = next((name, each) for name, each in optimisers.items() if each["state"])
    (place, tensors), (group,) = next(iter(whole["state"].items())), whole["param_groups"]
    moment = tensors["exp_avg"]
    states = (
        *(tensors | {"exp_avg": value} for value in (moment[:1], moment / 0, moment.double(), moment[0, 0], 3.0, None)),
        *(tensors | {"more": moment}, {}, {"step": tensors["step"]}, "text"),
    )
    yield {}
    yield optimisers | {"another": whole}
    yield from (optimisers | {name: whole | {"state": {**whole["state"], place: state}}} for state in states)
    yield from (optimisers | {name: whole | {"state": state}} for state in ({999: tensors}, {"x": tensors}, [tensors]))
    groups = ([], [group, group], [group | {"betas": "text"}], [group | {"params": [0]}], [{"lr": 0.0}], ["text"])
    yield from (optimisers | {name: whole | {"param_groups": each}} for each in groups)


def test_a_resume_point_that_is_damaged_or_edited_is_refused(job, tmp_path):
    with pytest.raises(KilledError):
        job(kill=5)
    path = tmp_path / "scratch" / "state"
    whole, state = path.read_bytes(), unpacked(path)
    weights, (name, value) = state["networks"], next(iter(state["networks"].items()))
    wrong = [
        *(whole[:length] for length in (0, 10, len(whole) // 2)),
        *(flipped(whole, place) for place in (3, DIGEST + 3, len(whole) // 2, len(whole) - 1)),
        *(packed(state | {"iteration": iteration}) for iteration in (-3, 9, 1_000_000, "5", math.nan)),
        *(packed({**state, key: value}) for key in state for value in (None, [1], {"a": 1}, "text")),
        *(
            packed({**state, "networks": {**weights, name: other}})
            for other in (value / 0, value.double(), value[:1], 3)
        ),
        packed({**state, "networks": {}}),
        *(packed({**state, "optimisers": forged}) for forged in forged_optimisers(state["optimisers"])),
        packed({**state, "grids": {5: torch.zeros(2, 8, 8, 3)}}),
        packed([state]),
    ]
    model, _, _, steps = job()
    assert steps == 3
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"/state: the resume point is damaged( \([a-z ]+\))?; remove its folder"):
            ResumePoint(path.parent, model).restore(8)


def test_weights_that_are_not_finite_are_no_resume_point(params, tmp_path):
    model = create(runs.resolve(params, "deepfill-v1"), 64)
    resume = ResumePoint(tmp_path, model)
    next(iter(model.networks.parameters())).data[0] = math.nan
    with pytest.raises(InputError, match=r"stopped after iteration 7: .* not finite; the last good state is the start"):
        resume.save(Progress(7))
    assert not resume.path.exists()


def test_processes_must_divide_the_batch(shards, crops, params):
    holes = build(Holes, params["holes"], "")
    schedule = create(runs.resolve(params, "deepfill-v1"), 64).config.schedule
    with pytest.raises(InputError, match="accepted: a multiple of 3 processes"):
        Batches(Shard(shards / "train"), crops, holes, schedule, 6, 1, 0, 3)


def test_the_loaders_workers_derive_what_a_step_reads_beside_its_batch(shards, crops, params):
    holes = build(Holes, params["holes"], "")
    model = create(runs.resolve(params, "edge-connect"), 64)
    batches = Batches(
        Shard(shards / "train"), crops, holes, model.config.schedule, model.batches, 1, derive=in_which_process
    )
    loader = DataLoader(batches, batch_size=None, sampler=[0, 1], num_workers=1)
    for image, hole, process in loader:
        assert image.shape[2:] == hole.shape[2:] and process.item() != os.getpid()
    batches.derive = model.derive
    image, hole, *derived = batches[5]
    for found, wanted in zip(derived, model.derive(image, hole), strict=True):
        assert torch.equal(found, wanted)


def in_which_process(image, hole):
    return (torch.tensor(os.getpid()),)


def test_processes_agree_on_gradients_and_buffers():
    """Each tensor becomes what one message made of all of them."""

    class Two:
        world_size = 2

        def all_reduce(self, tensor, reduce_op):
            assert reduce_op == "mean" and tensor.shape == (7,)
            return (tensor + torch.arange(7.0)) / 2

    tensors = [torch.zeros(2, 3), torch.tensor(4.0)]
    average(Two(), tensors)
    assert tensors[0].tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]] and tensors[1].item() == 5


def test_plain_lines_tell_losses_rate_and_time_left(capsys):
    display = Display(10, 4)
    display.seconds_between_lines = 0
    display.show(5, {"l1": 0.25})
    assert re.fullmatch(r"5/10: l1 0\.25; [\d.]+ it/s, \d+ s left\n", capsys.readouterr().out)
