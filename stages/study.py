"""reports/study: for each user study of a paper the page that raters see, and the key to what it shows."""

from pathlib import Path

from palimpsest.config import part, read_yaml, section, stage
from palimpsest.reporting.results import read_results
from palimpsest.reporting.studies import build_all
from palimpsest.study.design import Config
from palimpsest.study.trials import FOLDER


def main() -> None:
    params = read_yaml("params.yaml")
    config = part(params, Config, "profiles", section(params, "profile"), "study")
    build_all(Path(), read_results(Path()), config, FOLDER)


if __name__ == "__main__":
    stage(main)
