"""How fast every architecture fills a hole and how much memory it takes, on this machine.

Networks have random weights: what is measured does not depend on them. That a size does not fit into memory is a
result too.
"""

import ctypes
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
from pydantic import AfterValidator, Field
from torch.utils.flop_counter import FlopCounterMode

from palimpsest.config.numbers import Count
from palimpsest.config.runs import Run
from palimpsest.config.runtime import Runtime, choose_device
from palimpsest.config.yaml import InputError, Settings, Tree, digest, each_once
from palimpsest.evaluation.architectures import picture, sketch, with_random_weights
from palimpsest.storage import read_json, write_json

MIB = 2**20
NO_ROOM = "does not fit"
ENOUGH = 5.0  # s of timed passes: a case that has taken longer takes no part in further rounds
MMAP_THRESHOLD = -3  # parameter of mallopt(3): a block larger than its value is mapped on its own

Size = Annotated[int, Field(ge=32, le=8192, multiple_of=8)]


class SpeedConfig(Settings):
    """A profile's `benchmark`."""

    sizes: Annotated[list[Size], Field(min_length=1), AfterValidator(each_once)]  # px, sides of square pictures
    rounds: Count  # timed passes of each case at most; see ENOUGH


def measure(
    runs: Mapping[str, Run], code: Mapping[str, str], found: Mapping[str, Tree], config: SpeedConfig, runtime: Runtime
) -> Tree:
    """All of results/benchmark.json: `found`, as `architectures` returns it for these runs, measured at every size.

    `code` is {run: hash of the source files that fill its holes}. What was measured before, of the same code and
    structure on the same device, is taken from scratch and not measured again.
    """
    threads = torch.get_num_threads()  # all cores: nothing runs beside a benchmark
    measured = {name: {**about, "multiply_adds": {}, "measured": {}} for name, about in found.items()}
    models = {name: partial(sketch, runs[name], about["idle"]) for name, about in found.items()}
    devices = {"cpu": _processor()}
    if choose_device(runtime).type == "cuda":
        devices["cuda"] = torch.cuda.get_device_name()
    machine = {
        "threads": threads,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "rounds": config.rounds,
    }
    for device in devices:
        for size in config.sizes:
            made_from = {
                name: digest([code[name], found[name]["structure"], devices[device], size, machine]) for name in found
            }
            kept = {name: runtime.unfinished / "benchmark" / f"{origin}.json" for name, origin in made_from.items()}
            missing = {name: model for name, model in models.items() if not kept[name].is_file()}
            for name, values in _measure_size(missing, size, config.rounds, device, threads).items():
                write_json(kept[name], {"values": values})
            for name, path in kept.items():
                values = read_json(path, dict)["values"]
                if values != NO_ROOM:
                    measured[name]["multiply_adds"][str(size)] = values.pop("multiply_adds")
                measured[name]["measured"].setdefault(device, {})[str(size)] = values
    return {"devices": devices, **machine, "found": measured}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


Models = Mapping[str, Callable[[], Any]]  # name → makes its sketch


def _measure_size(models: Models, size: int, rounds: int, device: str, threads: int) -> dict[str, Tree | str]:
    """{name: seconds, multiply-adds and peak memory at one size, or that it does not fit}."""
    costs = {name: _apart(partial(_cost, model, size, device, threads)) for name, model in models.items()}
    fitting = {name: model for name, model in models.items() if costs[name] != NO_ROOM}
    times = _apart(partial(_times, fitting, size, rounds, device, threads)) if fitting else {}
    if times == NO_ROOM:  # each fits alone, but not all side by side
        return dict.fromkeys(models, NO_ROOM)
    return {name: times[name] | costs[name] if name in times else NO_ROOM for name in models}


def _apart(work: Callable[[], Any]) -> Any:
    """What `work` returns in a process of its own that has imported all and run nothing; NO_ROOM if it is killed.

    The server that forks these processes is a fresh interpreter: PYTHONPATH leads it to the source that runs here.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, send))
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
        process.start()
    send.close()
    try:
        answer = receive.recv()
    except EOFError:
        answer = None
    process.join()
    if isinstance(answer, Exception):
        raise answer
    if answer is None and process.exitcode != -9:
        raise InputError(f"benchmark: a measuring process ended with status {process.exitcode} and without a result")
    return NO_ROOM if answer is None else answer


def _answer(work: Callable[[], Any], send) -> None:
    try:
        send.send(work())
    except Exception as error:
        send.send(error)


def _cost(model: Callable[[], Any], size: int, device: str, threads: int) -> Tree | str:
    """Multiply-adds of one pass, and MiB that it and the weights take at most; or that they do not fit."""
    sketched = model()  # before measuring, as torch imports more for it
    ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, 2**16)  # freed tensors are returned at once: the peak is of what is held
    before = _held()
    try:
        if device == "cpu":
            room = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
            addressed = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (addressed + room, resource.RLIM_INFINITY))
        with FlopCounterMode(display=False) as counter:
            _pass(sketched, size, device, threads)()
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return NO_ROOM
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return {"multiply_adds": counter.get_total_flops() // 2, "peak_mib": round(peak / MIB, 1)}


def _held() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _times(models: Models, size: int, rounds: int, device: str, threads: int) -> dict[str, Tree]:
    """{name: median and least seconds of a pass}, taken in turns. The first pass warms up, and counts as the others."""
    passes = {name: _pass(model(), size, device, threads) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds):
        for name, run in passes.items():
            if sum(times[name]) < ENOUGH:
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
    return {
        name: {"seconds": round(statistics.median(values), 5), "fastest": round(min(values), 5)}
        for name, values in times.items()
    }


def _pass(sketched, size: int, device: str, threads: int) -> Callable[[], None]:
    """Fills one picture, and waits for it."""
    torch.set_num_threads(threads)
    model = with_random_weights(sketched, device)
    inputs = [tensor.to(device) for tensor in picture(size)]

    def run() -> None:
        with torch.inference_mode():
            model.inpaint(*inputs)
        if device == "cuda":
            torch.cuda.synchronize()

    return run
