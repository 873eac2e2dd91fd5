"""docs/methods.md: every method with its paper, networks, losses, schedule, data and departures.

All of it comes from the head of the method's file, the settings of its run and the layouts of released files. A method
that no run trains is there for the released files that it takes.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from palimpsest import models, released
from palimpsest.config import runs
from palimpsest.config.runs import Run
from palimpsest.config.yaml import Tree, part
from palimpsest.data.crops import Crops
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.released import Layout
from palimpsest.settings.networks import counted

SCALE = "paper"
PAGE = """# The methods

Each method with the paper that it follows, its networks, how it trains at the paper's scale, and every known departure
from the paper or from its authors' code. `python -m palimpsest methods` writes this page from the heads of the files in
`src/palimpsest/models/`, from params.yaml and from `src/palimpsest/released/`. `released` names the authors' files
whose keys and shapes are known to fit, and the parameters that they hold. A method without a run fills holes with these
alone.

{index}

{methods}
"""
METHOD = """## {name}

{paper}

{facts}

{departures}"""


def page(tree: Tree) -> str:
    """The page, for the settings in params.yaml."""
    first: dict[str, Run] = {}  # {model: its first run}
    for name in runs.trained(tree):
        run = runs.resolve(tree, name, SCALE)
        first.setdefault(run.model, run)
    layouts = {name: released.read(name) for name in released.available()}
    untrained = {layout.model: None for layout in layouts.values() if layout.model not in (None, *first)}
    methods = [Method(tree, model, run, layouts) for model, run in (first | untrained).items()]
    index = [f"- [{each.name}](#{each.anchor})" for each in methods]
    return PAGE.format(index="\n".join(index), methods="\n\n".join(each.text() for each in methods))


class Method:
    """A model, the run at the paper's scale that trains it, if any, and what its file says of it."""

    def __init__(self, tree: Tree, model: str, run: Run | None, layouts: dict[str, Layout]):
        self.tree, self.model, self.run, self.layouts = tree, model, run, layouts
        file = Path(models.__file__).with_name(f"{model}.py")
        head = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        body, _, self.departures = head.partition("\n\nDepartures\n")
        title, *paragraphs = (" ".join(paragraph.split()) for paragraph in body.split("\n\n"))
        self.name, _, self.paper = title.partition(": ")
        self.code = next((each.removeprefix("Code: ") for each in paragraphs if each.startswith("Code: ")), "")

    @property
    def anchor(self) -> str:
        return re.sub(r"[^\w -]", "", self.name.lower()).replace(" ", "-")

    def text(self) -> str:
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts())
        departures = f"Departures:\n\n{self.departures}" if self.departures else ""
        paper = self.paper[:1].upper() + self.paper[1:]
        return METHOD.format(name=self.name, paper=paper, facts=facts, departures=departures).strip()

    def facts(self) -> Iterator[tuple[str, str]]:
        """What the settings say of it, each with its heading."""
        if self.code:
            yield "code", self.code.removesuffix(".")
        yield "run", f"{f'`{self.run.name}`' if self.run else 'none'}, `models/{self.model}.py`"
        crops = part(self.tree, Crops, "profiles", SCALE, "slots", self.run.slot) if self.run else None
        if crops:
            yield from self._trained(self.run, crops)
        for name, layout in self.layouts.items():
            if layout.model == self.model or (self.run and layout.run == self.run.name):
                counts = counted(layout.made(self.tree), layout.size or crops.size)["parameters"]
                held = ", ".join(f"`{network}` {counts[network]:,}" for network in layout.networks)
                yield "released", f"`{name}` by {layout.origin}: {held}; licence of the weights: {layout.licence}"

    def _trained(self, run: Run, crops: Crops) -> Iterator[tuple[str, str]]:
        counts = counted(run, crops.size)["parameters"]
        if networks := [f"`{name}` {count:,}" for name, count in counts.items() if count and "." not in name]:
            yield "parameters", ", ".join(networks)
        if loss := run.settings.get("loss"):
            yield "weights of the losses", ", ".join(f"`{name}` {_number(weight)}" for name, weight in loss.items())
        schedule: Schedule | None = getattr(models.configure(run), "schedule", None)
        if schedule:
            holes = f", holes `{schedule.hole}`" if schedule.hole else ""
            yield "trained on", f"{crops.dataset} at {crops.size} px, {schedule.batch_size} a batch{holes}"
            yield "schedule", "; ".join(map(_phase, schedule.phases))


def _phase(phase: Phase) -> str:
    rate = phase.learning_rate
    if isinstance(rate, float):
        return f"{phase.name}, {phase.iterations:,} iterations at {_number(rate)}"
    periods = f" in {rate.periods} periods" if hasattr(rate, "periods") else ""
    return (
        f"{phase.name}, {phase.iterations:,} iterations from {_number(rate.highest)} to {_number(rate.lowest)}{periods}"
    )


def _number(value: float) -> str:
    return f"{value:g}"
