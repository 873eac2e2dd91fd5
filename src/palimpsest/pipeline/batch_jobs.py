"""The pipeline as jobs of SLURM, one a stage, for a site where no process may stay to schedule them."""

import shlex
import sys
from collections.abc import Collection
from pathlib import Path

from palimpsest.config.paths import PROJECT
from palimpsest.pipeline.agenda import Stages
from palimpsest.pipeline.worker import Origin

SCRIPT = """#!/bin/sh
# Submits a job for each stage, which works in a clone of its own, and a last one that gathers what they have made.
# SBATCH_OPTIONS: options of sbatch for every job. SBATCH_GPU: of those that compute networks, in place of --gpus=1.
set -e
export {variables} PATH={programs}:"$PATH"
mkdir -p "$PALIMPSEST_SCRATCH/jobs"

submit() {{ # name, numbers of the jobs that it waits for, options, commands
    sbatch --parsable --export=ALL --job-name="$1" --output="$PALIMPSEST_SCRATCH/jobs/$1.log" \\
        ${{2:+--dependency=afterok:$2 --kill-on-invalid-dep=yes}} $SBATCH_OPTIONS $3 <<JOB
#!/bin/sh
set -e
$4
JOB
}}

stage() {{ # name, numbers of the jobs that it waits for, options
    submit "$1" "$2" "$3" 'folder=$(mktemp -d)
trap "rm -rf $folder" EXIT
git clone --quiet --no-checkout "$ROOT" "$folder/clone"
cd "$folder/clone"
git checkout --quiet "$COMMIT"
dvc cache dir --quiet --local "$CACHE"
dvc repro '"$1"
}}

{stages}
submit gather {last} "" 'cd "$ROOT"
dvc repro {targets}'
"""


def script(stages: Stages, due: Collection[str], root: Path, scratch: Path, origin: Origin) -> str:
    """A shell script that submits a job for each stage that is due; it prints the number of the last one."""
    variables = {
        "ROOT": root.absolute(),
        "COMMIT": origin.commit,
        "CACHE": origin.cache,
        PROJECT: root.absolute(),
        "PALIMPSEST_SCRATCH": scratch.absolute(),
        "PALIMPSEST_ARCHIVES": origin.archives,
    }
    jobs = {name: f"job{number}" for number, name in enumerate(name for name in stages if name in due)}
    lines = []
    for name, job in jobs.items():
        gpu = '"${SBATCH_GPU---gpus=1}"' if stages[name].needs.gpu else '""'
        lines.append(f"{job}=$(stage {name} {_numbers(jobs, stages[name].after)} {gpu})")
    ends = set(jobs).difference(*(stages[name].after for name in jobs))
    return SCRIPT.format(
        variables=" ".join(f"{name}={shlex.quote(str(value))}" for name, value in variables.items()),
        programs=shlex.quote(str(Path(sys.executable).parent)),
        stages="\n".join(lines),
        last=_numbers(jobs, ends),
        targets=" ".join(name for name in jobs if name in ends),
    )


def _numbers(jobs: dict[str, str], names: Collection[str]) -> str:
    return '"' + ":".join(f"${job}" for name, job in jobs.items() if name in names) + '"'
