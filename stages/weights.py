"""data/weights: the pretrained feature networks that are to be had, and why the others are not."""

from palimpsest import weights
from palimpsest.config.yaml import part, read_yaml, stage
from palimpsest.weights import origins


def main() -> None:
    origins.fetch(part(read_yaml("params.yaml"), origins.Config, "weights"), weights.FOLDER)
    origins.choose_perceptual(weights.FOLDER)


if __name__ == "__main__":
    stage(main)
