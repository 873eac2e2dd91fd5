"""Draws docs/scale.svg: the time of the whole pipeline against workers, from measured and estimated times of stages.

Run it in a reproduced tree: `python benchmarks/scale.py`. The numbers are those of `python -m palimpsest repro --plan`.
"""

from pathlib import Path

from matplotlib.figure import Figure

from palimpsest.config.runtime import read_runtime
from palimpsest.pipeline.agenda import critical_path, forecast
from palimpsest.pipeline.graph import Pipeline
from palimpsest.pipeline.plan import ON_GPUS, WORKERS, of_another_profile
from palimpsest.pipeline.times import Times

HOUR = 3600  # s


def main() -> None:
    root = Path()
    scratch = read_runtime().unfinished
    stages, times = Pipeline(root, scratch).stages(), Times(root, scratch)
    here = times.expected(stages)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, profile in zip(figure.subplots(1, 1 + len(ON_GPUS)), (times.profile, *ON_GPUS), strict=True):
        seconds = here if profile == times.profile else of_another_profile(root, here, profile)
        unit, per = ("minutes", 60) if profile == times.profile else ("hours", HOUR)
        found = [forecast(stages, stages, seconds, workers).seconds / per for workers in WORKERS]
        axes.plot(WORKERS, found, "o-", color="#2b6cb0")
        for workers, time in zip(WORKERS, found, strict=True):
            axes.annotate(
                f"{time:.0f}" if time >= 100 else f"{time:.1f}",
                (workers, time),
                (4, 5),
                textcoords="offset points",
                fontsize=8,
            )
        chain = sum(seconds[name] for name in critical_path(stages, seconds)) / per
        axes.axhline(chain, color="#888888", linestyle=":", label="the longest chain")
        axes.set(xscale="log", yscale="log", xlabel="workers", ylabel=unit, xticks=WORKERS, xticklabels=WORKERS)
        axes.set_title(f"{profile}, {'measured times' if profile == times.profile else 'estimated'}", fontsize=9)
        axes.tick_params("y", which="both", left=False, labelleft=False)
        axes.minorticks_off()
        axes.margins(x=0.12, y=0.15)
        axes.legend(fontsize=8)
    figure.savefig("docs/scale.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
