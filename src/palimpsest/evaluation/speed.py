"""Speed, memory, parameters and multiply-adds of what fills a hole: every architecture at the paper's scale.

Networks have random weights: what is measured does not depend on them. A size that does not fit into memory is a
result. Values are of one machine; which, stands beside them.
"""

import ctypes
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field, PositiveInt
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from palimpsest.config.runtime import Runtime, choose_device
from palimpsest.config.yaml import InputError, Settings, Tree, digest, each_once
from palimpsest.models import configure, create, without_values

MIB = 2**20
SCALE = "paper"  # the profile whose networks are measured
COMPARED_AT = 256  # px, where architectures are told apart
NO_ROOM = "does not fit"
MMAP_THRESHOLD = -3  # of mallopt(3): larger blocks are mapped each for itself


Size = Annotated[int, Field(ge=32, le=8192, multiple_of=8)]


class SpeedConfig(Settings):
    """A profile's `benchmark`."""

    sizes: Annotated[list[Size], Field(min_length=1), AfterValidator(each_once)]  # px, sides of squares
    rounds: PositiveInt  # timed passes of each case, after one that warms up


@dataclass(frozen=True)
class Cost:
    """What an inpainting takes, counted."""

    parameters: int  # of the modules that run
    multiply_adds: int  # of convolutions and matrix products, for one picture


def learns(tree: Tree, name: str) -> bool:
    return hasattr(configure(tree[name]), "schedule")


def build(tree: Tree, name: str):
    """A run's model at the paper's scale, with random weights, ready to fill."""
    model = create(tree[name], COMPARED_AT)
    model.networks.eval().requires_grad_(False)
    return model


def sketch(tree: Tree, name: str, idle: Sequence[str]):
    """A run's model on the meta device, without its networks, or parts of them, that fill no hole."""
    with without_values():
        model = build(tree, name)
    for network in idle:
        parent, _, child = network.rpartition(".")
        delattr(model.networks.get_submodule(parent), child)
    return model


def picture(size: int) -> tuple[Tensor, Tensor]:
    """A grey picture and a centred hole of half its side."""
    hole = torch.zeros(1, 1, size, size)
    hole[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return torch.full((1, 3, size, size), 0.5) * (1 - hole), hole


def count(model, size: int) -> tuple[Cost, set[nn.Module]]:
    """The cost of one picture of `size` px, and the modules that fill it."""
    used: set[nn.Module] = set()
    handles = [m.register_forward_hook(lambda m, *_: used.add(m)) for m in model.networks.modules()]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.inpaint(*picture(size))
    for handle in handles:
        handle.remove()
    parameters = sum(p.numel() for module in used for p in module.parameters(recurse=False))
    return Cost(parameters, counter.get_total_flops() // 2), used


def architectures(tree) -> dict[str, Tree]:
    """{first run: its cost, a hash of its structure, what of it is idle, and all runs of both}, of the runs wanted.

    Losses and schedules count for nothing. A picture is filled with random weights, as a method may look at the hole.
    """
    found: dict[tuple[Cost, str], list[str]] = {}
    idle: dict[str, list[str]] = {}
    for name in tree:
        if learns(tree, name):
            model = ready(sketch(tree, name, []), "cpu")
            cost, used = count(model, COMPARED_AT)
            idle[name] = _idle(model.networks, used)
            structure = digest(repr(sketch(tree, name, idle[name]).networks))
            found.setdefault((cost, structure), []).append(name)
    return {
        names[0]: {"runs": names, **asdict(cost), "structure": structure, "idle": idle[names[0]]}
        for (cost, structure), names in found.items()
    }


def _idle(networks: nn.Module, used: set[nn.Module], at: str = "") -> list[str]:
    """The names of networks, and of networks within them, of which no module is used."""
    found = []
    for name, network in networks.named_children():
        if used.isdisjoint(network.modules()):
            found.append(f"{at}{name}")
        elif isinstance(network, nn.ModuleDict):
            found += _idle(network, used, f"{at}{name}.")
    return found


def measure(tree: Tree, alike: dict[str, Tree], config: SpeedConfig, runtime: Runtime) -> Tree:
    """Everything that stands in results/benchmark.json; `alike` is what `architectures` told apart."""
    found = {}
    for name, about in alike.items():
        found[name] = {**about, "multiply_adds": {}, "measured": {}}
    devices = {"cpu": _processor()}
    if choose_device(runtime).type == "cuda":
        devices["cuda"] = torch.cuda.get_device_name()
    for device in devices:
        for size in config.sizes:
            for name, values in _measure_size(tree, alike, size, config.rounds, device, runtime).items():
                if not isinstance(values, str):
                    found[name]["multiply_adds"][str(size)] = values.pop("multiply_adds")
                found[name]["measured"].setdefault(device, {})[str(size)] = values
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {
        "devices": devices,
        "threads": torch.get_num_threads(),
        "versions": versions,
        "rounds": config.rounds,
        "found": found,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _measure_size(
    tree: Tree, alike: dict[str, Tree], size: int, rounds: int, device: str, runtime: Runtime
) -> dict[str, Tree | str]:
    """{architecture: seconds, multiply-adds and peak memory at one size, or that it does not fit}."""
    idle = {name: about["idle"] for name, about in alike.items()}
    peaks = {name: _apart(partial(_peak, tree, name, idle[name], size, device, runtime.threads)) for name in idle}
    fitting = {name: idle[name] for name, peak in peaks.items() if isinstance(peak, float)}
    times = _apart(partial(_times, tree, fitting, size, rounds, device, runtime.threads)) if fitting else {}
    if times == NO_ROOM:  # one after another they fit, but not beside one another
        return dict.fromkeys(idle, NO_ROOM)
    return {name: {**times[name], "peak_mib": round(peaks[name], 1)} if name in fitting else NO_ROOM for name in idle}


def _apart(work: Callable[[], Any]) -> Any:
    """What `work` returns in a process of its own, which has imported all and run nothing; NO_ROOM if it is killed."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["stages", __name__])
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(work, send))
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


def _peak(tree: Tree, name: str, idle: list[str], size: int, device: str, threads: int | None) -> float | str:
    """MiB that weights and one pass take at their highest, or that they do not fit."""
    model = sketch(tree, name, idle)  # and what torch imports for it, no part of the measurement
    ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, 2**16)  # tensors go back when freed, and the peak is not one of remains
    before = _held()
    try:
        if device == "cpu":
            room = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
            addressed = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (addressed + room, resource.RLIM_INFINITY))
        _pass(model, size, device, threads)()
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return NO_ROOM
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / MIB


def _held() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _times(
    tree: Tree, architectures: dict[str, list[str]], size: int, rounds: int, device: str, threads: int | None
) -> Tree:
    """{architecture: median and least seconds of a pass, and its multiply-adds}; one warm-up each, then in turns.

    `architectures` is {run: what of it is idle}.
    """
    passes = {name: _pass(sketch(tree, name, idle), size, device, threads) for name, idle in architectures.items()}
    counted = {}
    for name, run in passes.items():
        with FlopCounterMode(display=False) as counter:
            run()
        counted[name] = counter.get_total_flops() // 2
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds):
        for name, run in passes.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {
        name: {
            "seconds": round(statistics.median(values), 5),
            "fastest": round(min(values), 5),
            "multiply_adds": counted[name],
        }
        for name, values in times.items()
    }


def ready(model, device: str):
    """The sketched model, on a device and with random weights."""
    model.networks.to_empty(device=device)
    for value in model.networks.parameters():
        nn.init.normal_(value, std=0.05)
    for value in model.networks.buffers():
        nn.init.ones_(value)
    return model


def _pass(model, size: int, device: str, threads: int | None) -> Callable[[], None]:
    """One picture filled, waited for."""
    if threads:
        torch.set_num_threads(threads)
    ready(model, device)
    inputs = [tensor.to(device) for tensor in picture(size)]

    def run() -> None:
        with torch.inference_mode():
            model.inpaint(*inputs)
        if device == "cuda":
            torch.cuda.synchronize()

    return run
