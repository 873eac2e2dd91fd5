"""runs/<run>: a run's weights, its log and its sample grids."""

from palimpsest.resolved import Resolved
from palimpsest.training.run import train_run
from stages import run


def main(resolved: Resolved) -> None:
    train_run(resolved)


if __name__ == "__main__":
    run(main)
