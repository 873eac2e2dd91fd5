"""Every released file fits our networks, key by key and shape by shape; the keys and shapes lie beside this file."""

import csv
from pathlib import Path

import pytest

from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.models import create, without_values
from palimpsest.released import NEVER_NEEDED, available, read

SHIPPED = read_yaml(Path(__file__).parents[2] / "params.yaml")
SIZE = 256


def released(name: str) -> dict[str, tuple[int, ...]]:
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8") as file:
        return {
            row["key"]: tuple(map(int, row["shape"].split("x"))) if row["shape"] != "scalar" else ()
            for row in csv.DictReader(file)
        }


def test_every_list_of_keys_has_its_layout():
    assert available() == sorted(file.stem for file in Path(__file__).parent.glob("*.csv"))


@pytest.mark.parametrize("name", available())
def test_every_key_is_one_of_our_tensors_and_every_tensor_has_its_key(name):
    layout = read(name)
    with without_values():
        model = create(layout.made(SHIPPED), layout.size or SIZE)
    ours = {
        f"{network}.{key}": tuple(value.shape)
        for network in layout.networks
        for key, value in model.networks[network].state_dict().items()
        if not key.endswith(NEVER_NEEDED)
    }
    theirs = {key: (layout.place(key), layout.shape(shape)) for key, shape in released(name).items()}
    placed = [place for place in theirs.values() if place[0] is not None and not place[0].endswith(NEVER_NEEDED)]
    assert sorted(placed) == sorted(ours.items())


def test_a_file_that_nobody_released_is_named():
    with pytest.raises(InputError, match="no released file 'gl-otenin'; accepted: "):
        read("gl-otenin")
