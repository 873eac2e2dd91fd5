"""Metrics of sets of features: closed forms, loops as a reference, and other people's code."""

import numpy as np
import pytest

from metrics import vectors
from palimpsest.config.yaml import InputError
from palimpsest.metrics.frechet import Statistics, frechet_distance, root_of
from palimpsest.metrics.sets import (
    OF_NETWORK,
    FeatureSet,
    compare_sets,
    distances,
    kernel,
    paired_score,
    precision,
    read_reference,
    recall,
    unpaired_score,
    write_reference,
)


def gaussian(mean, covariance) -> Statistics:
    return Statistics(np.array(mean, float), root_of(np.array(covariance, float)))


def test_frechet_distance_in_closed_form():
    unit = np.eye(2)
    assert frechet_distance(gaussian([0, 0], unit), gaussian([3, 4], unit)) == pytest.approx(25, abs=1e-12)
    assert frechet_distance(gaussian([0, 0], unit), gaussian([0, 0], 4 * unit)) == pytest.approx(2, abs=1e-12)
    # of commuting covariances: the squared distance of their roots
    one, other = np.diag([1.0, 9, 0]), np.diag([4.0, 1, 16])
    assert frechet_distance(gaussian([0] * 3, one), gaussian([0] * 3, other)) == pytest.approx(1 + 4 + 16, abs=1e-12)
    # of a point and a cloud: the cloud's variance
    assert frechet_distance(gaussian([0] * 3, np.zeros((3, 3))), gaussian([0] * 3, other)) == pytest.approx(21)


def test_frechet_distance_of_the_sine_and_cosine_arrays():
    i, j = np.mgrid[:64, :8]
    x, y = np.sin(0.37 * (i + 1) * (j + 1)), 1.1 * np.cos(0.21 * (i + 2) * (j + 1)) + 0.05 * j
    expected = vectors.VECTORS["frechet"]["sincos"]["value_unbiased_cov"]
    assert frechet_distance(Statistics.of(x), Statistics.of(y)) == pytest.approx(expected, abs=1e-10)
    assert frechet_distance(Statistics.of(y), Statistics.of(x)) == pytest.approx(expected, abs=1e-10)


def test_frechet_distance_of_fewer_pictures_than_features():
    """Straight from the features: tr (S1 S2)^½ is the nuclear norm of X Yᵀ over (N - 1), centred."""
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(12, 60)), 3 + 2 * draw.normal(size=(12, 60)) @ np.diag(draw.random(60))
    a, b = x - x.mean(0), y - y.mean(0)
    shared = np.linalg.norm(a @ b.T, "nuc") / 11
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + ((a**2).sum() + (b**2).sum()) / 11 - 2 * shared
    assert np.linalg.matrix_rank(np.cov(x, rowvar=False)) == 11
    assert frechet_distance(Statistics.of(x), Statistics.of(y)) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(Statistics.of(x), Statistics.of(x)) == pytest.approx(0, abs=1e-10)
    two = Statistics.of(np.repeat(x[:1], 2, axis=0))  # no variance at all
    assert frechet_distance(two, two) == 0


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_frechet_distance_agrees_with_pytorch_fid():
    from pytorch_fid.fid_score import calculate_frechet_distance

    draw = np.random.default_rng(1)
    x, y = (Statistics.of(draw.normal(size=(100, 20)) @ draw.normal(size=(20, 20)) + k) for k in (0, 0.5))
    moments = [part for each in (x, y) for part in (each.mean, each.root @ each.root.T)]
    theirs = calculate_frechet_distance(*moments)
    assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("count", [3, 4, 5, 40])
def test_statistics_are_those_of_numpy_of_few_pictures_and_of_many(count):
    features = np.random.default_rng(2).normal(size=(count, 4))
    found = Statistics.of(features)
    np.testing.assert_allclose(found.mean, features.mean(0))
    np.testing.assert_allclose(found.root @ found.root.T, np.cov(features, rowvar=False), atol=1e-12)


def test_sets_that_have_no_distance_are_refused():
    with pytest.raises(InputError, match="statistics of a set of pictures, found 1; accepted: 2 or more"):
        Statistics.of(np.zeros((1, 3)))
    with pytest.raises(InputError, match="between 3 and 4 features; accepted: the same network"):
        frechet_distance(Statistics.of(np.zeros((2, 3))), Statistics.of(np.zeros((2, 4))))


def drawn(seed: int, shift: float, count: int = 40, width: int = 6) -> FeatureSet:
    return FeatureSet(np.random.default_rng(seed).normal(shift, size=(count, width)))


def test_the_kernel_distance_is_that_of_its_double_sums():
    one, other = drawn(0, 0.0, count=7), drawn(1, 0.5, count=9)

    def k(x, y):
        return (x @ y / 6 + 1) ** 3

    x, y = one.features, other.features
    within = [
        sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    across = np.mean([k(a, b) for a in x for b in y])
    assert kernel(one, other) == pytest.approx(sum(within) - 2 * across, rel=1e-10)


def test_the_kernel_distance_of_two_draws_of_one_distribution_is_about_0():
    found = [kernel(drawn(2 * seed, 0.0), drawn(2 * seed + 1, 0.0)) for seed in range(40)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 40**0.5 and min(found) < 0 < max(found)
    assert kernel(drawn(0, 0.0), drawn(1, 2.0)) > 10 * max(found)


def test_distances_are_euclidean_in_blocks_of_any_size(monkeypatch):
    monkeypatch.setattr("palimpsest.metrics.sets.BLOCK", 3)
    x, y = drawn(0, 0.0, count=7).features, drawn(1, 1.0, count=5).features
    found = np.concatenate(list(distances(x, y)))
    np.testing.assert_allclose(found, np.linalg.norm(x[:, None] - y, axis=2), atol=1e-12)


def test_precision_and_recall_of_one_mode_of_two():
    """Results at one of two far places: all are precise, and half of the originals are recalled."""
    near = np.arange(8.0)[:, None] * np.array([0.01, 0])
    originals, results = FeatureSet(np.concatenate([near, near + 100])), FeatureSet(near + np.array([0, 0.001]))
    assert (precision(results, originals), recall(results, originals)) == (1.0, 0.5)
    assert (precision(originals, results), recall(originals, results)) == (0.5, 1.0)
    far = FeatureSet(near - 1000)
    assert (precision(far, originals), recall(far, originals)) == (0.0, 0.0)


def test_the_radius_reaches_to_the_third_neighbour():
    line = FeatureSet(np.array([0.0, 1, 3, 6, 10])[:, None])
    np.testing.assert_allclose(line.radii, [6, 5, 3, 5, 9], atol=1e-6)
    assert precision(FeatureSet(np.array([[-5.9], [-6.1], [18.9], [19.1]])), line) == 0.5


def test_results_that_a_plane_tells_from_their_originals_score_0():
    originals, results = drawn(0, 0.0), drawn(1, 20.0)
    assert unpaired_score(results, originals) == paired_score(results, originals) == 0


def test_results_like_their_originals_score_a_half():
    originals = drawn(0, 0.0, count=2000, width=2)
    assert unpaired_score(drawn(1, 0.0, count=2000, width=2), originals) == pytest.approx(0.5, abs=0.03)
    assert paired_score(drawn(1, 0.0, count=2000, width=2), originals) == pytest.approx(0.5, abs=0.05)


def test_a_pair_counts_where_the_result_looks_more_real():
    """On a line the classifier is a threshold, so that pairs are decided by who lies further to the real side."""
    originals = FeatureSet(np.array([1.0, 2, 3, 4])[:, None])
    results = FeatureSet(np.array([0.0, 0, 4, 5])[:, None] - 1.5)
    assert paired_score(results, originals) == 0
    results = FeatureSet(np.array([0.0, 0, 3.5, 4.5])[:, None])
    assert paired_score(results, originals) == 0.5


def test_what_so_few_pictures_cannot_have_is_missing_and_says_why():
    originals = drawn(0, 0.0, count=10, width=20)
    found, missing = compare_sets("vgg16", originals.features, originals)
    assert set(missing) == {"u_ids_vgg16", "p_ids_vgg16"} and set(found) | set(missing) == set(OF_NETWORK["vgg16"])
    assert missing["u_ids_vgg16"] == "it needs 11 pictures or more, found 10"
    assert found["precision_vgg16"] == found["recall_vgg16"] == 1
    _, missing = compare_sets("inception", originals.features[:1], originals)
    assert missing["fid"] == "it needs 2 pictures or more, found 1" and set(missing) == set(OF_NETWORK["inception"])
    _, missing = compare_sets("vgg16", originals.features, None)
    assert missing["fd_vgg16"] == "the originals have no features of vgg16; `dvc repro` makes them"


def test_as_many_pictures_as_are_asked_for_cannot_always_be_told_apart():
    """One fewer can, whatever they show; see `_inseparable`."""
    least = OF_NETWORK["vgg16"]["u_ids_vgg16"].least(4)
    scores = [unpaired_score(drawn(2 * seed, 0.0, least, 4), drawn(2 * seed + 1, 0.0, least, 4)) for seed in range(20)]
    assert least == 3 and max(scores) > 0


def test_a_reference_is_read_as_it_was_written_and_written_alike(tmp_path):
    draw = np.random.default_rng(3)
    reference = {name: draw.normal(size=(5, 4)).astype(np.float32) for name in OF_NETWORK}
    for folder in ("one", "two"):
        write_reference(reference, tmp_path / folder)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["inception.npy", "vgg16.npy"]
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    found = read_reference(tmp_path / "one")
    assert set(found) == set(reference)
    for name, originals in found.items():
        np.testing.assert_array_equal(originals.features, reference[name])
        assert originals.features.dtype == np.float64
    write_reference({"vgg16": reference["vgg16"]}, tmp_path / "one")
    assert set(read_reference(tmp_path / "one")) == {"vgg16"}


def test_a_reference_that_is_not_there_or_damaged_is_refused(tmp_path):
    with pytest.raises(InputError, match="dvc repro"):
        read_reference(tmp_path / "nowhere")
    np.save(tmp_path / "vgg16.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"asked for features \(N, D\), found an array \(3,\)"):
        read_reference(tmp_path)
