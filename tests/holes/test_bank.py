import hashlib
import json

import numpy as np
import pytest

from palimpsest.config.yaml import InputError, build
from palimpsest.holes.bank import read_bank, write_bank
from palimpsest.holes.kinds import Holes, fixed_hole

NAMES = ["a", "b", "c"]


@pytest.fixture
def few(holes):
    return holes.only(["rectangle", "brush", "centre-50"])


@pytest.mark.parametrize("size", [64, 61])
def test_a_bank_gives_back_its_holes_byte_for_byte(few, tmp_path, size):
    write_bank(few, NAMES, size, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == {"rectangle.npz", "brush.npz", "centre-50.npz", "index.json"}
    for kind in few.names:
        bank = read_bank(tmp_path, kind, 3)
        assert len(bank) == 3 and bank[:].dtype == bool and bank[:].shape == (3, size, size)
        assert (bank[np.array([2, 0])] == bank[:][[2, 0]]).all()
        np.testing.assert_allclose(bank.ratios, bank[:].mean(axis=(1, 2)))
        assert all((bank[i] == fixed_hole(few, kind, name, size)).all() for i, name in enumerate(NAMES))
    write_bank(few, NAMES, size, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_the_index_tells_what_the_bank_holds(few, tmp_path):
    write_bank(few, NAMES, 64, tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    assert list(index) == few.names
    assert index["centre-50"] == {
        "count": 3,
        "sha256": hashlib.sha256(np.packbits(read_bank(tmp_path, "centre-50", 3)[:], axis=-1).tobytes()).hexdigest(),
        **dict.fromkeys(("mean", "min", "max"), round(45**2 / 64**2, 6)),
    }
    ratios = read_bank(tmp_path, "brush", 3)[:].mean(axis=(1, 2))
    found = [index["brush"][name] for name in ("mean", "min", "max")]
    assert found == pytest.approx([ratios.mean(), ratios.min(), ratios.max()], abs=1e-6)


def test_kinds_of_an_earlier_bank_go(few, tmp_path):
    write_bank(few, NAMES, 64, tmp_path)
    write_bank(few.only(["brush"]), NAMES, 64, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["brush.npz", "index.json"]


def test_a_bank_that_does_not_fit_is_refused(few, tmp_path):
    write_bank(few, NAMES, 64, tmp_path)
    path = tmp_path / "rectangle.npz"
    with pytest.raises(InputError, match=r"rectangle\.npz: found 3 holes for 24 pictures; `dvc repro` makes it"):
        read_bank(tmp_path, "rectangle", 24)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"rectangle\.npz: asked for arrays, found a file that is cut short"):
        read_bank(tmp_path, "rectangle", 3)
    with pytest.raises(InputError, match=r"other\.npz: asked for arrays, found no file"):
        read_bank(tmp_path, "other", 3)
    np.savez(path, pictures=np.zeros(3))
    with pytest.raises(InputError, match=r"rectangle\.npz: asked for holes and their width, found pictures"):
        read_bank(tmp_path, "rectangle", 3)


def test_a_kind_that_misses_everything_is_refused_and_the_bank_stays(tmp_path, holes):
    few = holes.only(["rectangle"])
    write_bank(few, ["a", "b"], 64, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    huge = {**holes.kind("object").model_dump(), "radius": [900, 900]}
    everything = {"rectangle": few.kind("rectangle").model_dump(), "full": huge}
    with pytest.raises(InputError, match=r"holes\.kinds\.full: every pixel of a is missing; accepted: holes with both"):
        write_bank(build(Holes, {"seed": 2, "kinds": everything}, ""), ["a", "b"], 64, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
