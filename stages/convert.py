"""runs/released/<name>: weights that authors released, as checkpoints of ours; empty ones where none are wanted."""

from palimpsest.config.runtime import read_runtime
from palimpsest.resolved import Resolved
from palimpsest.training.converting import convert
from stages import run


def main(resolved: Resolved) -> None:
    runtime = read_runtime()
    convert(resolved.value("released"), resolved.value("absent"), runtime.store, runtime.mirror)


if __name__ == "__main__":
    run(main)
