"""results/<run>: one run's values for every test picture, their means, and the pictures that the figures show."""

from palimpsest.config import runs
from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.config.yaml import argument, read_yaml, stage
from palimpsest.evaluation.measure import measure_trained


def main() -> None:
    params, name = read_yaml("params.yaml"), argument("a run of params.yaml")
    measure_trained(params, runs.target(params, name), choose_device(read_runtime()))


if __name__ == "__main__":
    stage(main)
