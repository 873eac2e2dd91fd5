"""The lists of photographs, without the photographs."""

from collections import Counter
from pathlib import Path

import pytest

from palimpsest import data

BUCKETS = {  # photographs in train, val and test
    "buildings": (46, 5, 14),
    "objects": (55, 6, 10),
    "scenes": (32, 3, 6),
}


def test_debian_photos_holds_177_photographs_of_164_subjects():
    rows = data.photos("debian-photos")
    counts = Counter((row.bucket, row.split) for row in rows)
    assert counts == {
        (bucket, split): count
        for bucket, numbers in BUCKETS.items()
        for split, count in zip(data.SPLITS, numbers, strict=True)
    }
    assert len(rows) == 177
    assert len({row.group for row in rows}) == 164
    assert len({row.package for row in rows}) == 7


@pytest.mark.parametrize("dataset", data.datasets())
def test_each_photograph_stands_once_under_a_name_of_its_own(dataset):
    rows = data.photos(dataset)
    for each in (
        [Path(row.name).stem.lower() for row in rows],  # a picture's id; in small letters, as some disks know no others
        [(row.package, row.path) for row in rows],
        [row.sha256 for row in rows],
    ):
        assert len(set(each)) == len(each) > 0
    assert all("/" not in row.name and row.name.endswith(Path(row.path).suffix) for row in rows)


@pytest.mark.parametrize("dataset", data.datasets())
def test_each_photograph_is_credited(dataset):
    for row in data.photos(dataset):
        assert row.licence.strip() and row.credit.strip() and row.bucket.strip(), row.name


@pytest.mark.parametrize("dataset", data.datasets())
def test_no_subject_stands_in_two_splits(dataset):
    splits = {(row.group, row.split) for row in data.photos(dataset)}
    assert len(splits) == len({group for group, _ in splits})


@pytest.mark.parametrize("dataset", [name for name in data.datasets() if name.startswith("bundled-")])
def test_a_bundled_photograph_keeps_the_name_of_its_file(dataset):
    assert all(row.name == Path(row.path).name for row in data.photos(dataset))
