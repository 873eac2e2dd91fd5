"""What a Dask worker does: it reproduces one stage at a time through DVC, and passes on what the stage prints."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from distributed import WorkerPlugin, get_worker
from dvc.stage.exceptions import StageCmdFailedError

from palimpsest.config.paths import PROJECT
from palimpsest.config.yaml import InputError
from palimpsest.pipeline import interpreter
from palimpsest.pipeline.graph import Pipeline
from palimpsest.pipeline.output import Output

if TYPE_CHECKING:
    from distributed import Worker

TOPIC = "palimpsest"  # under which workers say what they do
# glibc keeps memory that is freed: a training has a tenth of the page faults
KEEP_MEMORY = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**32))


@dataclass(frozen=True)
class Outcome:
    """How a stage ended."""

    name: str
    seconds: float
    ran: bool  # False where it had not changed, or DVC's cache held what it makes
    error: str = ""  # one line; "" where all is well


@dataclass(frozen=True)
class Origin:
    """Where a worker gets a clone of its own from; two machines never share a working tree."""

    repository: str  # that Git clones: a folder or an address
    commit: str
    cache: str | None  # folder of DVC's cache that all machines see; None where files travel through DVC's remote
    archives: str  # folder of downloaded archives


class Workplace(WorkerPlugin):
    """Makes a Dask worker one that reproduces stages: in the tree `root`, or in a clone of its own."""

    name = TOPIC

    def __init__(self, root: Path, scratch: Path, environment: Mapping[str, str | None], origin: Origin | None = None):
        self.root, self.scratch, self.origin = root, scratch, origin
        self.environment = environment  # variables that stages run with, whatever Dask sets; None for one that is unset

    def setup(self, worker: "Worker") -> None:
        """In a process group of its own, so that Ctrl-C in a terminal reaches the command alone."""
        os.setpgrp()
        self.worker = worker
        self.output = Output(lambda stage, line: self.say(stage=stage, line=line))
        for variable, value in self.environment.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
        os.environ.update(KEEP_MEMORY)
        self.folder = mkdtemp(prefix="palimpsest-")
        if self.origin:
            self.root = Path(mkdtemp(dir=worker.local_directory), "clone")
            clone(self.origin, self.root)
            os.environ["PALIMPSEST_ARCHIVES"] = self.origin.archives
            os.environ["PALIMPSEST_SCRATCH"] = str(self.scratch)
            os.environ[PROJECT] = self.origin.repository if self.origin.cache else str(self.root)
        serve = [sys.executable, interpreter.__file__, self.folder]
        self.interpreter = subprocess.Popen(serve, stdin=subprocess.PIPE)
        os.environ["PATH"] = os.pathsep.join([self.folder, os.environ["PATH"]])
        os.chdir(self.root)
        self.pipeline = Pipeline(self.root, self.scratch)

    def teardown(self, worker: "Worker") -> None:
        """Ends the stage that runs, if there is one."""
        self.interpreter.stdin.close()
        self.interpreter.wait()
        os.environ["PATH"] = os.environ["PATH"].replace(f"{self.folder}{os.pathsep}", "")
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.origin:
            os.chdir(worker.local_directory)
            shutil.rmtree(self.root.parent, ignore_errors=True)

    def say(self, **what: str) -> None:
        self.worker.log_event(TOPIC, what)

    def reproduce(self, name: str, lock: str) -> Outcome:
        """`lock` is dvc.lock as a clone is to take it over."""
        self.say(stage=name, line="")
        began = time.monotonic()
        log = self.scratch / "logs" / f"{name}.log"
        with self.output.of(name, log) as lines:
            error = self.pipeline.patiently(lambda: self._reproduce(name, lock))
        with log.open(encoding="utf-8") as printed:
            ran = any(line.startswith(f"Running stage '{name}'") for line in printed)
        return Outcome(name, time.monotonic() - began, ran, reason(error, lines) if error else "")

    def _reproduce(self, name: str, lock: str) -> None:
        if self.origin:
            self.pipeline.reproduce_apart(name, lock, through_remote=not self.origin.cache)
        else:
            self.pipeline.reproduce(name)


def reason(error: BaseException, lines: Collection[str]) -> str:
    """Why a stage failed, in one line: the last that its command printed, or what DVC says."""
    *_, last = ["", *lines]
    if isinstance(error, StageCmdFailedError) and last and not last.startswith("> "):
        status = str(error).rpartition(" ")[2]
        killed = f"killed by signal {int(status) - 128} after: " if status.isdigit() and int(status) > 128 else ""
        return killed + last.removeprefix("error: ")
    return " ".join(str(error).split())


def reproduce(name: str, lock: str) -> Outcome:
    """The task that Dask gives to a worker; InputError where one that came late could not be made ready."""
    workplace = get_worker().plugins.get(Workplace.name)
    if workplace is None:
        raise InputError(f"the worker on {socket.gethostname()} could not clone the project; its own log says why")
    return workplace.reproduce(name, lock)


def clone(origin: Origin, folder: Path) -> None:
    """Clones the project at a commit, with its DVC cache where all machines find it; InputError if Git cannot."""
    git = ["git", "-c", "advice.detachedHead=false"]
    fetch = [*git, "clone", "--quiet", "--no-checkout", origin.repository, folder]
    take = [*git, "-C", folder, "checkout", "--quiet", origin.commit]
    for step in (fetch, take):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"a worker cannot clone {origin.repository} at {origin.commit}: {done.stderr.strip()}")
    if origin.cache:
        local = folder / ".dvc" / "config.local"
        local.write_text(f"[cache]\n    dir = {origin.cache}\n", encoding="utf-8")
