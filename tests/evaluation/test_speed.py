"""How seconds and memory are measured, and what is written of them; no time is asserted."""

import os
import signal
from functools import partial

import pytest
import torch

import palimpsest
from palimpsest.config import runs
from palimpsest.config.runtime import read_runtime
from palimpsest.config.yaml import InputError, build
from palimpsest.evaluation import speed
from palimpsest.evaluation.architectures import architectures, sketch
from palimpsest.evaluation.speed import NO_ROOM, SpeedConfig, _apart, _cost, _times, measure
from palimpsest.results.benchmark import Architecture, Benchmark
from reported import architecture

RUNTIME = read_runtime()


@pytest.mark.slow
def test_what_is_written_of_every_architecture(params, monkeypatch, tmp_path):
    for name in ("deepfill-v2", "crfill"):
        params["runs"][name]["settings"]["generator"]["width"] = 2
    monkeypatch.setenv("PALIMPSEST_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    timed = {name: runs.resolve(params, name, "paper") for name in ("deepfill-v2", "crfill")}
    found, code = architectures(timed), dict.fromkeys(timed, "a")
    written = measure(timed, code, found, SpeedConfig(sizes=[32], rounds=1), RUNTIME)
    assert set(written["devices"]) == {"cpu"} and written["devices"]["cpu"]
    assert written["threads"] == 1 and written["versions"]["torch"] == torch.__version__
    for name, about in found.items():
        values = written["found"][name]
        assert (values["runs"], values["parameters"]) == (about["runs"], about["parameters"])
        assert set(values["measured"]["cpu"]) == set(values["multiply_adds"]) == {"32"}
        for measured in values["measured"]["cpu"].values():
            assert 0 < measured["fastest"] <= measured["seconds"] and measured["peak_mib"] > 0
    assert build(Benchmark, written, "").sizes == [32]
    asked = []
    monkeypatch.setattr(speed, "_measure_size", lambda models, size, *_: asked.append((set(models), size)) or {})
    assert measure(timed, code, found, SpeedConfig(sizes=[32], rounds=1), RUNTIME) == written
    with pytest.raises(InputError, match="asked for JSON"):
        measure(timed, {**code, "crfill": "b"}, found, SpeedConfig(sizes=[32], rounds=1), RUNTIME)
    assert asked == [(set(), 32), ({"crfill"}, 32)]


def test_what_does_not_fit_is_read_as_it_is_written():
    found = build(Architecture, architecture(["gl"], 5, {32: 1.0}, **{"64": NO_ROOM}), "")
    assert found.seconds("cpu") == {32: 1.0} and found.measured["cpu"]["64"] == NO_ROOM


@pytest.fixture
def crfill(params):
    """Makes the sketch of a model at the paper's scale."""
    idle = ["auxiliary", "similarity_encoder", "critic", "auxiliary_critic"]
    return partial(sketch, runs.resolve(params, "crfill", "paper"), idle)


@pytest.mark.slow
def test_memory_grows_with_the_picture(crfill):
    small, large = (_apart(partial(_cost, crfill, size, "cpu", 1)) for size in (64, 256))
    bytes_of_one_map = 24 * 256 * 256 * 4
    assert large["peak_mib"] - small["peak_mib"] > bytes_of_one_map / 2**20
    assert large["multiply_adds"] == 16 * small["multiply_adds"]


class Hoarder:
    """Needs more memory than there is."""

    networks = torch.nn.ModuleDict()

    def inpaint(self, image, hole):
        return torch.empty(2**50, dtype=torch.uint8)


def test_a_size_without_room_is_a_result():
    assert _apart(partial(_cost, Hoarder, 64, "cpu", 1)) == NO_ROOM


def _killed():
    os.kill(os.getpid(), signal.SIGKILL)


def _ends():
    os._exit(3)


def _fails():
    raise ValueError("as planned")


def test_a_process_that_is_killed_did_not_fit_and_one_that_fails_says_why():
    assert _apart(_killed) == NO_ROOM
    with pytest.raises(ValueError, match="as planned"):
        _apart(_fails)
    with pytest.raises(InputError, match="ended with status 3 and without a result"):
        _apart(_ends)


def _source():
    return palimpsest.__file__


def test_a_measuring_process_runs_the_source_of_this_tree():
    assert _apart(_source) == palimpsest.__file__


def test_times_are_taken_in_turns(monkeypatch):
    order = []
    monkeypatch.setattr(speed, "_pass", lambda name, *_: lambda: order.append(name))
    times = _times({"a": lambda: "a", "b": lambda: "b"}, 64, 3, "cpu", 1)
    assert order == ["a", "b"] * 3
    assert set(times) == {"a", "b"}


def test_a_case_that_has_taken_long_enough_is_not_timed_again(monkeypatch):
    order = []
    monkeypatch.setattr(speed, "_pass", lambda name, *_: lambda: order.append(name))
    monkeypatch.setattr(speed, "ENOUGH", 1e-9)
    _times({"a": lambda: "a", "b": lambda: "b"}, 64, 3, "cpu", 1)
    assert order == ["a", "b"]
