"""runs/<run>: a run's weights, its log and its sample sheets."""

from palimpsest.config import argument, stage
from palimpsest.training import train_run


def main() -> None:
    train_run("train", argument("a run of params.yaml"))


if __name__ == "__main__":
    stage(main)
