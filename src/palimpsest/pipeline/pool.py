"""Where stages run: workers on this machine, those of a scheduler, or those that a cluster's queue starts."""

import logging
import math
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Literal

import dask
import psutil
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.deploy.cluster import Cluster
from pydantic import PositiveInt

from palimpsest.config.runtime import Runtime
from palimpsest.config.stopping import Postponed
from palimpsest.config.yaml import InputError, Settings, build, read_yaml
from palimpsest.pipeline.worker import Origin, Workplace

GIB = 2**30
GPU = "gpu"  # resource of a worker
VISIBLE = "CUDA_VISIBLE_DEVICES"
FAILURES = 10  # workers that may die under one stage before it is given up
MARGIN = 300  # s between the end of a worker's life and that of its job
HERE = {"host": "127.0.0.1"}
QUIET = {"silence_logs": logging.CRITICAL}
SET_BY_DASK = dask.config.get("distributed.nanny.pre-spawn-environ")  # environment variables, here and in workers
ENVIRONMENT = {name: os.environ.get(name) for name in SET_BY_DASK}  # before it has set them

dask.config.set(
    {
        "distributed.scheduler.allowed-failures": FAILURES,
        "distributed.deploy.lost-worker-timeout": "5s",
        "distributed.worker.profile.enabled": False,  # with the next line, halves what idle workers take of the stages
        "distributed.admin.tick.interval": "1s",
    }
)


class ClusterFile(Settings):
    """A file for `--cluster`."""

    kind: Literal["slurm", "pbs", "sge", "lsf", "local"]  # local starts the workers here, to try a file out
    workers: PositiveInt  # a fixed number
    gpu: bool  # each worker has a GPU
    options: dict[str, Any]  # of dask-jobqueue's cluster: cores, memory, queue, walltime, job_extra_directives, …


@dataclass(frozen=True)
class Pool:
    """Workers, and what they have."""

    client: Client
    origin: Origin | None  # of the clones that they work in; None in the working tree itself
    gpus: bool  # whether stages that compute networks wait for a worker with a GPU
    memory: float = math.inf  # GiB that all of them share
    replace_lost: Callable[[], object] = lambda: None  # starts workers in place of those that have ended


def room(runtime: Runtime, workers: int | None) -> tuple[int, list[str]]:
    """(workers, the CUDA devices of each that has some) of this machine: a worker for as many cores as threads."""
    cores = psutil.cpu_count()
    return workers or max(1, cores // (runtime.threads or cores)), _devices(runtime)


def _devices(runtime: Runtime) -> list[str]:
    """CUDA devices as `CUDA_VISIBLE_DEVICES` names them, as many together as one training takes; torch is not asked."""
    if runtime.device == "cpu" or not shutil.which("nvidia-smi"):
        return []
    there = [str(number) for number in range(len(_said(Path(), "nvidia-smi", "--list-gpus")))]
    visible = os.environ.get(VISIBLE, ",".join(there))
    devices = [device for device in visible.split(",") if device and not device.startswith("-")]
    together = 1 if runtime.devices == "auto" else min(runtime.devices, len(devices) or 1)
    return [",".join(group) for group in zip(*[iter(devices)] * together, strict=False)]


@contextmanager
def on_this_machine(root: Path, scratch: Path, count: int, devices: Sequence[str]) -> Iterator[Pool]:
    """So many workers in the working tree itself; the first have `devices`, see `room`."""
    seen = [*devices, *[""] * count][:count]
    environments = [{VISIBLE: each} if devices else {} for each in seen]
    memory = psutil.virtual_memory().total / GIB
    with ExitStack() as opened:
        with Postponed("stopping once the workers have started"), _not_in_children():
            cluster = opened.enter_context(_local(environments, sum(map(bool, seen))))
        client = opened.enter_context(_connected(cluster, root, scratch, None))
        yield Pool(client, None, bool(devices), memory)


@contextmanager
def _not_in_children() -> Iterator[None]:
    """Processes that are started here never get Ctrl-C, which a terminal sends to every process of a command."""
    resource_tracker.ensure_running()  # which lets signals through again where it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def of_scheduler(root: Path, scratch: Path, source: Origin, address: str) -> Iterator[Pool]:
    """The workers of a scheduler that runs already; if one has a GPU now, networks are computed on GPUs alone."""
    with _connected(address, root, scratch, source) as client:
        there = client.scheduler_info(n_workers=-1)["workers"].values()
        yield Pool(client, source, any(GPU in worker["resources"] for worker in there))


@contextmanager
def of_cluster(root: Path, scratch: Path, source: Origin, path: Path) -> Iterator[Pool]:
    """The workers that a cluster file asks for."""
    file = build(ClusterFile, read_yaml(path), "", str(path))
    with _started(file, scratch) as cluster, _connected(cluster, root, scratch, source) as client:
        yield Pool(client, source, file.gpu, replace_lost=lambda: cluster.scale(file.workers))


def origin(root: Path, cache: Path, archives: Path, shared: bool) -> Origin:
    """What clones are made from; InputError where the last commit is not all that a clone needs."""
    edited = _said(root, "git", "status", "--porcelain", "-uno")
    added = _said(root, "git", "status", "--porcelain", "-uall", "--", "src", "stages")
    changed = [line[3:] for line in [*edited, *added] if line[3:] != "dvc.lock"]
    if changed:
        raise InputError(f"{changed[0]}: has changed, but a worker in a clone sees what is committed; commit it first")
    commit = "".join(_said(root, "git", "rev-parse", "--verify", "--quiet", "HEAD"))
    if not commit:
        raise InputError(f"{root.absolute()}: asked for a commit of Git that workers can clone, found none")
    if shared:
        return Origin(str(root.absolute()), commit, str(cache), str(archives.absolute()))
    address = _said(root, "git", "config", "remote.origin.url")
    if not address:
        raise InputError("git remote origin: asked for an address that workers can clone, found none")
    return Origin(address[0], commit, None, str(archives))


def _said(root: Path, *command: str) -> list[str]:
    """The lines that a command prints; none if it fails."""
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.splitlines()


def _local(environments: list[Mapping[str, str]], gpus: int) -> SpecCluster:
    """A scheduler and a worker for each environment, the first `gpus` of them with a GPU."""
    workers = {}
    for number, environment in enumerate(environments):
        options = {
            "host": "127.0.0.1",
            "nthreads": 1,
            "memory_limit": 0,
            "dashboard": False,
            "env": environment,
            **QUIET,
        }
        workers[number] = {"cls": Nanny, "options": options | {"resources": {GPU: 1} if number < gpus else {}}}
    options = {**HERE, "port": 0, "dashboard": False, "dashboard_address": f"{HERE['host']}:0"}  # any port is free
    scheduler = {"cls": Scheduler, "options": options}
    # `with` closes it; at exit Dask would fail to close one that was stopped while it started
    return SpecCluster(workers=workers, scheduler=scheduler, shutdown_on_close=False, **QUIET)


def _started(file: ClusterFile, scratch: Path) -> Cluster:
    """Workers here, or jobs of a batch system, one a worker, that end on their own before their time is up."""
    if file.kind == "local":
        return _local([{}] * file.workers, file.workers if file.gpu else 0)
    import dask_jobqueue

    options = {"cores": 1, "processes": 1, "log_directory": str(scratch / "jobs"), **file.options}
    lifetime = f"{_seconds(options.get('walltime')) - MARGIN}s"
    extra = ["--nthreads", "1", "--lifetime", lifetime, *options.pop("worker_extra_args", [])]
    if file.gpu:
        extra += ["--resources", f"{GPU}=1"]
    try:
        cluster = getattr(dask_jobqueue, f"{file.kind.upper()}Cluster")(**options, worker_extra_args=extra)
    except (TypeError, ValueError) as error:
        raise InputError(f"options: {error}") from error

    if refused := cluster.sync(_submitted, cluster, file.workers):
        cluster.scale(0)
        cluster.close()
        raise InputError(f"{file.kind}: the queue refuses a job: {refused}")
    return cluster


async def _submitted(cluster: SpecCluster, jobs: int) -> str:
    """Why the queue refuses jobs, which `scale` alone only logs; "" where it takes them."""
    cluster.scale(jobs)
    try:
        await cluster._correct_state()
    except RuntimeError as error:
        return " ".join(str(error).split())
    return ""


def _seconds(walltime: str | None) -> int:
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", str(walltime))
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    time = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if time <= 2 * MARGIN:
        raise InputError(
            f"options.walltime: asked for the time of a job, found {walltime!r}; accepted: hh:mm:ss, over ten minutes"
        )
    return time


@contextmanager
def _connected(cluster: Cluster | str, root: Path, scratch: Path, origin: Origin | None) -> Iterator[Client]:
    try:
        client = Client(cluster, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {cluster}: asked for a Dask scheduler, found none ({error})") from error
    with client:
        if client.run_on_scheduler(_others, client.id):
            raise InputError(f"--scheduler {cluster}: another `repro` uses its workers; accepted: one that is free")
        client.register_plugin(Workplace(root.absolute(), scratch.absolute(), ENVIRONMENT, origin))
        try:
            yield client
        finally:
            if client.status == "running":
                client.unregister_worker_plugin(Workplace.name)  # which ends the stages that still run


def _others(client: str, dask_scheduler: Scheduler) -> bool:
    """Whether another command reproduces stages on a scheduler; run there."""
    return Workplace.name in dask_scheduler.worker_plugins and any(
        name.startswith("Client-") and name != client for name in dask_scheduler.clients
    )
