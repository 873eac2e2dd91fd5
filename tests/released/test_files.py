"""Released files give their tensors, and nothing that they hold besides is ever run."""

import collections
import os
import pickle
import zipfile
from dataclasses import dataclass

import pytest
import torch

from palimpsest.config.yaml import InputError
from palimpsest.released import read
from palimpsest.released.files import read_tensors

STATE = {"conv.weight": torch.arange(6.0).view(1, 6, 1, 1), "conv.bias": torch.ones(1)}


@pytest.fixture
def flat():
    return read("crfill")


def layout(flat, **changes):
    return flat.model_copy(update=changes)


def test_a_plain_state_is_read(flat, tmp_path):
    torch.save(collections.OrderedDict(STATE), path := tmp_path / "a.pth")
    found = read_tensors(flat, [path], None)
    assert found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_legacy_file_is_read(flat, tmp_path):
    torch.save(STATE, path := tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert read_tensors(flat, [path], None).keys() == STATE.keys()


def test_a_state_inside_others_is_read_and_what_is_beside_it_is_not(flat, tmp_path):
    torch.save({"n_iter": 7, "net": {"G": STATE}, "optimize": {"step": 3}}, path := tmp_path / "a.pth")
    assert read_tensors(layout(flat, within=["net", "G"]), [path], None).keys() == STATE.keys()
    with pytest.raises(
        InputError, match=r"a\.pth: asked for tensors under 'model', found the keys n_iter, net, optimize"
    ):
        read_tensors(layout(flat, within=["model"]), [path], None)


def test_a_file_in_an_archive_is_read(flat, tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    with zipfile.ZipFile(path := tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.pth", "models/a.pth")
    assert read_tensors(flat, [path], "models/a.pth").keys() == STATE.keys()
    with pytest.raises(InputError, match=r"asked for 'models/b\.pth', found no such file"):
        read_tensors(flat, [path], "models/b.pth")


class Harmful:
    """Would make a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [torch.save, lambda tree, path: path.write_bytes(pickle.dumps(tree, 4))])
def test_a_pickle_that_asks_for_code_is_refused_by_name_and_not_run(flat, tmp_path, save):
    save({**STATE, "more": Harmful(tmp_path / "made")}, path := tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: .*a pickle that asks for posix\.mkdir, which may run code"):
        read_tensors(flat, [path], None)
    assert not (tmp_path / "made").exists()


@dataclass
class Callback:
    """What a training library keeps beside the tensors."""

    best: float


def test_named_objects_of_a_library_are_read_as_nothing(flat, tmp_path):
    name = f"{Callback.__module__}.{Callback.__qualname__}"
    torch.save(
        {"state_dict": STATE, "callbacks": {Callback: {"best": 1.0}, "last": Callback(2.0)}}, path := tmp_path / "a"
    )
    with pytest.raises(InputError, match=f"a pickle that asks for {name}"):
        read_tensors(layout(flat, within=["state_dict"]), [path], None)
    assert read_tensors(layout(flat, within=["state_dict"], inert=[name]), [path], None).keys() == STATE.keys()


def test_code_in_a_legacy_file_is_refused_by_name(flat, tmp_path):
    tree = {**STATE, "more": Harmful(tmp_path / "made")}
    torch.save(tree, path := tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"a\.pth: .*a pickle that asks for posix\.mkdir, which may run code"):
        read_tensors(flat, [path], None)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("key", [5, "epoch"])
def test_what_is_no_tensor_is_named(flat, tmp_path, key):
    torch.save({**STATE, key: STATE["conv.bias"] if key == 5 else 3}, path := tmp_path / "a.pth")
    with pytest.raises(InputError, match=rf"asked for tensors by name, found a \w+ under {key!r}"):
        read_tensors(flat, [path], None)


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"mpv": "grey"}', '{"mpv": 3}', '{"mpv": ["a", "b", "c"]}', '{"mpv": [1, 2]}']
)
def test_a_colour_that_is_none_is_refused(tmp_path, text):
    torch.save(STATE, path := tmp_path / "model_cn")
    (beside := tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json: asked for JSON with three numbers under 'mpv'"):
        read_tensors(read("gl-otenim"), [path, beside], None)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00", b"<html>quota reached</html>", b"PK\x03\x04" + bytes(90)])
def test_what_is_no_pytorch_file_is_refused(flat, tmp_path, content):
    (path := tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth: asked for "):
        read_tensors(flat, [path], None)


def test_a_file_of_something_else_is_refused(flat, tmp_path):
    torch.save([1, 2], path := tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: asked for tensors by name, found a list"):
        read_tensors(flat, [path], None)
