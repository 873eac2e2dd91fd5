"""What `repro --plan` prints: what would run, how long it took last time, and what more workers would bring."""

from collections.abc import Collection, Mapping
from pathlib import Path

from dvc.exceptions import DvcException

from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.pipeline.agenda import Seconds, Stages, critical_path, forecast
from palimpsest.pipeline.display import in_words
from palimpsest.pipeline.estimates import trainings
from palimpsest.pipeline.graph import Pipeline
from palimpsest.pipeline.reasons import reasons
from palimpsest.pipeline.times import Times
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace

ON_GPUS = ("photos", "paper")
WORKERS = (1, 2, 4, 8, 16, 64)
FIRST = "check"  # the one stage that reads the settings, and so the one that must run before DVC can tell what changed


def of_pipeline(root: Path, pipeline: Pipeline, stages: Stages, times: Times) -> str:
    """Of what has changed, of the whole of this profile, and of the others at their own scale; `check` runs for it."""
    if FIRST in pipeline.changed({FIRST}):
        try:
            pipeline.reproduce(FIRST)
        except DvcException as error:
            raise InputError(f"{FIRST}: fails, so no plan can be made: {error}") from error
    due, expected = pipeline.due(stages), times.expected(stages)
    parts = [what_would_run(reasons(root, pipeline, stages, due), times.took)]
    if due:
        parts.append(on_workers("What would run", stages, due, expected))
    parts.append(on_workers(f"All of profile {times.profile}, as measured here or on record", stages, stages, expected))
    others = [each for each in ON_GPUS if each != times.profile]
    return "\n\n".join(parts + [of_profile(root, stages, times.expected(stages, each), each) for each in others])


def of_profile(root: Path, stages: Stages, here: Seconds, profile: str) -> str:
    """Of another profile, on GPUs."""
    title = f"Profile {profile}, a worker for each GPU (GTX 1080 Ti); trainings estimated, all else as above"
    try:
        return on_workers(title, stages, stages, of_another_profile(root, here, profile))
    except InputError as error:
        return f"{title}: {error}"


def of_another_profile(root: Path, here: Seconds, profile: str) -> Seconds:
    """{stage: seconds} with estimated trainings, and all other stages as `here`, with its seeds.

    InputError before `architectures` has run.
    """
    counted = read_json(Workspace(root).architectures, dict)
    return {**here, **trainings(read_yaml(root / "params.yaml"), counted, profile)}


def what_would_run(why: Mapping[str, str], took: Seconds) -> str:
    """A line for each stage that is due: the seconds that it took the last time, and why it would run."""
    if not why:
        return "Nothing has changed"
    times = {name: in_words(took[name]) if name in took else "not known" for name in why}
    name_width, time_width = (max(map(len, words)) for words in (times, times.values()))
    lines = [f"  {name:{name_width}}  {times[name]:>{time_width}}  {reason}" for name, reason in why.items()]
    return "\n".join([f"{len(why)} stages would run; how long each took the last time, and why:", *lines])


def on_workers(title: str, stages: Stages, due: Collection[str], seconds: Seconds) -> str:
    """How long `due` takes on so many workers, how busy they are, and the chain of stages that no worker shortens."""
    chain = critical_path({name: stages[name] for name in stages if name in due}, seconds)
    found = [forecast(stages, due, seconds, workers) for workers in WORKERS]
    lines = [f"  {each.workers:>2} workers  {in_words(each.seconds):>14}  {each.busy:>4.0%} busy" for each in found]
    longest = in_words(sum(seconds[name] for name in chain))
    return "\n".join([f"{title}:", *lines, f"  the longest chain takes {longest}: {', '.join(chain)}"])
