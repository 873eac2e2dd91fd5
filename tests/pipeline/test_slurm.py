"""A real SLURM of one node, where Debian's slurm-wlm is installed and may be started."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.test_reproduction import wait_for
from pipeline.toy import Toy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("slurmctld") or os.geteuid() != 0, reason="needs slurm-wlm and its root"),
]

CONFIG = """
ClusterName=toy
SlurmctldHost={host}
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
ReturnToService=2
MpiDefault=none
NodeName={host} CPUs={cores} RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CGROUP = "CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\n"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[str]:
    """The path of its configuration."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "slurm.conf").write_text(CONFIG.format(host=socket.gethostname(), folder=folder, cores=os.cpu_count()))
    (folder / "cgroup.conf").write_text(CGROUP)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge")
    daemons = [["runuser", "-u", "munge", "--", "munged", "--foreground"], ["slurmctld", "-D"], ["slurmd", "-D", "-c"]]
    started = []
    with (folder / "log").open("w") as log:
        for daemon in daemons:
            started.append(subprocess.Popen(daemon, env=environment, stdout=log, stderr=log))

        def idle():
            asked = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True)
            return asked.stdout.strip() == "idle"

        try:
            wait_for(idle, 60)
            yield environment["SLURM_CONF"]
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(10)


@pytest.fixture
def toy(tmp_path, slurm) -> Toy:
    toy = Toy(tmp_path / "a toy")
    toy.environment["SLURM_CONF"] = slurm
    return toy


def test_workers_that_are_jobs_make_the_same_bytes(toy, expected, tmp_path):
    (tmp_path / "slurm.yaml").write_text(
        'kind: slurm\nworkers: 2\ngpu: false\noptions: {cores: 1, memory: 500MB, walltime: "00:20:00"}\n'
    )
    toy.parallel("--cluster", "../slurm.yaml")
    assert toy.made() == expected
    assert toy.repro() == set()
    wait_for(lambda: toy.call("squeue", "-h").stdout == "", 60)


def test_a_job_a_stage_makes_the_same_bytes(toy, expected, tmp_path):
    (tmp_path / "jobs.sh").write_text(toy.parallel("--print-sbatch").stdout)
    toy.environment["SBATCH_GPU"] = ""
    toy.call("sh", str(tmp_path / "jobs.sh"))
    wait_for(lambda: toy.call("squeue", "-h").stdout == "", 180)
    assert toy.made() == expected
