"""runs/<name>: the weights of a network that runs begin with, its log and its sample sheets."""

from palimpsest.config import argument, stage
from palimpsest.training import train_run


def main() -> None:
    train_run(argument("a section of params.yaml's pretrained"))


if __name__ == "__main__":
    stage(main)
