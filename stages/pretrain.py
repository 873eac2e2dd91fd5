"""runs/<name>: the weights of a network that runs begin with, its log and its sample grids."""

from palimpsest.resolved import Resolved
from palimpsest.training.priors import PriorSamples
from palimpsest.training.run import train_run
from stages import run


def main(resolved: Resolved) -> None:
    train_run(resolved, PriorSamples.of)


if __name__ == "__main__":
    run(main)
