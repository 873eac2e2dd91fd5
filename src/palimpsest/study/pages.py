"""The pages of the papers' user studies, from the pictures that runs kept."""

from pathlib import Path

import numpy as np

from palimpsest.papers.paper import read_papers
from palimpsest.papers.tables import Study
from palimpsest.rendering import template
from palimpsest.results.measured import Measured, runs_shown
from palimpsest.results.samples import read_samples
from palimpsest.storage import write_json, write_text
from palimpsest.study.design import Config
from palimpsest.study.trials import KEY, Shown, make_key, page_data


def shown(root: Path, study: Study, measured: Measured, pictures: int) -> list[Shown]:
    """A study's pictures, at most `pictures` of each condition; none of a condition with fewer than two methods."""
    found = []
    for condition in study.conditions:
        runs = runs_shown(study, condition, measured).values()
        if len(runs) > 1:
            samples = read_samples(root, measured, condition.slot, condition.hole).evenly(min(pictures, study.pictures))
            for place, name in enumerate(samples.ids):
                results = {run: np.asarray(samples.kept[run]["result"][place]) for run in runs}
                found.append(Shown(condition.slot, condition.hole, name, samples.inputs[place], results))
    return found


def build_all(root: Path, measured: Measured, config: Config, folder: Path) -> None:
    """Writes the page of each study of each paper into `folder`, and the key to it where it has pictures to show."""
    for paper, layout in read_papers().items():
        for number, study in layout.studies.items():
            name = f"{paper}-{number}"
            pictures = shown(root, study, measured, config.pictures)
            data, why = None, why_not(study, measured)
            if pictures:
                runs = dict.fromkeys(run for each in pictures for run in each.results)
                key = make_key(name, pictures, {run: measured.results[run].settings for run in runs})
                write_json(folder / f"{name}{KEY}", key.model_dump())
                data = page_data(key, pictures, config.seed)
            page = template("study", "study.html").render(question=study.question, study=data, why="" if data else why)
            write_text(folder / f"{name}.html", page)


def why_not(study: Study, measured: Measured) -> str:
    """Why a study cannot start, for those who open its page."""
    runs = [row.run_on(condition) for condition in study.conditions for row in study.rows]
    waiting = dict.fromkeys(run for run in runs if run and run not in measured.results)
    return f"A study needs the results of at least two methods; not yet run: {', '.join(waiting) or 'none'}."
