"""The lists of photographs, without the photographs."""

from collections import Counter
from pathlib import Path

import pytest

from data import dataset
from palimpsest.config.yaml import InputError
from palimpsest.data import listed
from palimpsest.data.shards import SPLITS

LISTS = sorted(file.stem for file in listed.LISTS.iterdir())

BUCKETS = {  # photographs in train, val and test
    "buildings": (46, 5, 14),
    "objects": (55, 6, 10),
    "scenes": (32, 3, 6),
}


def photos(name: str, buckets: list[str] | None = None) -> list[listed.Photo]:
    return listed.photos(listed.Listed(rule="listed", photographs=name, buckets=buckets, packages="debian", minimum=1))


def test_debian_photos_holds_177_photographs_of_164_subjects():
    rows = photos("debian-photos")
    counts = Counter((row.bucket, row.split) for row in rows)
    assert counts == {
        (bucket, split): count
        for bucket, numbers in BUCKETS.items()
        for split, count in zip(SPLITS, numbers, strict=True)
    }
    assert len(rows) == 177
    assert len({row.group for row in rows}) == 164
    assert len({row.package for row in rows}) == 7


@pytest.mark.parametrize("dataset", LISTS)
def test_each_photograph_stands_once_under_a_name_of_its_own(dataset):
    rows = photos(dataset)
    for each in (
        [Path(row.name).stem.lower() for row in rows],  # a picture's id; in small letters, as some disks know no others
        [(row.package, row.path) for row in rows],
        [row.sha256 for row in rows],
    ):
        assert len(set(each)) == len(each) > 0
    assert all("/" not in row.name and row.name.endswith(Path(row.path).suffix) for row in rows)


@pytest.mark.parametrize("dataset", LISTS)
def test_each_photograph_is_credited(dataset):
    for row in photos(dataset):
        assert row.licence.strip() and row.credit.strip() and row.bucket.strip(), row.name


@pytest.mark.parametrize("dataset", LISTS)
def test_no_subject_stands_in_two_splits(dataset):
    splits = {(row.group, row.split) for row in photos(dataset)}
    assert len(splits) == len({group for group, _ in splits})


@pytest.mark.parametrize("dataset", [name for name in LISTS if name.startswith("bundled-")])
def test_a_bundled_photograph_keeps_the_name_of_its_file(dataset):
    assert all(row.name == Path(row.path).name for row in photos(dataset))


def test_buckets_part_a_list():
    parts = [photos("debian-photos", [bucket]) for bucket in BUCKETS]
    assert [len(part) for part in parts] == [sum(numbers) for numbers in BUCKETS.values()]
    rows = photos("debian-photos")
    assert sorted(photo.name for part in parts for photo in part) == sorted(photo.name for photo in rows)
    two = photos("debian-photos", ["scenes", "buildings"])
    assert two == [photo for photo in rows if photo.bucket != "objects"]


def test_another_list_or_bucket_is_refused():
    with pytest.raises(InputError, match=f"asked for a list 'places'; accepted: {', '.join(LISTS)}"):
        photos("places")
    with pytest.raises(InputError, match="asked for bucket 'faces' of debian-photos; accepted: buildings, objects, sc"):
        photos("debian-photos", ["scenes", "faces"])


def test_a_group_in_two_splits_is_refused(tmp_path, monkeypatch):
    text = (listed.LISTS / "bundled-photos.csv").read_text(encoding="utf-8")
    assert text.count("motorcycle_right") > 0
    lines = [
        line.replace(",train,", ",test,") if "motorcycle_right" in line else line for line in text.splitlines(True)
    ]
    (tmp_path / "own.csv").write_text("".join(lines), encoding="utf-8")
    monkeypatch.setattr(listed, "LISTS", tmp_path)
    with pytest.raises(InputError, match=r"list own: group motorcycle is in two splits; accepted: each"):
        photos("own")


@pytest.mark.parametrize("name", ["bundled-photos", "bundled-science", "bundled-photos-large", "debian-photos",
                                  "debian-buildings", "debian-scenes", "debian-objects"])  # fmt: skip
def test_a_shipped_minimum_can_be_met_and_its_splits_are_not_empty(catalogue, name):
    entry = dataset(name, catalogue[name])
    assert 0 < entry.minimum <= len(listed.photos(entry))
    assert entry.makes() >= {"test"}
