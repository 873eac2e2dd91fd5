"""results/architectures.json: which of the timed runs cost the same to fill with, and what each costs, counted."""

from palimpsest.config.runs import Run
from palimpsest.config.runtime import prepare, read_runtime
from palimpsest.evaluation.architectures import architectures
from palimpsest.resolved import Resolved
from palimpsest.storage import write_json
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    prepare(read_runtime())
    timed = {name: Run.read(tree) for name, tree in resolved.value("runs").items()}
    write_json(Workspace().architectures, architectures(timed))


if __name__ == "__main__":
    run(main)
