from pathlib import Path

import pytest
import torch

from palimpsest.config import InputError
from palimpsest.runtime import choose_device, read_runtime

SHIPPED = Path(__file__).parents[1] / "runtime.yaml"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Without the number of threads that every other test runs with."""
    monkeypatch.delenv("PALIMPSEST_THREADS")
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


def test_the_shipped_settings_are_accepted():
    assert read_runtime(SHIPPED).device == "auto"


def test_an_environment_variable_replaces_a_key(monkeypatch):
    monkeypatch.setenv("PALIMPSEST_DEVICE", "cpu")
    monkeypatch.setenv("PALIMPSEST_WORKERS", "3")
    runtime = read_runtime(SHIPPED)
    assert (str(choose_device(runtime)), runtime.workers) == ("cpu", 3)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("device: auto", "device: gpu", r"runtime\.yaml: device is 'gpu': input should be 'auto', 'cpu' or 'cuda'"),
        ("workers: 0", "wokers: 0", r"runtime\.yaml: workers is missing"),
        ("threads: 2", "threads: 0", r"runtime\.yaml: threads.* is 0: input should be greater than 0"),
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
        ("PALIMPSEST_DEVISE", "cpu", r"runtime\.yaml: devise is not a setting"),
        ("PALIMPSEST_THREADS", "[", r"PALIMPSEST_THREADS: found '\['; accepted: a value as in runtime\.yaml"),
    ],
)
def test_a_wrong_environment_variable_is_refused(monkeypatch, variable, text, said):
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputError, match=said):
        read_runtime(SHIPPED)
