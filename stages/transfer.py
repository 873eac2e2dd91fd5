"""results/<transfer>: a trained run measured on another slot's test pictures, without retraining."""

from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.evaluation.trained import measure_trained
from palimpsest.resolved import Resolved
from stages import run


def main(resolved: Resolved) -> None:
    measure_trained(resolved, choose_device(read_runtime()))


if __name__ == "__main__":
    run(main)
