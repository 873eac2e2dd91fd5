"""Stages side by side: `repro`."""

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from palimpsest.commands.asked import Commands
from palimpsest.config.yaml import InputError

if TYPE_CHECKING:
    from palimpsest.config.runtime import Runtime

IN_USE = "another `repro` is running in this folder; wait for it, or stop it: what it has made is kept"


def add(commands: Commands) -> None:
    command = commands.add_parser("repro", help="reproduce what has changed, several stages at a time")
    command.add_argument("targets", nargs="*", metavar="TARGET", help="as of `dvc repro`; all when left out")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--plan", action="store_true", help="run `check`, and say what else would run and for how long")
    where.add_argument("--print-sbatch", action="store_true", help="print a script that submits a SLURM job a stage")
    where.add_argument("--workers", type=int, metavar="N", help="stages at a time; as many as cores when left out")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler whose workers are to be used")
    where.add_argument(
        "--cluster", type=Path, metavar="FILE", help="start workers as jobs of a cluster: see docs/scale.md"
    )
    command.add_argument(
        "--no-shared-storage",
        action="store_true",
        help="workers see neither this folder nor DVC's cache, but its remote",
    )
    command.set_defaults(run_command=repro)


def repro(arguments: argparse.Namespace) -> None:
    """Reproduces what has changed, several stages at a time."""
    from palimpsest.config.runtime import read_runtime
    from palimpsest.storage import alone

    if arguments.no_shared_storage and not (arguments.cluster or arguments.scheduler):
        raise InputError("--no-shared-storage: found neither --cluster nor --scheduler; accepted: with one of the two")
    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers: found {arguments.workers}; accepted: 1 or more")
    runtime = read_runtime()
    with alone(runtime.unfinished / "repro", IN_USE):
        _repro(arguments, runtime)


def _repro(arguments: argparse.Namespace, runtime: "Runtime") -> None:
    if arguments.plan:
        print("reading dvc.yaml and dvc.lock", file=sys.stderr, flush=True)

    from palimpsest.pipeline import plan
    from palimpsest.pipeline.graph import Pipeline
    from palimpsest.pipeline.times import Times

    root, scratch = Path(), runtime.unfinished
    pipeline = Pipeline(root, scratch)
    pipeline.mend()
    stages = pipeline.stages(arguments.targets)
    logging.disable(logging.CRITICAL)  # what DVC and Dask say beside the display
    if arguments.plan:
        print(plan.of_pipeline(root, pipeline, stages, Times(root, scratch), arguments.targets))
        return
    due = pipeline.due(stages)
    if not due:
        print("# nothing has changed" if arguments.print_sbatch else "nothing has changed")
        return

    from palimpsest.pipeline import batch_jobs, pool, running  # Dask takes half a second to import

    shared = not arguments.no_shared_storage
    if arguments.print_sbatch:
        print(batch_jobs.script(stages, due, root, scratch, pool.origin(root, pipeline.cache, runtime.store, shared)))
        return
    if arguments.cluster or arguments.scheduler:
        source = pool.origin(root, pipeline.cache, runtime.store, shared)
    if arguments.cluster:
        opened = pool.of_cluster(root, scratch, source, arguments.cluster)
    elif arguments.scheduler:
        opened = pool.of_scheduler(root, scratch, source, arguments.scheduler)
    else:
        opened = pool.on_this_machine(root, scratch, *pool.room(runtime, arguments.workers))
    with opened as workers:
        running.run_all(pipeline, stages, due, Times(root, scratch), workers)
