"""How many workers a machine has, and which devices each of them sees."""

import psutil
import pytest

from palimpsest.config.runtime import read_runtime
from palimpsest.pipeline import pool
from palimpsest.pipeline.pool import room


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that makes this a machine of so many cores and GPUs."""

    def of(cores: int, gpus: int) -> None:
        monkeypatch.setattr(psutil, "cpu_count", lambda: cores)
        lines = "\n".join(f"echo GPU {number}" for number in range(gpus))
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return of


def runtime(**changed):
    return read_runtime().model_copy(update={"device": "auto", **changed})


@pytest.mark.parametrize("threads, workers", [(1, 8), (2, 4), (3, 2), (16, 1), (None, 1)])
def test_a_worker_for_as_many_cores_as_a_process_has_threads(machine, threads, workers):
    machine(8, 0)
    assert room(runtime(threads=threads), None) == (workers, [])
    assert room(runtime(threads=threads), 3) == (3, [])


@pytest.mark.parametrize(
    "devices, visible, seen",
    [
        (1, None, ["0", "1", "2", "3"]),
        ("auto", None, ["0", "1", "2", "3"]),
        (2, None, ["0,1", "2,3"]),
        (3, None, ["0,1,2"]),
        (8, None, ["0,1,2,3"]),
        (1, "3,1", ["3", "1"]),
        (2, "3,1", ["3,1"]),
        (1, "GPU-8f2", ["GPU-8f2"]),
        (1, "", []),
        (1, "-1", []),
    ],
)
def test_each_training_has_the_devices_that_it_asks_for_of_those_that_the_user_lets_it_see(
    machine, monkeypatch, devices, visible, seen
):
    machine(8, 4)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert room(runtime(devices=devices), None) == (8, seen)


def test_without_gpus_if_the_cpu_is_asked_for(machine):
    machine(8, 4)
    assert room(runtime(device="cpu"), None) == (8, [])


@pytest.mark.filterwarnings("error:Port")
def test_two_pools_on_one_machine_do_not_ask_for_the_same_port():
    with pool._local([{}], 0) as one, pool._local([{}], 0) as other:
        assert one.scheduler_address != other.scheduler_address
