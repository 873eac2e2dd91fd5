"""weights/<network>: pretrained feature networks, and for each that is missing the reason."""

from palimpsest.resolved import Resolved
from palimpsest.weights import origins
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    folder = Workspace().weights
    origins.fetch(resolved.part(origins.Config, "weights"), folder)
    origins.choose_perceptual(folder)


if __name__ == "__main__":
    run(main)
