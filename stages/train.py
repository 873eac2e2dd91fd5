"""runs/<run>: a run's weights, its log and its sample grids."""

from palimpsest.config.yaml import argument, stage
from palimpsest.training.run import train_run


def main() -> None:
    train_run("train", argument("a run of params.yaml"))


if __name__ == "__main__":
    stage(main)
