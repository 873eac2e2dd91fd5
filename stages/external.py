"""results/<name>: results that another tool made of the test pictures, measured like a run's own."""

from pathlib import Path

from palimpsest import manifests
from palimpsest.config import runs
from palimpsest.config.runtime import choose_device, read_runtime
from palimpsest.config.yaml import argument, part, read_yaml, section, stage
from palimpsest.data.crops import Crops
from palimpsest.evaluation import measure


def main() -> None:
    params, name = read_yaml("params.yaml"), argument("a section of params.yaml's external")
    entry, profile, device = runs.external(params, name), section(params, "profile"), choose_device(read_runtime())
    crops = part(params, Crops, "profiles", profile, "slots", entry.slot)
    config = part(params, measure.EvaluationConfig, "profiles", profile, "evaluation")
    about = {"run": name, "model": "external", "profile": profile, "slot": entry.slot}
    about |= {"code": manifests.recorded("external")}
    about |= {"dataset": crops.dataset, "settings": entry.fingerprint, "features": ""}
    measure.measure(measure.ExternalResults(Path(entry.folder)), about, entry.holes, config, device)


if __name__ == "__main__":
    stage(main)
