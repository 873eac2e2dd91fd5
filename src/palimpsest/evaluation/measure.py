"""Results measured on the fixed test pictures and holes: every picture is filled, scored and shown in one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from palimpsest.config.numbers import Count
from palimpsest.config.yaml import Settings, Tree
from palimpsest.data.shards import Shard, spread
from palimpsest.evaluation.filling import Source
from palimpsest.evaluation.scoring import Scorer, Scores, joined, over_seeds, table
from palimpsest.holes.bank import Bank, read_bank
from palimpsest.metrics.features import Features
from palimpsest.metrics.registry import MAIN
from palimpsest.metrics.sets import FeatureSet, read_reference
from palimpsest.storage import finite, replacing, write_json, write_text
from palimpsest.workspace import Workspace

RANKED_BY = "lpips_alex"  # the metric by which the worst pictures are found; lower is better


class EvaluationConfig(Settings):
    """A profile's `evaluation`."""

    batch_size: Count
    samples: Count  # pictures kept for the figures, spread evenly over the test split
    worst: Count  # pictures of each hole kind that are kept besides: those with the highest RANKED_BY


@dataclass(frozen=True)
class About:
    """What was measured, as metrics.json says it."""

    run: str  # the folder's name in results/: of a run, a transfer or external results
    model: str  # file in palimpsest/models, or in words what made external results
    profile: str
    slot: str
    dataset: str
    code: str  # hash of the source files that measured it
    settings: str  # fingerprint of the settings it was made under
    features: str  # network that the training's perceptual loss read; "" for none
    source: str = ""  # of released weights: whose they are, file and hash


class Worst:
    """The pictures of one hole kind with the highest RANKED_BY so far, the worst first; of equals the earlier ones."""

    def __init__(self, count: int):
        self.count = count
        self._distances, self._places, self._results = np.empty(0), np.empty(0, int), None

    def add(self, distances: np.ndarray, places: np.ndarray, results: np.ndarray) -> None:
        """A batch: distances (B,), places in the test split (B,), results uint8 (B, H, W, 3)."""
        distances, places = np.append(self._distances, distances), np.append(self._places, places)
        results = results if self._results is None else np.concatenate([self._results, results])
        worst = np.argsort(-distances, kind="stable")[: self.count]
        self._distances, self._places, self._results = distances[worst], places[worst], results[worst]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The places and the results; none without any distances."""
        return {} if self._results is None else {"index": self._places, "result": self._results}


def evaluate(
    source: Source,
    shard: Shard,
    banks: Mapping[str, Bank | np.ndarray],
    features: Features,
    reference: dict[str, FeatureSet],
    config: EvaluationConfig,
) -> tuple[dict[str, Scores], dict[str, np.ndarray]]:
    """Scores every test picture with its hole of every kind; `banks` is {kind: holes in the shard's order}.

    Returns {kind: scores}, those of pieced pictures as `kind/pieced`, and the pictures that are kept: `index`, their
    places in the split, arrays named `kind/what`, and of the worst `worst/kind/index` and `worst/kind/result`.
    """
    index = spread(len(shard), config.samples)
    scorers: dict[str, Scorer] = {}
    samples: dict[str, list[dict[str, np.ndarray]]] = {kind: [] for kind in banks}
    worst = {kind: Worst(config.worst) for kind in banks}
    for start in range(0, len(shard), config.batch_size):
        places = np.arange(start, min(start + config.batch_size, len(shard)))
        ids, pictures = [shard.ids[i] for i in places], np.stack([shard[i] for i in places])
        chosen = np.flatnonzero(np.isin(places, index))
        for kind, bank in banks.items():
            filled = source.fill(kind, ids, pictures, bank[places])
            for suffix, scored in filled.scored.items():
                values = scorers.setdefault(f"{kind}{suffix}", Scorer(features)).add(scored)
                if not suffix and RANKED_BY in values:
                    worst[kind].add(values[RANKED_BY], places, filled.results)
            if chosen.size:
                samples[kind].append(filled.kept(chosen))
    arrays = {"index": index}
    arrays |= {f"{kind}/{what}": array for kind in banks for what, array in joined(samples[kind]).items()}
    arrays |= {f"worst/{kind}/{what}": array for kind in banks for what, array in worst[kind].arrays.items()}
    return {name: scorer.scores(reference) for name, scorer in scorers.items()}, arrays


def measure(
    sources: Mapping[int, Source],
    about: About,
    kinds: Sequence[str],
    config: EvaluationConfig,
    device: torch.device | str,
) -> None:
    """Writes results/<run>, measured on holes of `kinds`: per-image.csv, metrics.json, summary.json and samples.npz.

    `sources` is {seed: what fills the pictures}. metrics.json holds what was measured, every mean over seeds and
    pictures with its interval over pictures, that of each seed, and for each metric that is missing the reason.
    summary.json holds for DVC the `summary` of the first kind. The pictures in samples.npz are of the first seed.
    """
    workspace = Workspace()
    slot, results = workspace.slot(about.slot), workspace.results(about.run)
    shard = Shard(slot.shard("test"))
    banks = {kind: read_bank(slot.holes, kind, len(shard)) for kind in kinds}
    features, reference = Features(workspace.weights, device), read_reference(slot.reference)
    evaluated = {seed: evaluate(source, shard, banks, features, reference, config) for seed, source in sources.items()}
    seeds = {seed: scores for seed, (scores, _) in evaluated.items()}
    first, samples = next(iter(evaluated.values()))
    scores = {kind: over_seeds([each[kind] for each in seeds.values()]) for kind in first}
    found = {kind: of_kind.aggregates() for kind, of_kind in scores.items()}
    means = {kind: {name: each.mean for name, each in of_kind.items()} for kind, of_kind in found.items()}
    measured = {
        **asdict(about),
        "seeds": list(seeds),
        "size": shard.size,
        "images": len(shard),
        "photos": len(set(shard.photos)),
        "hole_ratios": {kind: of_kind.ratios.mean().item() for kind, of_kind in scores.items()},
        "holes": means,
        "by_seed": {kind: _by_seed([each[kind] for each in seeds.values()]) for kind in first},
        "intervals": {
            kind: {name: each.spread for name, each in of_kind.items() if each.low is not None}
            for kind, of_kind in found.items()
        },
        "missing": {name: why for s in scores.values() for name, why in s.missing.items()},
    }
    write_text(results.per_image, table(seeds))
    write_json(results.metrics, measured)
    write_json(results.summary, summary(about.run, kinds[0], means[kinds[0]]))
    with replacing(results.samples) as temporary:
        np.savez_compressed(temporary, **samples)


def _by_seed(seeds: Sequence[Scores]) -> dict[str, list[float]]:
    """{metric: its mean in each seed}."""
    means = [scores.means for scores in seeds]
    return {name: [each[name] for each in means] for name in means[0]}


def summary(run: str, kind: str, means: Mapping[str, float]) -> Tree:
    """{run: {kind of hole: {metric: mean}}} of the MAIN metrics, valid JSON: so DVC names each by its run and hole."""
    return {run: {kind: {name: finite(means[name]) for name in MAIN if name in means}}}
