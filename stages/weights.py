"""data/weights: the pretrained feature networks that are to be had, and why the others are not."""

from palimpsest import weights
from palimpsest.config import part, read_yaml, stage


def main() -> None:
    weights.fetch(part(read_yaml("params.yaml"), weights.Config, "weights"), weights.FOLDER)
    weights.choose_perceptual(weights.FOLDER)


if __name__ == "__main__":
    stage(main)
