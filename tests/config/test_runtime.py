import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from palimpsest.config.runtime import choose_device, launch, read_runtime
from palimpsest.config.yaml import InputError

SHIPPED = Path(__file__).parents[2] / "runtime.yaml"


@pytest.fixture(autouse=True)
def threads(monkeypatch) -> list[int]:
    """What torch was told; without the number of threads that every other test runs with."""
    told = []
    monkeypatch.delenv("PALIMPSEST_THREADS")
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    return told


def test_the_shipped_settings_are_accepted():
    assert read_runtime(SHIPPED).device == "auto"


def test_an_environment_variable_replaces_a_key(monkeypatch):
    monkeypatch.setenv("PALIMPSEST_DEVICE", "cpu")
    monkeypatch.setenv("PALIMPSEST_WORKERS", "3")
    runtime = read_runtime(SHIPPED)
    assert (str(choose_device(runtime)), runtime.workers) == ("cpu", 3)


def test_the_settings_are_read_without_torch():
    code = f"""
import sys
from palimpsest.config.runtime import read_runtime
read_runtime({str(SHIPPED)!r})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_stage_check_refuses_a_slip_with_its_key(tmp_path):
    (tmp_path / "runtime.yaml").write_text(SHIPPED.read_text().replace("device: auto", "device: gpu"))
    environment = os.environ | {"PYTHONPATH": str(SHIPPED.parent)}
    command = [sys.executable, "-m", "stages.check"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "error: runtime.yaml: device is 'gpu'; accepted: 'auto', 'cpu' or 'cuda'\n"


@pytest.mark.parametrize("use", [choose_device, launch])
def test_a_process_computes_with_the_threads_it_is_given(use, threads, monkeypatch):
    monkeypatch.setenv("PALIMPSEST_DEVICE", "cpu")
    runtime = read_runtime(SHIPPED)
    assert threads == []
    use(runtime)
    assert threads == [1]
    use(runtime.model_copy(update={"threads": None}))
    assert threads == [1]


@pytest.mark.parametrize("use", [choose_device, launch])
def test_a_device_that_is_missing_is_refused(use, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    runtime = read_runtime(SHIPPED)
    assert str(choose_device(runtime)) == "cpu"
    with pytest.raises(InputError, match=r"runtime\.yaml: device is cuda, but there is no CUDA device"):
        use(runtime.model_copy(update={"device": "cuda"}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("device: auto", "device: gpu", r"runtime\.yaml: device is 'gpu'; accepted: 'auto', 'cpu' or 'cuda'"),
        ("workers: 0", "wokers: 0", r"runtime\.yaml: workers is missing"),
        ("threads: 1", "threads: 0", r"runtime\.yaml: threads.* is 0; accepted: a number above 0"),
        ("num_nodes: 1", "num_nodes: many", r"runtime\.yaml: num_nodes is 'many'"),
    ],
)
def test_a_wrong_runtime_yaml_is_refused(tmp_path, old, new, said):
    text = SHIPPED.read_text()
    assert old in text
    (tmp_path / "runtime.yaml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=said):
        read_runtime(tmp_path / "runtime.yaml")


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("PALIMPSEST_DEVISE", "cpu", r"runtime\.yaml with PALIMPSEST_DEVISE: devise is not a setting"),
        ("PALIMPSEST_THREADS", "[", r"PALIMPSEST_THREADS: found '\['; accepted: a value as in runtime\.yaml"),
    ],
)
def test_a_wrong_environment_variable_is_refused(monkeypatch, variable, text, said):
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputError, match=said):
        read_runtime(SHIPPED)


def test_archives_may_lie_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("PALIMPSEST_ARCHIVES", "~/archives")
    assert read_runtime(SHIPPED).store == Path("/home/someone/archives")
