"""Metrics of a set of results against the set of their originals, on features of one network.

With FID's Inception they bear the names that the literature gives them. With VGG16, which needs no download, they have
names of their own, as their numbers do not compare.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from palimpsest.config.yaml import InputError
from palimpsest.metrics.frechet import FRECHET, Statistics, frechet_distance
from palimpsest.storage import read_arrays, replacing

NEIGHBOUR = 3  # whose distance is the radius around a picture, of precision and recall
BLOCK = 1024  # pictures whose distances to all others are computed at once


@dataclass(frozen=True)
class FeatureSet:
    """What metrics need to know of a set of pictures, computed once: `features` float64 (N, D)."""

    features: np.ndarray

    @cached_property
    def statistics(self) -> Statistics:
        return Statistics.of(self.features)

    @cached_property
    def radii(self) -> np.ndarray:
        """The distance of each picture from its NEIGHBOUR-th nearest, (N,)."""
        parts = [np.partition(part, NEIGHBOUR)[:, NEIGHBOUR] for part in distances(self.features, self.features)]
        return np.concatenate(parts)  # its own distance, 0, is the smallest


def frechet(results: FeatureSet, originals: FeatureSet) -> float:
    return frechet_distance(results.statistics, originals.statistics)


def kernel(results: FeatureSet, originals: FeatureSet) -> float:
    """The unbiased estimate of MMD² with k(x, y) = (x·y / D + 1)³, over all pictures (Bińkowski et al. 2018, eq. 4).

    It may be below 0. Common code averages it over random subsets, which has the same expectation.
    """
    x, y = results.features, originals.features
    within = sum((_kernel_sum(each, each) - _kernel_of_itself(each)) / (len(each) * (len(each) - 1)) for each in (x, y))
    return within - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    return float(sum(((part @ y.T / x.shape[1] + 1) ** 3).sum() for part in _blocks(x)))


def _kernel_of_itself(x: np.ndarray) -> float:
    return float(((np.square(x).sum(1) / x.shape[1] + 1) ** 3).sum())


def unpaired_score(results: FeatureSet, originals: FeatureSet) -> float:
    """U-IDS: the share of pictures that a linear classifier of real and filled ones gets wrong (Zhao et al. 2021)."""
    of_results, of_originals = _decisions(results, originals)
    return float(np.concatenate([of_results > 0, of_originals <= 0]).mean())


def paired_score(results: FeatureSet, originals: FeatureSet) -> float:
    """P-IDS: the share of results that the classifier takes for more real than their originals (Zhao et al. 2021)."""
    of_results, of_originals = _decisions(results, originals)
    return float((of_results > of_originals).mean())


def _decisions(results: FeatureSet, originals: FeatureSet) -> tuple[np.ndarray, np.ndarray]:
    """How real a linear support vector machine that was trained on both sets finds each picture; above 0 is real."""
    from sklearn.svm import LinearSVC  # over a second to import

    both = np.concatenate([results.features, originals.features])
    real = np.repeat([0, 1], [len(results.features), len(originals.features)])
    found = LinearSVC(dual=False).fit(both, real).decision_function(both)
    return found[real == 0], found[real == 1]


def precision(results: FeatureSet, originals: FeatureSet) -> float:
    """The share of results near an original: within the distance of its third nearest neighbour among originals.

    T. Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019, equation 2.
    """
    near = [(part <= originals.radii).any(1) for part in distances(results.features, originals.features)]
    return float(np.concatenate(near).mean())


def recall(results: FeatureSet, originals: FeatureSet) -> float:
    """The share of originals near a result; see `precision`."""
    return precision(originals, results)


def distances(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """Those of each picture of x from all of y, (BLOCK, M) at a time."""
    norms = np.square(y).sum(1)
    for part in _blocks(x):
        squared = np.square(part).sum(1)[:, None] + norms - 2 * part @ y.T
        yield np.sqrt(squared.clip(min=0))


def _blocks(x: np.ndarray) -> list[np.ndarray]:
    return [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]


def _two(features: int) -> int:
    return 2


def _with_neighbours(features: int) -> int:
    return NEIGHBOUR + 1


def _inseparable(features: int) -> int:
    """Fewer pictures are always told apart by a plane, whatever they show, and any score of it is 0."""
    return features // 2 + 1


@dataclass(frozen=True)
class SetMetric:
    """A metric of results and originals, and the fewest pictures on either side that have one."""

    measure: Callable[[FeatureSet, FeatureSet], float]
    least: Callable[[int], int]  # number of features → pictures


SET_METRICS = {  # by the names that they have with Inception and with VGG16
    (FRECHET["inception"], FRECHET["vgg16"]): SetMetric(frechet, _two),
    ("kid", "kd_vgg16"): SetMetric(kernel, _two),
    ("u_ids", "u_ids_vgg16"): SetMetric(unpaired_score, _inseparable),
    ("p_ids", "p_ids_vgg16"): SetMetric(paired_score, _inseparable),
    ("precision", "precision_vgg16"): SetMetric(precision, _with_neighbours),
    ("recall", "recall_vgg16"): SetMetric(recall, _with_neighbours),
}
OF_NETWORK = {
    network: {names[place]: metric for names, metric in SET_METRICS.items()}
    for network, place in (("vgg16", 1), ("inception", 0))
}


def compare_sets(
    network: str, results: np.ndarray, originals: FeatureSet | None
) -> tuple[dict[str, float], dict[str, str]]:
    """{metric: value} of results' features, float64 (N, D), in the order of the originals; why others are missing."""
    found, missing = {}, {}
    pictures = FeatureSet(results)
    for name, metric in OF_NETWORK[network].items():
        if originals is None:
            missing[name] = f"the originals have no features of {network}; `dvc repro` makes them"
        elif len(results) < (least := metric.least(results.shape[1])):
            missing[name] = f"it needs {least} pictures or more, found {len(results)}"
        else:
            found[name] = metric.measure(pictures, originals)
    return found, missing


def write_reference(reference: dict[str, np.ndarray], folder: Path) -> None:
    """Writes the features (N, D) of each network as `<network>.npy`, in float32, and removes others."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in {path.stem for path in folder.glob("*.npy")} - set(reference):
        (folder / f"{stale}.npy").unlink()
    for network, features in reference.items():
        with replacing(folder / f"{network}.npy") as temporary:
            np.save(temporary, features.astype(np.float32))


def read_reference(folder: Path) -> dict[str, FeatureSet]:
    """{network: originals} in a folder that `write_reference` filled; InputError if there is none."""
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: asked for the originals' features, found none; `dvc repro` makes them")
    return {path.stem: FeatureSet(_features(path)) for path in sorted(Path(folder).glob("*.npy"))}


def _features(path: Path) -> np.ndarray:
    features = read_arrays(path)["array"]
    if features.ndim != 2:
        raise InputError(f"{path}: asked for features (N, D), found an array {features.shape}; `dvc repro` makes them")
    return features.astype(np.float64)
