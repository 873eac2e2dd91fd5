"""Where stages run: workers on this machine, those of a scheduler, or those that a cluster's queue starts."""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dask
import psutil
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.deploy.cluster import Cluster
from pydantic import PositiveInt

from palimpsest.config.runtime import Runtime
from palimpsest.config.yaml import InputError, Settings, build, read_yaml
from palimpsest.pipeline.graph import Needs
from palimpsest.pipeline.worker import Origin, Workplace

GIB = 2**30
GPU = "gpu"  # resource of a worker
FAILURES = 10  # workers that may die under one stage before it is given up
MARGIN = 300  # s between the end of a worker's life and that of its job
HERE = {"host": "127.0.0.1"}
QUIET = {"silence_logs": logging.CRITICAL}
SET_BY_DASK = dask.config.get("distributed.nanny.pre-spawn-environ")  # environment variables, here and in workers
ENVIRONMENT = {name: os.environ.get(name) for name in SET_BY_DASK}  # before it has set them

dask.config.set({"distributed.scheduler.allowed-failures": FAILURES})


class ClusterFile(Settings):
    """A file for `--cluster`."""

    kind: Literal["slurm", "pbs", "sge", "lsf", "local"]  # local starts the workers here, to try a file out
    workers: PositiveInt  # a fixed number
    gpu: bool  # each worker has a GPU
    options: dict[str, Any]  # of dask-jobqueue's cluster: cores, memory, queue, walltime, job_extra_directives, …


@dataclass(frozen=True)
class Pool:
    """Workers, and whether they work in clones of their own."""

    client: Client
    origin: Origin | None


def room(runtime: Runtime, workers: int | None, needs: Iterable[Needs]) -> tuple[int, int]:
    """(workers, GPUs) of this machine: a worker for as many cores as a stage has threads, if memory holds their stages.

    InputError where none was asked for.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers: found {workers}; accepted: 1 or more")
    largest = max(each.memory for each in needs) or 1.0
    fitting = int(psutil.virtual_memory().total / GIB / largest)
    cores = psutil.cpu_count()
    gpus = 0 if runtime.device == "cpu" else _gpus()
    return workers or max(1, min(cores // (runtime.threads or cores), fitting)), gpus


def _gpus() -> int:
    """CUDA devices of this machine, without importing torch."""
    return len(_said(Path(), "nvidia-smi", "--list-gpus")) if shutil.which("nvidia-smi") else 0


@contextmanager
def on_this_machine(root: Path, scratch: Path, count: int, gpus: int) -> Iterator[Pool]:
    """So many workers in the working tree itself; the first `gpus` of them have one each."""
    seen = [str(number) if number < gpus else "" for number in range(count)]
    environments = [{"CUDA_VISIBLE_DEVICES": number} if gpus else {} for number in seen]
    with _local(environments, gpus) as cluster, _connected(cluster, root, scratch, None) as pool:
        yield pool


@contextmanager
def of_scheduler(root: Path, scratch: Path, archives: Path, address: str, shared: bool) -> Iterator[Pool]:
    """The workers of a scheduler that runs already."""
    with _connected(address, root, scratch, origin(root, archives, shared)) as pool:
        yield pool


@contextmanager
def of_cluster(root: Path, scratch: Path, archives: Path, path: Path, shared: bool) -> Iterator[Pool]:
    """The workers that a cluster file asks for."""
    file = build(ClusterFile, read_yaml(path), "", str(path))
    with _started(file, scratch) as cluster, _connected(cluster, root, scratch, origin(root, archives, shared)) as pool:
        yield pool


def origin(root: Path, archives: Path, shared: bool) -> Origin:
    """What clones are made from; InputError where the last commit is not all that a clone needs."""
    changed = [line[3:] for line in _said(root, "git", "status", "--porcelain", "-uno") if line[3:] != "dvc.lock"]
    if changed:
        raise InputError(f"{changed[0]}: has changed, but a worker in a clone sees what is committed; commit it first")
    (commit,) = _said(root, "git", "rev-parse", "HEAD")
    if shared:
        (cache,) = _said(root, "dvc", "cache", "dir")
        return Origin(str(root.absolute()), commit, str((root / cache).absolute()), str(archives.absolute()))
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
    scheduler = {"cls": Scheduler, "options": {**HERE, "port": 0, "dashboard": False}}
    return SpecCluster(workers=workers, scheduler=scheduler, **QUIET)


def _started(file: ClusterFile, scratch: Path) -> Cluster:
    """Workers here, or jobs of a batch system, one a worker, that end on their own before their time is up."""
    if file.kind == "local":
        return _local([{}] * file.workers, file.workers if file.gpu else 0)
    import dask_jobqueue

    options = {"cores": 1, "processes": 1, "log_directory": str(scratch / "jobs"), **file.options}
    extra = [*options.pop("worker_extra_args", []), "--lifetime", f"{_seconds(options.get('walltime')) - MARGIN}s"]
    if file.gpu:
        extra += ["--resources", f"{GPU}=1"]
    try:
        cluster = getattr(dask_jobqueue, f"{file.kind.upper()}Cluster")(**options, worker_extra_args=extra)
    except (TypeError, ValueError) as error:
        raise InputError(f"options: {error}") from error
    cluster.scale(jobs=file.workers)
    return cluster


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
def _connected(cluster: Cluster | str, root: Path, scratch: Path, origin: Origin | None) -> Iterator[Pool]:
    try:
        client = Client(cluster, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {cluster}: asked for a Dask scheduler, found none ({error})") from error
    with client:
        client.register_plugin(Workplace(root.absolute(), scratch.absolute(), ENVIRONMENT, origin))
        try:
            yield Pool(client, origin)
        finally:
            if client.status == "running":
                client.unregister_worker_plugin(Workplace.name)  # which ends the stages that still run
