"""results/<transfer>: a trained run on another slot's test pictures, or a network that its authors released."""

from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.resolved import Resolved
from palimpsest.results.absence import write_absence
from stages import run


def main(resolved: Resolved) -> None:
    if why := resolved.value("absent"):
        write_absence(resolved.name, resolved.value("settings"), why)
        return
    from palimpsest.evaluation.trained import measure_trained  # imports torch, which an absence has no use for

    measure_trained(resolved, choose_device(read_runtime()))


if __name__ == "__main__":
    run(main)
