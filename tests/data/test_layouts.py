"""Official archives in miniature, through the shipped entries of datasets.yaml, from where they lie to shards."""

import copy
import csv
import hashlib
import io
import json
import shutil
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import HEADER, dataset, encoded, entry, make_deb, make_folder, make_tar, make_zip, noise, photograph
from palimpsest.config.yaml import InputError, build
from palimpsest.data import archives, debian, listed, packing
from palimpsest.data.catalogue import Slot, fetch, filled_slot
from palimpsest.data.crops import Crops
from palimpsest.data.sharding import split
from palimpsest.data.shards import Shard
from palimpsest.workspace import SlotFiles

SMALL = {"dataset": "any", "scale": None, "size": 16, "resize": "bilinear", "small": "enlarge", "crop": "centre"}


def config(**changes) -> Crops:
    return build(Crops, SMALL | changes, "")


def miniature(catalogue: dict, name: str, counts: dict[str, int], store: Path, site=None, **changes) -> Slot:
    """A slot with a shipped entry, of which nothing is changed but counts, sizes, hashes and addresses.

    An archive with a public address goes to the server `site` in place of its owner's; the others lie in `store`.
    """
    remotes = copy.deepcopy(catalogue[name]["archives"])
    for archive, remote in remotes.items():
        place = store / archive
        if remote["url"] is not None and site is not None:
            file = place.read_bytes()
            site.files[archive] = file
            remote |= {"url": site.address(archive), "bytes": len(file)}
            remote["hash"] = f"sha256:{hashlib.sha256(file).hexdigest()}"
            place.unlink()
        else:
            remote |= {"bytes": None, "hash": None}
    counts = catalogue[name]["counts"] | counts
    changed = entry(catalogue, name, archives=remotes, counts=counts, **changes)
    return filled_slot({name: changed}, name, [name])


@dataclass
class Made:
    """What the two stages leave of a slot."""

    folder: Path
    notice: str

    def ids(self, split: str) -> list[str]:
        return Shard(self.folder / "shards" / split).ids

    def picture(self, split: str, name: str) -> np.ndarray:
        shard = Shard(self.folder / "shards" / split)
        return np.array(shard[shard.ids.index(name)])

    @property
    def report(self) -> dict:
        return json.loads((self.folder / "report" / "report.json").read_text())

    @property
    def rejected(self) -> list[list[str]]:
        return list(csv.reader(io.StringIO((self.folder / "report" / "rejected.csv").read_text())))[1:]

    def counted(self, number: str) -> dict[str, int]:
        return {split: report[number] for split, report in self.report["splits"].items()}

    def pixels(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "shards").glob("*.bin")}


def make(slot: Slot, settings: Crops, folder: Path, store: Path, mirror: str | None = None) -> Made:
    notice = slot.entry.download(slot.dataset, folder / "raw", store, mirror)
    split(settings, slot, SlotFiles(folder), store, mirror, folder / "scratch", {})
    assert list((folder / "scratch").glob("split-*")) == []
    return Made(folder, notice)


@pytest.fixture
def store(tmp_path) -> Path:
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def centred(picture: Image.Image, size: int) -> np.ndarray:
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))


# ---- Places2

PLACES = {
    "data_large/a/airfield/00000001.jpg": photograph(1, 30, 40),
    "data_large/a/airfield/00000002.jpg": photograph(2, 40, 30),
    "data_large/s/swimming_pool/indoor/00000001.jpg": photograph(3, 30, 30),
    "data_large/s/swimming_pool/outdoor/00000001.jpg": photograph(4, 12, 20),  # smaller than the crop
    "data_large/z/zoo/00000001.jpg": photograph(5, 30, 40)[:300],  # cut short
}
PLACES_VAL = {f"val_large/Places365_val_{number:08}.jpg": photograph(10 + number, 30, 41) for number in range(1, 5)}


def places(store: Path) -> dict[str, int]:
    make_tar(store / "train_large_places365standard.tar", PLACES)
    make_tar(store / "val_large.tar", PLACES_VAL | {"val_large/Places365_val_00000005.jpg": PLACES[next(iter(PLACES))]})
    return {"train": 5, "test": 5}


def test_places2(tmp_path, catalogue, store, site):
    counts = places(store)
    made = make(miniature(catalogue, "places2", counts, store, site), config(), tmp_path / "scenes", store)
    assert made.ids("train") == ["a-airfield-00000002", "s-swimming_pool-indoor-00000001",
                                 "s-swimming_pool-outdoor-00000001"]  # fmt: skip
    assert made.ids("test") == made.ids("val") == [f"Places365_val_{number:08}" for number in range(1, 6)]
    assert made.counted("photographs") == {"train": 5, "val": 5, "test": 5}
    assert made.counted("rejected")["train"] == {"the same pixels as one of test": 1, "a file cut short or damaged": 1}
    assert made.counted("changed")["train"] == {"enlarged": 1}
    assert made.rejected == [
        ["train", "train_large_places365standard.tar/data_large/a/airfield/00000001.jpg",
         "the same pixels as one of test"],
        ["train", "train_large_places365standard.tar/data_large/z/zoo/00000001.jpg", "a file cut short or damaged"],
    ]  # fmt: skip
    test = opened(PLACES_VAL["val_large/Places365_val_00000003.jpg"])
    assert np.array_equal(made.picture("test", "Places365_val_00000003"), centred(test, 16))
    small = opened(PLACES["data_large/s/swimming_pool/outdoor/00000001.jpg"])
    enlarged = np.asarray(small.resize((27, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(made.picture("train", "s-swimming_pool-outdoor-00000001"), enlarged)
    archives = {each["name"]: each for each in made.report["origin"]["archives"]}
    assert set(archives) == {"train_large_places365standard.tar", "val_large.tar"}
    for name, each in archives.items():
        file = site.files[name]
        assert each == {"name": name, "bytes": len(file), "sha256": hashlib.sha256(file).hexdigest(),
                        "checked": "published"}  # fmt: skip
        assert (store / name).read_bytes() == file
    assert "academic research and education alone" in made.notice and "places2" in made.notice
    assert sorted(path.name for path in (tmp_path / "scenes" / "report").iterdir()) == [
        "rejected.csv", "report.json", "report.md", "test.jpg", "train.jpg", "val.jpg",
    ]  # fmt: skip


def test_folders_in_place_of_archives_give_the_same_pixels(tmp_path, catalogue, store):
    counts = places(store)
    archived = make(miniature(catalogue, "places2", counts, store), config(), tmp_path / "one", store)
    other = tmp_path / "unpacked"
    for name in ("train_large_places365standard.tar", "val_large.tar"):
        archives.unpack(store / name, other / name.removesuffix(".tar"))
    slot = miniature(catalogue, "places2", counts, store)
    for name in (*slot.entry.archives, *(f"{name}.sha256" for name in slot.entry.archives)):
        (store / name).unlink()
    unpacked = make(slot, config(), tmp_path / "other", store, mirror=str(other))
    assert unpacked.pixels() == archived.pixels()
    assert unpacked.ids("train") == archived.ids("train")
    assert not list(store.glob("*.tar"))
    assert {each["checked"] for each in unpacked.report["origin"]["archives"]} == {"pinned"}


def test_places2s_pair(tmp_path, catalogue, store):
    files = {
        f"data_large/{category}/{number:08}.jpg": photograph(100 * place + number, 20, 24)
        for place, category in enumerate(["b/beach", "m/mountain", "s/swimming_pool/indoor"])
        for number in range(1, 8)
    }
    make_tar(store / "train_large_places365challenge.tar", files)
    changes = {"split__categories": ["b/beach", "s/swimming_pool/indoor"], "split__val": 1, "split__test": 2}
    slot = miniature(catalogue, "places2-pair", {"train": 8, "val": 2, "test": 4}, store, **changes)
    made = make(slot, config(), tmp_path / "scenes", store)
    assert made.counted("used") == {"train": 8, "val": 2, "test": 4}
    ids = [name for split in ("train", "val", "test") for name in made.ids(split)]
    assert sorted(name.replace("data_large-", "") for name in ids) == sorted(
        name.removeprefix("data_large/").removesuffix(".jpg").replace("/", "-")
        for name in files if "mountain" not in name
    )  # fmt: skip
    assert sum("beach" in name for name in made.ids("test")) == 2
    assert made.report["left out"] == {"in no split": 7}


# ---- CelebA-HQ, CelebA


def test_celeba_hq_by_its_lists(tmp_path, catalogue, store, site):
    numbers = np.random.default_rng(1).permutation(12)
    pictures = {f"CelebAMask-HQ/CelebA-HQ-img/{number}.jpg": photograph(int(number), 32, 32) for number in range(12)}
    masks = {"CelebAMask-HQ/CelebAMask-HQ-mask-anno/0/00000_hair.png": encoded(noise(1, 16, 16)),
             "CelebAMask-HQ/README.txt": b"terms", "__MACOSX/CelebAMask-HQ/CelebA-HQ-img/._0.jpg": b"junk"}  # fmt: skip
    make_zip(store / "CelebAMask-HQ.zip", pictures | masks)
    for name, part in {"train_shuffled.flist": numbers[:9], "val_shuffled.flist": numbers[9:]}.items():
        (store / name).write_text("".join(f"{number}.jpg\n" for number in part))
    slot = miniature(catalogue, "celeba-hq", {"train": 9, "test": 3}, store, site)
    made = make(slot, config(scale=24, resize="bicubic"), tmp_path / "faces", store)
    for part, chosen in {"train": numbers[:9], "test": numbers[9:]}.items():
        assert made.ids(part) == [str(number) for number in range(12) if number in chosen]
    assert made.ids("val") == made.ids("test")
    assert made.report["left out"] == {"no picture by its ending": 3, "in no split": 1}
    checked = {each["name"]: each["checked"] for each in made.report["origin"]["archives"]}
    assert checked == {"CelebAMask-HQ.zip": "pinned", "train_shuffled.flist": "published",
                       "val_shuffled.flist": "published"}  # fmt: skip
    first = str(min(numbers[9:]))
    reference = opened(pictures[f"CelebAMask-HQ/CelebA-HQ-img/{first}.jpg"]).resize((24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(made.picture("test", first), centred(reference, 16))


def test_celeba_by_its_partition_at_deepfills_size(tmp_path, catalogue, store):
    pictures = {f"img_align_celeba/{number:06}.jpg": photograph(number, 218, 178) for number in range(1, 7)}
    make_zip(store / "img_align_celeba.zip", pictures)
    values = "001122"
    (store / "list_eval_partition.txt").write_text(
        "".join(f"{number:06}.jpg {value}\n" for number, value in enumerate(values, 1))
    )
    slot = miniature(catalogue, "celeba", {"train": 2, "val": 2, "test": 2}, store)
    made = make(slot, config(scale=[315, 256], size=256), tmp_path / "faces", store)
    assert {split: made.ids(split) for split in ("train", "val", "test")} == {
        "train": ["000001", "000002"], "val": ["000003", "000004"], "test": ["000005", "000006"],
    }  # fmt: skip
    assert made.picture("train", "000001").shape == (315, 256, 3)
    reference = opened(pictures["img_align_celeba/000006.jpg"]).resize((256, 315), Image.Resampling.BILINEAR)
    assert np.array_equal(made.picture("test", "000006"), centred(reference, 256))
    assert made.report["splits"]["val"]["changed"] == {"enlarged": 2}
    assert made.report["splits"]["val"]["height in px"] == {"least": 218, "median": 218, "largest": 218}


# ---- Paris StreetView, ImageNet, DTD


def test_paris_streetviews_small_test_pictures_are_enlarged(tmp_path, catalogue, store):
    train = {f"paris_train_original/48.85_2.35_{n}_-004.JPG": photograph(n, 53, 93) for n in range(3)}
    test = {f"paris_eval/paris_eval_gt/{n:03}_im.png": photograph(50 + n, 22, 22, "PNG") for n in range(1, 4)}
    holed = {f"paris_eval/paris_eval_corrupted/{n:03}_im.png": photograph(90 + n, 22, 22, "PNG") for n in range(1, 4)}
    make_zip(store / "paris-streetview.zip", train | test | holed | {"__MACOSX/paris_eval/paris_eval_gt/._1.png": b""})
    slot = miniature(catalogue, "paris-streetview", {"train": 3, "test": 3}, store)
    made = make(slot, config(scale=32, size=24), tmp_path / "facades", store)
    assert made.ids("test") == made.ids("val") == ["001_im", "002_im", "003_im"]
    assert made.ids("train") == [f"48.85_2.35_{n}_-004" for n in range(3)]
    assert made.report["left out"] == {"in no split": 3}
    assert made.counted("changed") == {"train": {}, "val": {"enlarged": 3}, "test": {"enlarged": 3}}
    reference = opened(test["paris_eval/paris_eval_gt/002_im.png"]).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(made.picture("test", "002_im"), centred(reference, 24))
    assert made.picture("train", "48.85_2.35_0_-004").shape == (32, 56, 3)  # 93 · 32/53 = 56.2
    assert "must not be passed on" in made.notice


def test_paris_streetview_below_a_folder_of_its_own(tmp_path, catalogue, store):
    files = {"Paris/paris_train_original/a.JPG": photograph(1), "Paris/paris_eval_gt/001_im.png": photograph(2)}
    make_zip(store / "paris-streetview.zip", files)
    made = make(
        miniature(catalogue, "paris-streetview", {"train": 1, "test": 1}, store), config(), tmp_path / "f", store
    )
    assert (made.ids("train"), made.ids("test")) == (["a"], ["001_im"])


def test_imagenets_grey_cmyk_and_small_pictures(tmp_path, catalogue, store):
    colour = Image.fromarray(noise(4, 20, 20)).convert("CMYK")
    files = [photograph(1, 20, 30), encoded(noise(2, 20, 30)[..., 0], "JPEG"), encoded(colour, "JPEG"),
             photograph(3, 10, 30), photograph(5, 20, 30)[:200], photograph(6, 20, 20, "PNG")]  # fmt: skip
    names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, 7)]
    make_tar(store / "ILSVRC2012_img_val.tar", dict(zip(names, files, strict=True)))
    made = make(miniature(catalogue, "imagenet", {"test": 6}, store), config(), tmp_path / "unseen", store)
    assert made.report["splits"].keys() == {"test"}
    assert made.ids("test") == [name.removesuffix(".JPEG") for name in names if name != names[4]]
    assert made.report["splits"]["test"]["changed"] == {"grey": 1, "CMYK": 1, "enlarged": 1}
    assert made.rejected == [["test", f"ILSVRC2012_img_val.tar/{names[4]}", "a file cut short or damaged"]]
    for place in (0, 1, 2, 5):
        assert np.array_equal(made.picture("test", names[place][:-5]), centred(opened(files[place]), 16))


def test_dtd_out_of_a_compressed_tar(tmp_path, catalogue, store, site):
    pictures = {f"dtd/images/{c}/{c}_{n:04}.jpg": photograph(place * 50 + n, 20, 20)
                for place, c in enumerate(["banded", "woven"]) for n in range(1, 21)}  # fmt: skip
    labels = {f"dtd/labels/train{n}.txt": b"banded/banded_0001.jpg\n" for n in range(1, 4)}
    make_tar(store / "dtd-r1.0.1.tar.gz", pictures | labels | {"dtd/imdb/imdb.mat": b"matlab"}, "gz")
    slot = miniature(catalogue, "dtd", {"train": 10, "test": 30}, store, site)
    made = make(slot, config(), tmp_path / "textures", store)
    assert made.counted("used") == {"train": 10, "val": 30, "test": 30}
    ids = made.ids("train") + made.ids("test")
    assert len(set(ids)) == 40
    assert {tuple(name.split("_")) for name in (name.rpartition("-")[2] for name in ids)} == {
        (c, f"{n:04}") for c in ("banded", "woven") for n in range(1, 21)
    }  # fmt: skip
    assert made.report["left out"] == {"no picture by its ending": 4}
    name = made.ids("test")[0]
    [file] = [file for path, file in pictures.items() if name.endswith(Path(path).stem)]
    assert np.array_equal(made.picture("test", name), centred(opened(file), 16))


# ---- what is refused


@pytest.mark.parametrize("name", ["places2", "celeba-hq", "celeba", "paris-streetview", "imagenet", "dtd"])
def test_terms_that_are_not_accepted_are_shown(catalogue, name):
    shown = entry(catalogue, name)
    with pytest.raises(InputError) as refusal:
        filled_slot({name: shown}, name, ["stamps"])
    assert shown.terms in str(refusal.value)
    assert f"`dvc exp run -S 'accepted_terms=[stamps, {name}]'`" in str(refusal.value)
    assert filled_slot({name: shown}, name, [name]).entry == shown


def test_the_terms_are_said_when_archives_are_fetched(tmp_path, catalogue, store, capsys):
    counts = places(store)
    slot = miniature(catalogue, "places2", counts, store)
    slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    assert slot.entry.terms in capsys.readouterr().out


def test_no_shipped_dataset_is_downloaded_without_consent(shipped, catalogue):
    """The default profile's data come from packages; all that has an owner's terms waits for a person."""
    used = {slot["dataset"] for slot in shipped["profiles"][shipped["profile"]]["slots"].values()}
    assert {catalogue[name]["rule"] for name in used} == {"listed"}
    rows = [photo for name in used for photo in listed.photos(dataset(name, catalogue[name]))]
    assert {photo.kind for photo in rows} == {"installed"}
    under_terms = {name for name, each in catalogue.items() if each["rule"] == "archived"}
    assert len(under_terms) >= 8 and under_terms.isdisjoint(shipped["accepted_terms"])


def test_an_archive_that_is_missing_says_how_it_is_had(tmp_path, catalogue, store):
    slot = miniature(catalogue, "imagenet", {"test": 1}, store)
    with pytest.raises(InputError, match=r"place ILSVRC2012_img_val\.tar in .*: https://image-net\.org/.*an account"):
        slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("name, page", [("val_large.tar", True), ("train_large_places365standard.tar", False)])
def test_a_download_that_is_refused_leaves_raw_empty(tmp_path, catalogue, store, site, name, page):
    slot = miniature(catalogue, "places2", places(store), store, site)
    site.files[name] = b"<html>quota" if page else site.files[name][::-1]
    with pytest.raises(InputError, match="page of HTML" if page else f"{name}: asked for sha256 .* found"):
        slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    assert not (tmp_path / "raw").exists() and not (store / name).exists()


def test_other_pictures_of_as_many_bytes_are_refused(tmp_path, catalogue, store):
    slot = miniature(catalogue, "places2", places(store), store)
    slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    archive = store / "val_large.tar"
    size = archive.stat().st_size
    make_tar(archive, {name: photograph(900 + number) for number, name in enumerate(PLACES_VAL)})
    with archive.open("ab") as file:
        file.truncate(size)
    with pytest.raises(InputError, match=r"val_large\.tar: asked for the .* accepted: those, or `dvc repro --force"):
        split(config(), slot, SlotFiles(tmp_path), store, None, tmp_path / "scratch", {})


def test_unfinished_work_is_of_one_set_of_photographs_and_settings(tmp_path, store, debian_list, monkeypatch):
    """Killed after packing with a package missing; with it, everything is packed anew and the old work is gone."""
    packages(store)
    removed = packing.remove
    monkeypatch.setattr(packing, "remove", lambda scratch: None)  # as if it were killed before
    tree = debian_list.entry.model_dump() | {"minimum": 3}
    slot = filled_slot({"own": dataset("own", tree)}, "own", [])
    (store / "toys_1.0_all.deb").rename(tmp_path / "away.deb")
    where = (store, None, tmp_path / "scratch")
    slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    split(config(), slot, SlotFiles(tmp_path), *where, {})
    [first] = (tmp_path / "scratch" / f"split-{tmp_path.name}").iterdir()
    monkeypatch.setattr(packing, "remove", removed)
    (tmp_path / "away.deb").rename(store / "toys_1.0_all.deb")
    for out in ("raw", "shards", "report"):
        shutil.rmtree(tmp_path / out)  # as DVC does before a stage runs
    slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    split(config(), slot, SlotFiles(tmp_path), *where, {})
    assert Shard(tmp_path / "shards" / "train").ids == ["hill-3", "hill-4", "hill-5", "toy-0", "toy-1", "toy-2"]
    assert not first.exists() and not list((tmp_path / "scratch").glob("split-*"))


def test_the_listed_version_of_a_package_is_preferred(tmp_path, store):
    for version in ("4%3a22.12.3-1", "4%3a23.0-1"):
        (store / f"palapeli-data_{version}_all.deb").write_bytes(version.encode())
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "palapeli-data_4%3a21.0-1_all.deb").write_bytes(b"old")
    found = partial(debian.fetch, "palapeli-data", store=store, mirror=str(tmp_path / "mirror"))
    assert found("4:22.12.3-1").read_bytes() == b"4%3a22.12.3-1"
    assert found("4:21.0-1").read_bytes() == b"old"
    assert found("4:1.0-1").read_bytes() == b"4%3a23.0-1"


def test_a_package_comes_from_a_mirrors_address(tmp_path, store, debian_list, site):
    packages(tmp_path)
    for deb in tmp_path.glob("*.deb"):
        site.files[deb.name.replace("%", "%25")] = deb.read_bytes()
    made = make(debian_list, config(), tmp_path / "slot", store, site.address(""))
    assert made.ids("train")[-1] == "toy-2" and len(list(store.glob("*.deb"))) == 2


@pytest.mark.parametrize("name", ["../evil.tar", "sub/evil.tar", "/evil.tar", ".hidden", ""])
def test_an_archive_stands_in_the_folder_of_archives(catalogue, name):
    tree = entry(catalogue, "imagenet").model_dump()
    tree["archives"] = {name: tree["archives"]["ILSVRC2012_img_val.tar"]}
    with pytest.raises(InputError, match=r"datasets\.yaml: imagenet\.archives"):
        dataset("imagenet", tree)


@pytest.mark.parametrize("changed", ["archive", "folder"])
def test_what_changed_since_the_download_is_refused(tmp_path, catalogue, store, changed):
    counts = places(store)
    if changed == "folder":
        archives.unpack(store / "val_large.tar", store / "val_large")
        (store / "val_large.tar").unlink()
    slot = miniature(catalogue, "places2", counts, store)
    slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    if changed == "folder":
        (store / "val_large" / "val_large" / "Places365_val_00000001.jpg").write_bytes(photograph(77))
    else:
        more = {f"val_large/Places365_val_1{number:07}.jpg": photograph(number) for number in range(20)}
        make_tar(store / "val_large.tar", PLACES_VAL | more)
    with pytest.raises(
        InputError, match=r"val_large.*: asked for the .* bytes that `download` found, sha256 .*, found"
    ):
        split(config(), slot, SlotFiles(tmp_path), store, None, tmp_path / "scratch", {})
    assert not (tmp_path / "shards").exists()


def test_a_truncated_archive_is_not_pinned(tmp_path, catalogue, store):
    files = {f"ILSVRC2012_val_{number:08}.JPEG": photograph(number) for number in range(1, 7)}
    whole = make_tar(store / "ILSVRC2012_img_val.tar", files)
    whole.write_bytes(whole.read_bytes()[:3000])
    slot = miniature(catalogue, "imagenet", {"test": 6}, store)
    with pytest.raises(InputError, match=r"ILSVRC2012_img_val\.tar: asked for a whole tar.*found one cut short"):
        slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    assert not (tmp_path / "raw").exists() and not list(store.glob("*.sha256"))


def test_a_split_names_its_dataset_when_it_is_refused(tmp_path, catalogue, store):
    counts = places(store)
    slot = miniature(catalogue, "places2", counts | {"train": 6}, store)
    slot.entry.download(slot.dataset, tmp_path / "raw", store, None)
    with pytest.raises(InputError, match="dataset places2: asked for 6 pictures to train, found 5; accepted: the"):
        split(config(), slot, SlotFiles(tmp_path), store, None, tmp_path / "scratch", {})


def test_a_dataset_of_masks_or_none_fills_no_slot(catalogue):
    masks = {"nvidia-masks": entry(catalogue, "nvidia-masks")}
    with pytest.raises(InputError, match="nvidia-masks holds no photographs; accepted: `python -m palimpsest fetch nv"):
        filled_slot(masks, "nvidia-masks", ["nvidia-masks"])
    with pytest.raises(InputError, match=r"asked for dataset 'places'; accepted: dtd$"):
        filled_slot(masks | {"dtd": entry(catalogue, "dtd")}, "places", [])


@pytest.mark.parametrize(
    ("name", "out", "said"),
    [
        ("mask", None, r"asked for the archives of 'mask'; accepted: dtd, stamps$"),
        ("mask", Path("out"), r"asked for the archives of 'mask'; accepted: stamps$"),
        ("dtd", Path("out"), r"dtd: asked to unpack photographs, .*; accepted: no --out, or one of stamps$"),
    ],
)
def test_fetch_offers_what_it_accepts(catalogue, name, out, said):
    datasets = {each: entry(catalogue, each) for each in ("bundled-photos", "dtd", "stamps")}
    with pytest.raises(InputError, match=said):
        fetch(datasets, [], name, Path(), None, out)


# ---- a folder of one's own

OWN = {f"{kind}/{number}.{ending}": photograph(place * 10 + number, 20, 24, form)
       for place, (kind, ending, form) in enumerate([("cats", "jpg", "JPEG"), ("dogs", "PNG", "PNG")])
       for number in range(5)}  # fmt: skip
RULES = [
    ({"by": "paths", "train": "cats/*", "val": None, "test": "dogs/*"}, {"train": 5, "test": 5}),
    ({"by": "lists", "train": "train.txt", "val": None, "test": "test.txt", "member": "{name}", "shift": 0},
     {"train": 2, "test": 1}),
    ({"by": "partition", "file": "part.txt", "member": "cats/{name}", "train": "a", "val": "b", "test": "c"},
     {"train": 1, "val": 1, "test": 1}),
    ({"by": "random", "of": "*", "seed": 1, "val": 2, "test": 3}, {"train": 5, "val": 2, "test": 3}),
    ({"by": "category", "of": "{category}/*", "categories": ["cats", "dogs"], "seed": 1, "val": 1, "test": 1},
     {"train": 6, "val": 2, "test": 2}),
]  # fmt: skip
TEXTS = {"train.txt": b"cats/1.jpg\ndogs/2.PNG\n", "test.txt": b"cats/3.jpg\n",
         "part.txt": b"0.jpg a\n1.jpg b\n2.jpg c\n"}  # fmt: skip


def own(folder: Path, rule: dict) -> Slot:
    tree = {"rule": "own", "folder": str(folder), "split": rule, "val_of_test": None,
            "counts": {"train": None, "val": None, "test": None}}  # fmt: skip
    return filled_slot({"own": dataset("own", tree)}, "own", [])


@pytest.mark.parametrize("rule, counts", RULES, ids=[rule["by"] for rule, _ in RULES])
def test_a_folder_of_ones_own(tmp_path, store, rule, counts):
    folder = make_folder(tmp_path / "pictures", OWN | TEXTS | {".DS_Store": b""})
    made = make(own(folder, rule), config(crop="tiles"), tmp_path / "slot", store)
    assert made.counted("used") == counts
    assert made.report["left out"].get("no picture by its ending") == 3
    assert sum(made.report["left out"].values()) == 13 - sum(counts.values())
    for part in counts:
        shard = Shard(tmp_path / "slot" / "shards" / part)
        for number, photo in enumerate(shard.photos):
            picture = opened(OWN[photo])
            wanted = np.asarray(picture)[2:18, 4:20] if part != "train" else np.asarray(picture)
            assert np.array_equal(shard[number], wanted)
    assert "folder of the user's own" in made.notice


def test_a_folder_with_too_few_pictures_is_refused_before_anything_is_made(tmp_path):
    """`own` does what `check` does."""
    folder = make_folder(tmp_path / "pictures", OWN)
    with pytest.raises(InputError, match=r"dataset own: split.test is 200 and split.val is 50, found 10 pictures; "):
        own(folder, {"by": "random", "of": "*", "seed": 1, "val": 50, "test": 200})


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"dataset own: asked for the folder .*nowhere, found no such folder"):
        own(tmp_path / "nowhere", RULES[0][0])


def test_an_empty_folder_is_refused(tmp_path, store):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found none among 0"):
        make(own(tmp_path / "empty", RULES[0][0]), config(), tmp_path / "slot", store)
    assert not (tmp_path / "slot").exists()


# ---- a list of photographs in Debian packages


def bundle(files: dict[str, bytes]) -> bytes:
    """A Qt resource bundle, version 1, of files at its root."""
    names, data, nodes = b"", b"", struct.pack(">IHII", 0, 2, len(files), 1)
    for name, file in files.items():
        nodes += struct.pack(">IHHHI", len(names), 0, 0, 0, len(data))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        data += struct.pack(">I", len(file)) + file
    head = struct.pack(">4s4I", b"qres", 1, 20, 20 + len(nodes), 20 + len(nodes) + len(data))
    return head + nodes + data + names


IN_HILLS = {f"usr/share/hills/{number}.jpg": photograph(number, 24, 32) for number in range(6)}
IN_BUNDLE = {f"{number}.png": photograph(20 + number, 24, 32, "PNG") for number in range(3)}


@pytest.fixture
def debian_list(tmp_path, monkeypatch) -> Slot:
    """Nine photographs in two packages: a .deb, and a bundle in a .deb; no apt-get."""
    rows = [[f"hill-{Path(path).stem}.jpg", "debian", "hills", "1:2.0-1", path, "hill", "scenes", f"h{place}",
             "test" if place < 3 else "train", "CC0", "H. Iker", hashlib.sha256(file).hexdigest()]
            for place, (path, file) in enumerate(IN_HILLS.items())]  # fmt: skip
    rows += [[f"toy-{path}", "debian", "toys", "1.0", f"usr/share/toys.rcc :: {path}", "toy", "objects",
              f"t{place}", "train", "GPL-2+", "T. Oymaker", hashlib.sha256(file).hexdigest()]
             for place, (path, file) in enumerate(IN_BUNDLE.items())]  # fmt: skip
    (tmp_path / "lists").mkdir()
    with (tmp_path / "lists" / "own-list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    monkeypatch.setattr(listed, "LISTS", tmp_path / "lists")
    monkeypatch.setattr(debian, "which", lambda program: None)
    listed._rows.cache_clear()
    tree = {"rule": "listed", "photographs": ["own-list"], "buckets": None, "minimum": 7}
    yield filled_slot({"own": dataset("own", tree)}, "own", [])
    listed._rows.cache_clear()


def packages(folder: Path, hills: dict[str, bytes] = IN_HILLS, toys: bool = True, version: str = "1%3a2.0-1") -> None:
    make_deb(folder / f"hills_{version}_all.deb", hills | {"usr/share/doc/copyright": b"CC0"})
    if toys:
        make_deb(folder / "toys_1.0_all.deb", {"usr/share/toys.rcc": bundle(IN_BUNDLE | {"other.png": b"x"})})


@pytest.mark.parametrize("place", ["store", "mirror"])
def test_a_list_of_debian_packages(tmp_path, store, debian_list, place):
    (tmp_path / "mirror").mkdir()
    packages(store if place == "store" else tmp_path / "mirror")
    made = make(debian_list, config(), tmp_path / "slot", store, str(tmp_path / "mirror"))
    assert made.ids("test") == ["hill-0", "hill-1", "hill-2"]
    assert made.ids("train") == ["hill-3", "hill-4", "hill-5", "toy-0", "toy-1", "toy-2"]
    assert np.array_equal(made.picture("test", "hill-1"), centred(opened(IN_HILLS["usr/share/hills/1.jpg"]), 16))
    assert np.array_equal(made.picture("train", "toy-2"), np.asarray(opened(IN_BUNDLE["2.png"])))
    assert made.notice.splitlines()[2] == "hill-0.jpg: H. Iker. CC0. From hills 1:2.0-1, usr/share/hills/0.jpg."
    assert made.notice.count("T. Oymaker. GPL-2+") == 3
    assert made.report["left out"] == {}


def test_another_release_of_a_package_loses_what_changed(tmp_path, store, debian_list):
    other = IN_HILLS | {"usr/share/hills/0.jpg": photograph(99)}
    del other["usr/share/hills/4.jpg"]
    packages(store, other, version="1%3a3.0-1")
    made = make(debian_list, config(), tmp_path / "slot", store)
    assert made.ids("test") == ["hill-1", "hill-2"]
    assert made.ids("train") == ["hill-3", "hill-5", "toy-0", "toy-1", "toy-2"]
    why = {"hill-0.jpg": "other than listed in the hills at hand", "hill-4.jpg": "not in the hills at hand"}
    assert json.loads((tmp_path / "slot" / "raw" / "left-out.json").read_text()) == why
    assert made.report["left out"] == dict.fromkeys(why.values(), 1)
    assert "hill-0.jpg" not in made.notice and "hill-1.jpg" in made.notice
    assert "| not in the hills at hand | 1 |" in (tmp_path / "slot" / "report" / "report.md").read_text()


def test_below_the_minimum_nothing_is_taken(tmp_path, store, debian_list, capsys):
    packages(store, toys=False)
    found = (
        r"dataset own: asked for 9 photographs, found 6 as listed \(3 of toys, which was not found\); accepted: 7 or"
    )
    with pytest.raises(InputError, match=found):
        debian_list.entry.download(debian_list.dataset, tmp_path / "slot" / "raw", store, None)
    assert f"toys: found no apt-get; accepted: toys_1.0_all.deb in {store}" in capsys.readouterr().err
    assert not (tmp_path / "slot" / "raw").exists()


def test_a_damaged_package_counts_as_missing(tmp_path, store, debian_list, capsys):
    packages(store)
    (store / "toys_1.0_all.deb").write_bytes(b"!<arch>\nhalf")
    with pytest.raises(InputError, match=r"found 6 as listed \(3 of toys"):
        debian_list.entry.download(debian_list.dataset, tmp_path / "slot" / "raw", store, None)
    assert "toys_1.0_all.deb: asked for a whole tar" in capsys.readouterr().err
    assert not (tmp_path / "slot" / "raw").exists()


def test_a_bucket_is_a_dataset(tmp_path, store, debian_list):
    packages(store)
    tree = debian_list.entry.model_dump() | {"buckets": ["scenes"], "minimum": 6}
    slot = filled_slot({"hills": dataset("hills", tree)}, "hills", [])
    made = make(slot, config(), tmp_path / "slot", store)
    assert made.counted("used") == {"train": 3, "test": 3}
    assert "Oymaker" not in made.notice
