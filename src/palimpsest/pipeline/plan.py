"""What `repro --plan` prints: what would run, how long it took last time, and what more workers would bring."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from dvc.exceptions import DvcException

from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.pipeline.agenda import Seconds, Stages, critical_path, forecast
from palimpsest.pipeline.display import in_words
from palimpsest.pipeline.estimates import trainings
from palimpsest.pipeline.graph import Pipeline, followers, in_use
from palimpsest.pipeline.reasons import reasons
from palimpsest.pipeline.times import Times
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace

ON_GPUS = ("photos", "paper")
ESTIMATED = ("train@", "pretrain@")  # how stages begin that `estimates` knows
WORKERS = (1, 2, 4, 8, 16, 64)
FIRST = "check"  # the one stage that reads the settings, and so the one that must run before DVC can tell what changed


def of_pipeline(root: Path, pipeline: Pipeline, stages: Stages, times: Times, targets: Sequence[str]) -> str:
    """Of what has changed, of all that leads to the targets at this profile, and of the others at their own scale.

    All stages without targets. `check` runs for it.
    """
    if FIRST in pipeline.changed({FIRST}):
        say(f"`{FIRST}` reads the settings, as they or the code have changed")
        try:
            pipeline.reproduce(FIRST)
        except DvcException as error:
            raise InputError(in_use(error) or f"{FIRST}: fails, so no plan can be made: {error}") from error
    say(f"comparing {number_of(len(stages), 'stage')} with what dvc.lock says of them")
    news = pipeline.news(stages)
    due, expected, unknown = followers(stages, news), times.expected(stages), times.unknown(stages)
    parts = [what_would_run(reasons(root, pipeline, stages, news, due), times.took)]
    if due:
        parts.append(on_workers("What would run", stages, due, expected, unknown))
    scope = f"All stages that lead to {', '.join(targets)}" if targets else "All stages"
    title = f"{scope}, profile {times.profile}, as measured here or on record"
    parts.append(on_workers(title, stages, stages, expected, unknown))
    return "\n\n".join([*parts, *on_gpus(root, stages, times, scope)])


def say(text: str) -> None:
    """What is being done, beside what is printed at the end."""
    print(text, file=sys.stderr, flush=True)


def on_gpus(root: Path, stages: Stages, times: Times, scope: str) -> Iterator[str]:
    """Of the profiles that are made for GPUs, unless one of them is the active one."""
    others = [profile for profile in ON_GPUS if profile != times.profile]
    try:
        estimates = {each: of_another_profile(root, times.expected(stages, each), each) for each in others}
    except InputError:
        made = f"{Workspace(root).architectures}, which `dvc repro architectures` makes"
        plural = "s" if len(others) > 1 else ""
        yield f"Profile{plural} {' and '.join(others)}: to estimate trainings takes {made}"
        return
    for profile, seconds in estimates.items():
        title = (
            f"{scope}, profile {profile}, a worker for each GPU (GTX 1080 Ti); trainings estimated, all else as above"
        )
        unknown = [name for name in times.unknown(stages) if not name.startswith(ESTIMATED)]
        yield on_workers(title, stages, stages, seconds, unknown)


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
    return "\n".join([f"{number_of(len(why), 'stage')} would run; how long each took the last time, and why:", *lines])


def on_workers(
    title: str, stages: Stages, due: Collection[str], seconds: Seconds, unknown: Collection[str] = ()
) -> str:
    """How long `due` takes on so many workers, how busy they are, and the chain of stages that no worker shortens.

    Nothing of it where most were never measured: what is `unknown` goes by others.
    """
    guessed = sum(name in unknown for name in due)
    lacking = f"no time is known of {guessed} of {number_of(len(due), 'stage')}"
    if 2 * guessed > len(due):
        return f"{title}: no total, as {lacking}"
    chain = critical_path({name: stages[name] for name in stages if name in due}, seconds)
    found = [forecast(stages, due, seconds, workers) for workers in WORKERS]
    names = [number_of(workers, "worker") for workers in WORKERS]
    lines = [
        f"  {name:>10}  {in_words(each.seconds):>14}  {each.busy:>4.0%} busy"
        for name, each in zip(names, found, strict=True)
    ]
    longest = in_words(sum(seconds[name] for name in chain))
    lines.append(f"  the longest chain takes {longest}: {', '.join(chain)}")
    if guessed:
        lines.append(f"  {lacking}, so the median of their kind counts, or of all where none of their kind is known")
    return "\n".join([f"{title}:", *lines])
