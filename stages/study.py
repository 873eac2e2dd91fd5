"""reports/study: for each user study of a paper the page that raters see, and the key to what it shows."""

from pathlib import Path

from palimpsest.config.yaml import part, read_yaml, section, stage
from palimpsest.results.measured import read_results
from palimpsest.study.design import Config
from palimpsest.study.pages import build_all
from palimpsest.workspace import Workspace


def main() -> None:
    params = read_yaml("params.yaml")
    config = part(params, Config, "profiles", section(params, "profile"), "study")
    build_all(Path(), read_results(Path()), config, Workspace().reports.study)


if __name__ == "__main__":
    stage(main)
