"""What these tests make on the spot: photographs, the archives that hold them, entries of datasets.yaml."""

import copy
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from palimpsest.config.yaml import build
from palimpsest.data.catalogue import Catalogue, Dataset
from palimpsest.data.shards import Row, write_index
from palimpsest.storage import replacing

HEADER = ["name", "kind", "package", "version", "path", "subject", "bucket", "group", "split", "licence", "credit",
          "sha256"]  # fmt: skip


def noise(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Smooth colours of its own for each seed, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(picture: np.ndarray | Image.Image, kind: str = "PNG", **how) -> bytes:
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **how)
    return file.getvalue()


def photograph(seed: int, height: int = 24, width: int = 32, kind: str = "JPEG") -> bytes:
    return encoded(noise(seed, height, width), kind)


def make_tar(path: Path, files: dict[str, bytes], compression: str = "") -> Path:
    """With an entry for each folder, as archives have that were made of one."""
    with tarfile.open(path, f"w:{compression}") as archive:
        folders = {str(parent) for name in files for parent in list(Path(name).parents)[:-1]}
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, contents in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(contents)
            archive.addfile(entry, io.BytesIO(contents))
    return path


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return path


def make_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, contents in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(contents)
    return path


def make_deb(path: Path, files: dict[str, bytes]) -> Path:
    """A Debian package: `ar` with debian-binary, control.tar.xz and data.tar.xz, whose names begin with ./"""
    data = make_tar(path.with_suffix(".data"), {f"./{name}": contents for name, contents in files.items()}, "xz")
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.read_bytes()}
    data.unlink()
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, contents in parts.items():
            file.write(b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name.encode(), 0, 0, 0, 0o100644, len(contents)))
            file.write(contents + b"\n" * (len(contents) % 2))
    return path


def entry(catalogue: dict, name: str, **changes):
    """A shipped entry of datasets.yaml, with changes by its keys; nested ones as `split__categories`."""
    tree = copy.deepcopy(catalogue[name])
    for key, value in changes.items():
        *way, last = key.split("__")
        inner = tree
        for step in way:
            inner = inner[step]
        assert last in inner
        inner[last] = value
    return dataset(name, tree)


def dataset(name: str, tree: dict) -> Dataset:
    """An entry of datasets.yaml as it is read."""
    return build(Catalogue, {name: tree}, "", "datasets.yaml").root[name]


class Everything:
    def __contains__(self, name):
        return True


def write_shard(stem: Path, pictures: Iterable[tuple[str, str, np.ndarray]]) -> None:
    """Writes (id, photo, uint8 (H, W, 3)) one after another; InputError when there are none."""
    rows: list[Row] = []
    with replacing(stem.with_suffix(".bin")) as temporary:
        with temporary.open("wb") as file:
            for name, photo, picture in pictures:
                pixels = np.ascontiguousarray(picture).tobytes()
                rows.append((name, photo, *picture.shape[:2], file.tell(), hashlib.sha256(pixels).hexdigest()))
                file.write(pixels)
        write_index(stem.with_suffix(".npy"), rows)
