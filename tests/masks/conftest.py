import pytest

from palimpsest import masks
from palimpsest.config import build


@pytest.fixture(scope="session")
def holes(shipped) -> masks.Config:
    """The shipped kinds of holes."""
    return build(masks.Config, shipped["holes"], "holes")
