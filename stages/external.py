"""results/<name>: results that another tool made of the test pictures, measured like a run's own."""

from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.evaluation.external import measure_external
from palimpsest.resolved import Resolved
from stages import run


def main(resolved: Resolved) -> None:
    measure_external(resolved, choose_device(read_runtime()))


if __name__ == "__main__":
    run(main)
