"""What was measured, as it lies on disk."""

from dataclasses import replace

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.metrics.aggregate import aggregate
from palimpsest.results.measured import read_results
from palimpsest.workspace import Workspace
from reported import SEED_STEP


def test_an_interval_is_that_of_the_values_of_the_pictures(fake):
    values = fake.measured.per_image("deepfill-v1")["rectangle"]
    found = fake.measured.aggregate("deepfill-v1", "rectangle", "psnr")
    again = aggregate(values["psnr"])
    assert found.mean == pytest.approx(again.mean)
    assert (found.low, found.high, found.count, found.undefined) == again.spread
    assert values["hole_ratio"].tolist() == [0.2] * 24


def test_a_mean_is_over_seeds_and_has_their_deviation(fake):
    fake.write("deepfill-v1", seeds=(1, 2, 5))
    measured = fake.measured
    values, means = (read("deepfill-v1")["rectangle"]["psnr"] for read in (measured.values, measured.per_image))
    assert values.shape == (3, 24) and means == pytest.approx(values.mean(0))
    result = measured.results["deepfill-v1"]
    assert result.seeds == [1, 2, 5]
    assert result.by_seed["rectangle"]["psnr"] == pytest.approx(values.mean(1))
    assert result.holes["rectangle"]["psnr"] == pytest.approx(values.mean())
    for metric in ("psnr", "fd_vgg16"):
        assert result.deviation("rectangle", metric) == pytest.approx(SEED_STEP)
    assert measured.results["patchmatch"].deviation("rectangle", "psnr") is None


def test_a_transferred_run_varies_with_the_seed_as_the_trained_one_does(fake):
    measured = fake.measured
    plain = measured.runs["deepfill-v1"].model_copy(update={"parameters": {}})
    moved = {"moved": plain.model_copy(update={"run": {"name": "deepfill-v1"}})}
    released = {"released": plain.model_copy(update={"run": {"name": "released/deepfill-v1"}})}
    found = replace(measured, runs=measured.runs | moved | released)
    assert found.varies("deepfill-v1") and found.varies("moved") and not found.varies("released")


def test_a_metric_of_the_whole_set_has_no_interval(fake):
    found = fake.measured.aggregate("deepfill-v1", "rectangle", "fd_vgg16")
    assert (found.low, found.high, found.count) == (None, None, 24)


def test_what_was_not_measured_has_no_aggregate(fake):
    measured = fake.measured
    assert measured.aggregate("deepfill-v1", "rectangle", "fid") is None
    assert measured.aggregate("deepfill-v1", "square", "psnr") is None
    assert measured.aggregate("tmad", "rectangle", "psnr") is None
    assert measured.why_missing("deepfill-v1", "fid") == "its weights are at home"
    assert measured.why_absent("tmad") == "not in params.yaml"


def test_results_that_cannot_be_read_are_named(fake):
    Workspace(fake.root).results("patchmatch").metrics.write_text('{"run": ')
    with pytest.raises(InputError, match=r"patchmatch/metrics\.json: asked for JSON, found none"):
        read_results(fake.root)


def test_a_profile_of_nothing_says_what_to_run(fake):
    nothing = replace(fake.measured, results={})
    said = r"results: asked for measured runs, found none that .*; `dvc repro` trains and measures them"
    with pytest.raises(InputError, match=said):
        _ = nothing.profile


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.rsplit("\n", 2)[0], "found 23 rows with rectangle holes; accepted: 24 pictures of each"),
        (lambda text: text.replace("1,picture-3,", "2,picture-3,"), "found 24 rows with rectangle holes; accepted"),
        (lambda text: text.replace("hole_ratio", "area", 1), "found columns"),
        (lambda text: f"{text[:-1]},7\n", r"line \d+: found (\d+) values; accepted: \d+, one for each column"),
        (
            lambda text: text.replace(",0.2,", ",-0.2,", 1),
            "found the hole_ratio -0.2 of picture-.*; accepted: from 0 to 1",
        ),
        (
            lambda text: text.replace(",0.2,", ",nan,", 1),
            "found the hole_ratio nan of picture-.*; accepted: from 0 to 1",
        ),
    ],
)
def test_values_that_are_not_those_of_the_pictures_are_refused(fake, change, said):
    path = Workspace(fake.root).results("deepfill-v1").per_image
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=said):
        fake.measured.per_image("deepfill-v1")
