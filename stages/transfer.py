"""results/<transfer>: a trained run measured on another slot's test pictures, without retraining."""

from palimpsest.config import runs
from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.config.yaml import argument, read_yaml, stage
from palimpsest.evaluation.measure import measure_trained


def main() -> None:
    params, name = read_yaml("params.yaml"), argument("a section of params.yaml's transfers")
    measure_trained(params, runs.transfer(params, name), choose_device(read_runtime()))


if __name__ == "__main__":
    stage(main)
