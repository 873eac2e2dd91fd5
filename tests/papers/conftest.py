import shutil

import pytest

from palimpsest.papers.metrics import PAPERS


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped specs, to be spoilt."""
    for path in PAPERS.iterdir():
        if path.suffix in (".yaml", ".csv"):
            shutil.copy(path, tmp_path)
    return tmp_path
