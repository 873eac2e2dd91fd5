"""Every released file fits our networks, key by key and shape by shape."""

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.released import FOLDER, available, read


def test_every_list_of_keys_has_its_layout():
    assert available() == sorted(file.stem for file in (FOLDER / "keys").glob("*.csv"))


def test_a_file_that_nobody_released_is_named():
    with pytest.raises(InputError, match="no released file 'gl-otenin'; accepted: "):
        read("gl-otenin")
