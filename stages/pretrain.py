"""runs/<name>: the weights of a network that runs begin with, its log and its sample sheets."""

from palimpsest.config import argument, stage
from palimpsest.priors import Imagined
from palimpsest.training import train_run


def main() -> None:
    train_run("pretrain", argument("a section of params.yaml's pretrained"), Imagined.of)


if __name__ == "__main__":
    stage(main)
