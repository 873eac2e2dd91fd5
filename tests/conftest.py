"""What several tests share: the shipped settings, the bundled photographs as shards, the feature networks' weights."""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["PALIMPSEST_THREADS"] = "1"  # waiting threads cost more than they bring

import copy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest
import torch
from pytest import MonkeyPatch

from palimpsest import weights
from palimpsest.__main__ import main
from palimpsest.config.entry import in_one_line
from palimpsest.config.yaml import build, read_yaml, section
from palimpsest.data.catalogue import Dataset, filled_slot, read_catalogue
from palimpsest.data.crops import Crops
from palimpsest.data.sharding import split
from palimpsest.data.shards import Shard
from palimpsest.layers import torchvision_operators as torchvision_operators
from palimpsest.released.catalogue import Network
from palimpsest.released.catalogue import read_catalogue as read_networks
from palimpsest.storage import sha256
from palimpsest.weights import origins
from palimpsest.workspace import SlotFiles
from server import NAME, Handler, Server, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["reported", "on_record", "measuring"]

ROOT = Path(__file__).parents[1]

os.environ["PYTHONPATH"] = str(ROOT / "src")  # a process that a test starts runs this tree, whatever is installed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest comes first, so that no worker waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")


@pytest.fixture(scope="session")
def shipped() -> dict:
    return read_yaml(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def catalogue() -> dict:
    """The shipped datasets.yaml."""
    return read_yaml(ROOT / "datasets.yaml")


@pytest.fixture(scope="session")
def datasets() -> dict[str, Dataset]:
    """The shipped datasets."""
    return read_catalogue(ROOT / "datasets.yaml")


@pytest.fixture(scope="session")
def networks() -> dict[str, Network]:
    """The shipped released networks."""
    return read_networks(ROOT / "released.yaml")


@pytest.fixture
def params(shipped) -> dict:
    """The shipped settings, to be changed freely."""
    return copy.deepcopy(shipped)


@pytest.fixture(scope="session")
def crops(shipped) -> Crops:
    return build(Crops, section(shipped, "profiles", "tiny", "slots", "scenes"), "")


@pytest.fixture(scope="session")
def shards(tmp_path_factory, crops, datasets) -> Path:
    """A folder with the shards of bundled-photos at the tiny profile."""
    folder = tmp_path_factory.mktemp("data")
    slot = filled_slot(datasets, crops.dataset, [])
    slot.entry.download(slot.dataset, folder / "raw", folder / "archives", None)
    split(crops, slot, SlotFiles(folder), folder / "archives", None, folder / "scratch", {})
    return folder / "shards"


@pytest.fixture
def four(shards) -> tuple[np.ndarray, np.ndarray]:
    """Four test pictures, uint8 (4, 64, 64, 3), and a centred hole in each, bool (4, 64, 64)."""
    shard = Shard(shards / "test")
    holes = np.zeros((4, 64, 64), bool)
    holes[:, 20:44, 20:44] = True
    return np.stack([shard[i] for i in (0, 5, 13, 20)]), holes


@pytest.fixture
def palimpsest(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """(folder, *arguments) → exit status, standard output and error of the command line there, within this process."""

    def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["palimpsest", *arguments])
        status = 0
        try:
            in_one_line(main)
        except SystemExit as refusal:
            print(refusal.code, file=sys.stderr)
            status = 1
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory) -> Path:
    """AlexNet and VGG16; nothing else is to be had."""
    folder = tmp_path_factory.mktemp("weights")
    origins.fetch(origins.Config(folder=None, download=False), folder)
    origins.choose_perceptual(folder)
    return folder


@pytest.fixture
def features(weights_folder, monkeypatch) -> Path:
    """The weights as models find them."""
    monkeypatch.setattr(weights, "FOLDER", weights_folder)
    return weights_folder


@pytest.fixture(scope="session")
def random_inception(tmp_path_factory) -> Path:
    """A checkpoint for pytorch-fid's Inception whose random weights neither fade out nor blow up."""
    from pytorch_fid import inception

    with patch.object(inception, "load_state_dict_from_url"), patch.object(torch.nn.Module, "load_state_dict"):
        network = inception.fid_inception_v3()
    generator = torch.Generator().manual_seed(0)
    for value in network.parameters():
        if value.ndim == 4:
            torch.nn.init.kaiming_normal_(value, nonlinearity="relu", generator=generator)
    folder = tmp_path_factory.mktemp("inception")
    torch.save(network.state_dict(), folder / "random.pth")
    return (folder / "random.pth").rename(folder / f"random-{sha256(folder / 'random.pth')[:8]}.pth")


@pytest.fixture(scope="session")
def folder_with_inception(random_inception, tmp_path_factory) -> Path:
    """A weights folder with the random Inception in place of the real one."""
    folder = tmp_path_factory.mktemp("weights")
    with MonkeyPatch.context() as patched:
        stand_in = origins.Published(f"http://nowhere.invalid/{random_inception.name}", "")
        patched.setitem(origins.NETWORKS, "inception", stand_in)
        origins.fetch(origins.Config(folder=str(random_inception.parent), download=False), folder)
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The headless browser of the machine; what needs it is skipped where there is none."""
    from playwright.sync_api import sync_playwright

    if not (program := shutil.which("chromium")):
        pytest.skip("Chromium is not installed")
    quiet = ["disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", *(f"--{word}" for word in quiet)]
        )
        yield browser
        browser.close()


@pytest.fixture
def site(monkeypatch) -> Iterator[Site]:
    """A web server on this machine, with a file."""
    monkeypatch.setenv("no_proxy", "*")
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(url=f"http://127.0.0.1:{server.server_port}/{NAME}")
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.site
    server.site.resume.set()
    server.shutdown()
    server.server_close()
