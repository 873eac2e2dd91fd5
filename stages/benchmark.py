"""results/benchmark.json: seconds, memory, parameters and multiply-adds of every architecture on this machine.

How a run learns has no effect on its speed, so this depends on its architecture and not on its settings.
"""

from palimpsest.config.runs import Run
from palimpsest.config.runtime import read_runtime
from palimpsest.evaluation.speed import SpeedConfig, measure
from palimpsest.resolved import Resolved
from palimpsest.storage import read_json, write_json
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    workspace = Workspace()
    alike = read_json(workspace.architectures, dict)
    timed = {name: Run.read(tree) for name, tree in Resolved.read("architectures").value("runs").items()}
    config, fills = resolved.part(SpeedConfig, "benchmark"), resolved.value("fills")
    write_json(workspace.benchmark, measure(timed, fills, alike, config, read_runtime()))


if __name__ == "__main__":
    run(main)
