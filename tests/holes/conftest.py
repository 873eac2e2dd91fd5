import pytest

from palimpsest.config.yaml import build
from palimpsest.holes.kinds import Holes


@pytest.fixture(scope="session")
def holes(shipped) -> Holes:
    """The shipped kinds of holes."""
    return build(Holes, shipped["holes"], "holes")
