import csv
import re

import pytest

from palimpsest.config import runs
from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.papers.metrics import PAPERS, read_metrics
from palimpsest.papers.paper import check_runs, names, read_paper
from palimpsest.papers.values import Place, read_values
from papers.spoiling import spoil


def read(folder, paper="deepfill-v1"):
    return read_paper(paper, read_metrics(folder), read_values(folder), folder)


def test_every_shipped_paper_and_value_is_read():
    metrics, values = read_metrics(), read_values()
    papers = [read_paper(name, metrics, values) for name in names()]
    assert all(paper.tables for paper in papers)
    with (PAPERS / "values.csv").open() as file:
        assert len(values) == len(list(csv.DictReader(file)))
    place = Place("deepfill-v1", "1", "places2", "random-rectangle", "", "DeepFill v1", "psnr")
    assert (values[place].text, values[place].number) == ("18.91", 18.91)


@pytest.fixture(scope="module")
def known():
    """Every run and transfer of params.yaml."""
    params = read_yaml(PAPERS.parents[2] / "params.yaml")
    return [*runs.trained(params), *params["transfers"]]


def test_every_run_that_a_paper_names_is_known_or_foreseen(known):
    check_runs(known)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "crfill.yaml",
            "run: crfill-on-un",
            "run: crfil-on-un",
            r"tables\.2\.rows\.4\.run: .*; alike: crfill-on-unseen",
        ),
        (
            "gm-srm.yaml",
            "label: GM-SRM, run: gm-srm,",
            "label: GM-SRM, run: gm-srrm,",
            r"tables\.I\.rows\.9\.run: found 'gm-srrm', in",
        ),
        (
            "deepfill-v1.yaml",
            "- deepfill-v1-dcgan",
            "- deepfill-v1-dgan",
            r"figures\.\w+\.runs: found 'deepfill-v1-dgan'",
        ),
    ],
)
def test_a_misspelt_run_is_named_with_its_key(folder, known, file, old, new, said):
    spoil(folder, file, old, new)
    with pytest.raises(InputError, match=said):
        check_runs(known, folder)


def test_an_illegible_number_is_none():
    illegible = [published for published in read_values().values() if not published.legible]
    assert illegible and all(published.number is None for published in illegible)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("deepfill-v1.yaml", "protocol:", "protocoll:", r"deepfill-v1\.yaml: tables\.1\.protocoll is not a setting"),
        ("deepfill-v1.yaml", "published: [l1_percent", "published: [l1_pecent", r"tables\.1\.published"),
        ("deepfill-v1.yaml", "metric: l1_hole_percent", "metric: l1_whole", r"tables\.1\.measured: metric"),
        ("deepfill-v1.yaml", "dataset: places2", "dataset: places3", r"tables\.1\.data: dataset, mask, ratio"),
        ("deepfill-v1.yaml", "method: PatchMatch", "method: PachMatch", r"tables\.1\.rows: method"),
        ("metrics.yaml", "direction: lower", "direction: down", r"metrics\.yaml: .*direction is 'down'"),
        ("values.csv", "PatchMatch,l1_percent,16.1", "PatchMatch,l1_percent,x", "value 'x' is no number"),
        ("values.csv", "PatchMatch,l2_percent", "PatchMatch,l1_percent", "is here twice"),
        ("values.csv", "legible", "readable", "found columns"),
    ],
)
def test_a_spoilt_file_is_named_with_its_key(folder, file, old, new, said):
    spoil(folder, file, old, new)
    with pytest.raises(InputError, match=said):
        read(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("like: lpips_alex", "like: lpips_alexnet", r"tables\.I\.published: found 'lpips_alexnet'"),
        ("name: lpips,", "name: lpip,", r"tables\.I\.published: found 'lpip'"),
        ("metrics: [psnr_channels", "metrics: [psnr_chanels", r"figures\.ratios\.metrics: found 'psnr_chanels'"),
    ],
)
def test_a_spoilt_wide_table_or_figure_is_named(folder, old, new, said):
    text = (folder / "gm-srm.yaml").read_text()
    assert old in text
    (folder / "gm-srm.yaml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=said):
        read(folder, "gm-srm")


@pytest.mark.parametrize(
    ("paper", "old", "new", "said"),
    [
        ("tmad", "kind: blocks", "kind: block", r"tables\.I\.kind is 'block'; accepted: "),
        ("tmad", "{rectangle: tmad, brush", "{square: tmad, brush", r"tables\.III\.rows: run: found 'square'"),
        ("tmad", "head: Coarse Net", "head: Coarse", r"tables\.I\.columns: head: found 'Coarse'"),
        ("tmad", "label: up-block", "label: upblock", r"tables\.I\.rows: label: found 'upblock'"),
        ("tmad", "published: weight_l1", "published: weight_l2", r"tables\.II\.rows: published: found 'weight_l2'"),
        ("tmad", "published: memory_saved_percent", "published: memory", r"tables\.claims\.rows: published: found"),
        ("deepfill-v1", "run: deepfill-v1-baseline}", "run: deepfill-v1, method: Base}", r"tables\.parameters\.rows"),
        ("crfill", "metric: seconds_cpu_2048", "metric: seconds_cpu", r"tables\.5\.published: found 'seconds_cpu'"),
        ("crfill", "method: CR loss", "method: CR", r"tables\.5\.rows: method: found 'CR'"),
        (
            "crfill",
            "slot: scenes, mask: object",
            "slot: unseen, mask: object",
            r"1\.data: slot: found scenes, unseen; a",
        ),
    ],
)
def test_a_spoilt_table_of_networks_is_named(folder, paper, old, new, said):
    text = (folder / f"{paper}.yaml").read_text()
    assert old in text
    (folder / f"{paper}.yaml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=said):
        read(folder, paper)


COUNTS = {"size", "pictures", "raters"}  # px, and what a protocol says of its study
FRACTION = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")


@pytest.mark.parametrize("name", names())
def test_no_published_number_is_typed_beside_a_table(name):
    """Integers other than the counts of a protocol, and fractions anywhere, belong in values.csv."""
    tables = read_yaml(PAPERS / f"{name}.yaml")["tables"]
    typed = [(key, value) for key, value in leaves(tables) if is_number(key, value)]
    assert typed == []


def test_a_number_that_is_typed_is_found():
    assert is_number("published", 8) and is_number("published", "2.9 M") and is_number("protocol", "It is 11.23 here.")
    assert is_number("published", "20 % less") and not is_number("size", 512)
    assert not is_number("label", "DeepFill v1") and not is_number("metric", "seconds_gpu_512")


def leaves(tree, key=""):
    """(key, value) of every leaf of a YAML tree; those of a list have its key."""
    match tree:
        case dict():
            for name, each in tree.items():
                yield from leaves(each, name)
        case list():
            for each in tree:
                yield from leaves(each, key)
        case _:
            yield key, tree


def is_number(key, value) -> bool:
    """Whether a leaf holds what looks like a published number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return key not in COUNTS
    return isinstance(value, str) and bool(FRACTION.search(value) or (key == "published" and value[:1].isdecimal()))


@pytest.mark.parametrize(
    ("paper", "old", "new", "said"),
    [
        ("crfill", "metric: user_preference", "metric: preference", r"tables\.1\.votes: dataset, metric: found"),
        ("gm-srm", "[vote_share_percent,", "[vote_share,", r"tables\.III\.published\.0 is 'vote_share'"),
    ],
)
def test_a_spoilt_study_is_named(folder, paper, old, new, said):
    spoil(folder, f"{paper}.yaml", old, new)
    with pytest.raises(InputError, match=said):
        read(folder, paper)


def test_a_metric_whose_kind_is_unstated_bears_the_papers_name_alone():
    metrics = read_metrics()
    published = read_paper("gm-srm", metrics, read_values()).tables["I"].published_metrics(metrics)
    assert list(published) == ["psnr", "ssim", "ncc", "lmse", "lpips"]
    assert published["lpips"].head == "LPIPS ↓" and published["psnr"] == metrics["psnr"]


def test_a_condition_names_the_dataset_that_is_the_papers():
    tables = read_paper("gm-srm", read_metrics(), read_values()).tables
    own = {(condition.dataset, condition.own) for condition in tables["I"].data}
    assert own == {
        ("paris-streetview", "paris-streetview"),
        ("celeba-hq", "celeba-hq-gm-srm"),
        ("places2", "places2-pair"),
    }


def test_the_training_curves_of_every_run_are_in_a_figure(shipped):
    papers = [read_paper(name, read_metrics(), read_values()) for name in names()]
    drawn = {run for paper in papers for each in paper.figures.values() if each.kind == "curves" for run in each.runs}
    settings = {name: runs.resolve(shipped, name).settings for name in runs.trained(shipped)}
    assert drawn == {name for name, own in settings.items() if "schedule" in own}
