"""Workers that share no working tree: clones of their own, on this machine in place of many."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.test_reproduction import begun, wait_for, worker
from pipeline.toy import NAMES, Toy

pytestmark = pytest.mark.slow

CLUSTER = "kind: local\nworkers: 2\ngpu: false\noptions: {}\n"


@pytest.fixture
def toy(tmp_path) -> Toy:
    toy = Toy(tmp_path / "a toy")
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    return toy


def test_clones_with_a_common_cache_make_the_same_bytes(toy, expected):
    toy.parallel("--cluster", "../cluster.yaml")
    assert toy.made() == expected
    assert [toy.starts(name) for name in NAMES] == [[0]] * 4
    assert (toy.root / "scratch" / "project").read_text() == str(toy.root)
    assert toy.repro() == set()


def test_a_stage_goes_on_in_another_clone_when_its_worker_is_killed(toy, expected):
    started = begun(toy, "--cluster", "../cluster.yaml")
    worker(started.pid).kill()
    output, _ = started.communicate(timeout=60)
    assert started.returncode == 0, output
    assert toy.made() == expected
    assert any(len(toy.starts(name)) == 2 and toy.starts(name)[1] >= 3 for name in NAMES)


def test_clones_that_see_only_a_remote_make_the_same_bytes(toy, expected, tmp_path):
    toy.call("git", "remote", "add", "origin", str(toy.root))
    toy.call("dvc", "remote", "add", "-d", "kept", str(tmp_path / "remote"))
    toy.commit()
    toy.parallel("--cluster", "../cluster.yaml", "--no-shared-storage")
    assert toy.made() == expected
    assert [toy.starts(name) for name in NAMES] == [[0]] * 4
    assert toy.repro() == set()


def test_what_is_not_committed_is_refused(toy):
    toy.set({**toy.settings(), "b": {"steps": 5, "factor": 7}})
    run = toy.parallel("--cluster", "../cluster.yaml", check=False)
    assert run.returncode == 1
    assert "settings.json: has changed, but a worker in a clone sees what is committed" in run.stderr
    assert not (toy.root / "runs").exists()


@pytest.mark.parametrize(
    "file, found",
    [
        ("kind: cloud\nworkers: 2\ngpu: false\noptions: {}\n", "kind"),
        ("kind: local\nworkers: 0\ngpu: false\noptions: {}\n", "workers"),
        ("kind: slurm\nworkers: 2\ngpu: false\noptions: {memory: 1GB}\n", "options.walltime"),
    ],
)
def test_a_cluster_file_is_refused_by_its_key(toy, tmp_path, file, found):
    (tmp_path / "cluster.yaml").write_text(file)
    run = toy.parallel("--cluster", "../cluster.yaml", check=False)
    assert run.returncode == 1 and found in run.stderr and "Traceback" not in run.stderr


class Scheduler:
    """`dask scheduler` and two `dask worker`s."""

    def __init__(self, toy: Toy, folder: Path):
        self.file, self.processes = folder / "scheduler.json", []
        self.environment = toy.environment
        self.start("scheduler", "--scheduler-file", str(self.file), "--port", "0", "--no-dashboard")
        for number in range(2):
            local = str(folder / f"worker{number}")
            self.start("worker", "--scheduler-file", str(self.file), "--local-directory", local, "--no-dashboard")
        wait_for(self.file.exists)

    def start(self, *command: str) -> None:
        options = ["--nthreads", "1"] if command[0] == "worker" else []
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command, *options],
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def address(self) -> str:
        return json.loads(self.file.read_text())["address"]

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def test_a_scheduler_that_dies_loses_nothing(toy, expected, tmp_path):
    first = Scheduler(toy, tmp_path)
    try:
        started = begun(toy, "--scheduler", first.address())
        first.processes[0].send_signal(signal.SIGKILL)
        output, _ = started.communicate(timeout=60)
        assert started.returncode == 1
        assert "the scheduler is gone; what was made is kept" in output and "Traceback" not in output
    finally:
        first.stop()
    first.file.unlink()
    second = Scheduler(toy, tmp_path)
    try:
        toy.parallel("--scheduler", second.address())
        assert toy.made() == expected
    finally:
        second.stop()


def test_a_worker_whose_connection_breaks_is_replaced_and_its_stage_goes_on_elsewhere(toy, expected, tmp_path):
    """The stage that it runs goes on too, beside the one that has taken its place."""
    toy.environment["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = "2s"
    scheduler = Scheduler(toy, tmp_path)
    try:
        started = begun(toy, "--scheduler", scheduler.address())
        nannies = [psutil.Process(process.pid) for process in scheduler.processes[1:]]
        busy = max(nannies, key=lambda each: len(each.children(recursive=True)))
        (stopped,) = [each for each in busy.children() if "spawn_main" in " ".join(each.cmdline())]
        stopped.suspend()
        output, _ = started.communicate(timeout=60)
        assert started.returncode == 0, output
        assert toy.made() == expected
        assert any(len(toy.starts(name)) == 2 for name in NAMES)
    finally:
        scheduler.stop()


def test_a_scheduler_serves_one_command_at_a_time(toy, expected, tmp_path):
    scheduler = Scheduler(toy, tmp_path)
    try:
        started = begun(toy, "--scheduler", scheduler.address())
        other = Toy(tmp_path / "other")
        refused = other.parallel("--scheduler", scheduler.address(), check=False)
        assert refused.returncode == 1 and "another `repro` uses its workers" in refused.stderr
        output, _ = started.communicate(timeout=60)
        assert started.returncode == 0, output
        assert toy.made() == expected
    finally:
        scheduler.stop()


QUEUE = """#!/bin/sh
# In place of SLURM's sbatch: starts the job in the background, and prints its number. Only the first ends early.
[ -e {folder}/closed ] && {{ echo "sbatch: error: invalid partition" >&2; exit 1; }}
echo job >> {folder}/jobs
number=$(wc -l < {folder}/jobs)
cp "$1" {folder}/$number.sh
[ $number = 1 ] || sed -i "s/--lifetime 8s//" {folder}/$number.sh
setsid sh {folder}/$number.sh > {folder}/$number.log 2>&1 < /dev/null &
echo $! > {folder}/$number.pid
echo Submitted batch job $number
"""
CANCEL = """#!/bin/sh
kill -- -$(cat {folder}/$1.pid)
"""


@pytest.fixture
def queue(toy, tmp_path) -> Path:
    """The folder of a batch system with one command to submit a job and one to cancel it; `slurm.yaml` uses it."""
    folder = tmp_path / "queue"
    folder.mkdir()
    for name, text in (("sbatch", QUEUE), ("scancel", CANCEL)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    toy.environment["PATH"] = f"{folder}:{toy.environment['PATH']}"
    (tmp_path / "slurm.yaml").write_text(
        'kind: slurm\nworkers: 1\ngpu: false\noptions: {cores: 2, memory: 1GB, walltime: "00:20:00", '
        'worker_extra_args: ["--lifetime", "8s"]}\n'
    )
    return folder


def test_a_new_job_takes_the_place_of_one_whose_time_is_up(toy, expected, tmp_path, queue):
    toy.parallel("--cluster", "../slurm.yaml")
    assert toy.made() == expected
    assert len((queue / "jobs").read_text().split()) == 2


def test_a_job_that_the_queue_refuses_ends_the_command_in_one_line(toy, tmp_path, queue):
    (queue / "closed").touch()
    run = toy.parallel("--cluster", "../slurm.yaml", check=False)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "slurm: the queue refuses a job" in run.stderr and "invalid partition" in run.stderr


def test_the_remote_is_for_workers_elsewhere(toy):
    run = toy.parallel("--no-shared-storage", check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: --no-shared-storage: found neither --cluster nor --scheduler")


SBATCH = """#!/bin/sh
# In place of SLURM's: runs the job at once, and prints a number.
echo "$*" >> {folder}/asked
cat > {folder}/job.sh
number=$(wc -l < {folder}/asked)
sh {folder}/job.sh > {folder}/$number.log 2>&1 || exit 1
echo $number
"""


def test_the_script_for_slurm_submits_a_job_a_stage_and_gathers_what_they_made(toy, expected, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sbatch").write_text(SBATCH.format(folder=tmp_path))
    (programs / "sbatch").chmod(0o755)
    (tmp_path / "jobs.sh").write_text(toy.parallel("--print-sbatch").stdout)
    toy.environment["PATH"] = f"{programs}:{toy.environment['PATH']}"
    toy.call("sh", str(tmp_path / "jobs.sh"))
    assert toy.made() == expected
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 11
    (count,) = [line for line in asked if "--job-name=count@a" in line]
    assert "--dependency=afterok:1 " in count and "--gpus=1" in count
    assert "--job-name=gather" in asked[-1] and "--gpus" not in asked[-1]
