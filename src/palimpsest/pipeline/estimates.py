"""How long trainings would take on a GPU, by arithmetic from one published rate.

The authors of DeepFill v1 report 0.3 to 0.4 steps a second, with 16 pictures of 256 px, on one GTX 1080 Ti (issues 53
and 207 of their code). Such a step fills each picture once for each of five steps of the critics, and once forward and
backward, which counts as three. Times the multiply-adds of their network, as `architectures` counts them, this is how
much a training gets out of such a GPU in a second. Every other training is taken to get as much.
"""

from collections.abc import Mapping

from palimpsest.config import runs
from palimpsest.config.yaml import Tree, part
from palimpsest.data.crops import Crops

RATE_OF, STEPS_A_SECOND, BATCH, CRITIC_STEPS = "deepfill-v1", 0.35, 16, 5
COUNTED_AT = 256  # px, the size of picture at which `architectures` counts
FORWARD_AND_BACKWARD = 3  # times the multiply-adds of a network's forward pass


def trainings(params: Tree, counted: Mapping[str, Tree], profile: str) -> dict[str, float]:
    """{stage: seconds} of every training of a profile; `counted` is results/architectures.json."""
    costs = {name: group["multiply_adds"] for group in counted.values() for name in group["runs"]}
    rate = STEPS_A_SECOND * BATCH * (FORWARD_AND_BACKWARD + CRITIC_STEPS) * costs[RATE_OF]
    resolved = {name: runs.resolve(params, name, profile) for name in runs.trained(params)}
    seconds = {}
    for name, run in resolved.items():
        users = [other.name for other in resolved.values() if run in (other.start, other.inside)]
        cost = costs.get(name) or max((costs.get(user, 0) for user in users), default=0)  # at most that of its users
        size = part(params, Crops, "profiles", profile, "slots", run.slot).size
        fills = _pictures(run) * (FORWARD_AND_BACKWARD + run.settings.get("critic_steps", 1))
        seeds = len(runs.seeds(params, name, profile))
        seconds[runs.made_by(params, name)] = seeds * fills * cost * (size / COUNTED_AT) ** 2 / rate
    return seconds


def _pictures(run: runs.Run) -> int:
    """That a training with one seed sees."""
    schedule = run.settings.get("schedule")
    return schedule["batch_size"] * sum(phase["iterations"] for phase in schedule["phases"]) if schedule else 0
