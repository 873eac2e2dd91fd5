"""runs/<name>: the weights of a network that runs begin with, its log and its sample grids."""

from palimpsest.config.yaml import argument, stage
from palimpsest.training.priors import Imagined
from palimpsest.training.run import train_run


def main() -> None:
    train_run("pretrain", argument("a section of params.yaml's pretrained"), Imagined.of)


if __name__ == "__main__":
    stage(main)
