"""results/<name>: results that another tool made of the test pictures, measured like a run's own."""

from pathlib import Path

from palimpsest import data, evaluation, runs, sources
from palimpsest.config import argument, part, read_yaml, section, stage
from palimpsest.runtime import choose_device, read_runtime


def main() -> None:
    params, name = read_yaml("params.yaml"), argument("a section of params.yaml's external")
    entry, profile, device = runs.external(params, name), section(params, "profile"), choose_device(read_runtime())
    crops = part(params, data.Config, "profiles", profile, "data", entry.data)
    config = part(params, evaluation.Config, "profiles", profile, "evaluation")
    about = {"run": name, "model": "external", "profile": profile, "data": entry.data}
    about |= {"code": sources.recorded("external")}
    about |= {"dataset": crops.dataset, "settings": entry.fingerprint, "features": ""}
    evaluation.measure(evaluation.Elsewhere(Path(entry.folder)), about, entry.holes, config, device)


if __name__ == "__main__":
    stage(main)
