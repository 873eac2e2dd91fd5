import csv
import shutil
from pathlib import Path

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.papers.metrics import PAPERS, read_metrics
from palimpsest.papers.paper import names, read_paper
from palimpsest.papers.values import Place, read_values


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped specs, to be spoilt."""
    for path in PAPERS.iterdir():
        if path.suffix in (".yaml", ".csv"):
            shutil.copy(path, tmp_path)
    return tmp_path


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


def read(folder, paper="deepfill-v1"):
    return read_paper(paper, read_metrics(folder), read_values(folder), folder)


def test_every_shipped_paper_and_value_is_read():
    metrics, values = read_metrics(), read_values()
    papers = [read_paper(name, metrics, values) for name in names()]
    assert all(paper.tables or paper.claims for paper in papers)
    with (PAPERS / "values.csv").open() as file:
        assert len(values) == len(list(csv.DictReader(file)))
    place = Place("deepfill-v1", "1", "places2", "random-rectangle", "", "DeepFill v1", "psnr")
    assert (values[place].text, values[place].number) == ("18.91", 18.91)


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
        ("values.csv", "PatchMatch,l2_percent", "PatchMatch,l1_percent", "stands here twice"),
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
        ("like: lpips_alex", "like: lpips_alexnet", r"wide\.I\.published: found 'lpips_alexnet'"),
        ("name: lpips,", "name: lpip,", r"wide\.I\.published: found 'lpip'"),
        ("pair: gm-srm-pair", "pears: gm-srm-pair", r"wide\.I\.rows: run: found 'pears'"),
        ("stand_in: scenes", "stand_in: scene", r"wide\.I\.rows: run: found 'scenes'"),
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
        ("crfill", 'study: "1"', 'study: "7"', r"tables\.1\.votes: study: found '7'; accepted: 1"),
        ("gm-srm", "gm-srm, faces: gm-srm-faces, p", "gm-srm, face: gm-srm-faces, p", "run: found .face"),
        ("gm-srm", "[vote_share_percent,", "[vote_share,", r"studies\.III\.published\.0 is 'vote_share'"),
    ],
)
def test_a_spoilt_study_is_named(folder, paper, old, new, said):
    spoil(folder, f"{paper}.yaml", old, new)
    with pytest.raises(InputError, match=said):
        read(folder, paper)


def test_a_metric_whose_kind_is_unstated_bears_the_papers_name_alone():
    metrics = read_metrics()
    published = read_paper("gm-srm", metrics, read_values()).wide["I"].published_metrics(metrics)
    assert list(published) == ["psnr", "ssim", "ncc", "lmse", "lpips"]
    assert published["lpips"].head == "LPIPS ↓" and published["psnr"] == metrics["psnr"]


def test_a_condition_names_the_dataset_that_is_the_papers():
    tables = read_paper("gm-srm", read_metrics(), read_values()).wide
    own = {(c.dataset, c.own, c.slot, c.stand_in) for c in tables["I"].data}
    assert own == {
        ("paris-streetview", "paris-streetview", "streets", "scenes"),
        ("celeba-hq", "celeba-hq-gm-srm", "faces", "scenes"),
        ("places2", "places2-pair", "pair", "scenes"),
    }
