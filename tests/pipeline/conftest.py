"""What `dvc repro` makes of the toy pipeline, which every other way of running it is compared with."""

import pytest

from pipeline.toy import Toy


@pytest.fixture(scope="session")
def expected(tmp_path_factory) -> dict[str, bytes]:
    """What `dvc repro` makes."""
    toy = Toy(tmp_path_factory.mktemp("plain") / "toy")
    toy.call("dvc", "repro")
    return toy.made()
