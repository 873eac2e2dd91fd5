"""results/<name>: results that another tool made of the test pictures, measured like a run's own."""

from pathlib import Path

from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.config.yaml import digest
from palimpsest.evaluation import measure
from palimpsest.resolved import Resolved
from stages import run


def main(resolved: Resolved) -> None:
    about = {"run": resolved.name, "model": "external", "features": "", "code": digest(resolved.code)}
    about |= {key: resolved.value(key) for key in ("profile", "slot", "dataset", "settings")}
    source, config = (
        measure.ExternalResults(Path(resolved.value("folder"))),
        resolved.part(measure.EvaluationConfig, "evaluation"),
    )
    measure.measure(source, about, resolved.value("holes"), config, choose_device(read_runtime()))


if __name__ == "__main__":
    run(main)
