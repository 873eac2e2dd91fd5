"""Results that another tool left in a folder, and what a section of `external` is."""

import numpy as np
import pytest
from PIL import Image

from palimpsest.config.yaml import InputError, build
from palimpsest.evaluation.external import External
from palimpsest.inpainting import composite

SECTION = {"label": "Theirs", "source": "a page", "slot": "scenes", "holes": ["rectangle"]}
FOLDER = {"kind": "folder", "path": "theirs"}


@pytest.fixture
def folder(tmp_path):
    """Grey results that lie where the section says."""
    (tmp_path / "theirs" / "rectangle").mkdir(parents=True)
    for number in range(3):
        path = tmp_path / "theirs" / "rectangle" / f"picture-{number}.png"
        Image.fromarray(np.full((36, 36, 3), 128, np.uint8)).save(path)
    return tmp_path / "theirs" / "rectangle"


def test_a_folder_is_measured_raw_and_with_the_known_pixels_put_back(folder, measured):
    found = measured(FOLDER)
    grey = np.full_like(found.pictures, 128)
    assert (found.outputs == grey).all()
    assert (found.results == composite(grey, found.pictures, found.holes)).all()
    means = found.metrics["holes"]["rectangle"]
    assert means["l1_raw"] == pytest.approx(np.abs(grey - found.pictures.astype(float)).mean() / 255)
    assert means["l1"] == pytest.approx(np.abs(found.results - found.pictures.astype(float)).mean() / 255)
    assert 0 < means["l1"] < means["l1_raw"]
    assert found.metrics["model"] == "a folder of results"


def test_a_result_of_another_size_or_none_is_refused(folder, measured):
    Image.fromarray(np.zeros((36, 18, 3), np.uint8)).save(folder / "picture-1.png")
    with pytest.raises(InputError, match=r"result and picture are 18 x 36 px and 36 x 36 px; accepted: equal sizes"):
        measured(FOLDER)
    (folder / "picture-1.png").unlink()
    with pytest.raises(InputError, match="rectangle/picture-1: asked for one picture of this name, found none"):
        measured(FOLDER)


def test_a_section_is_told_apart_by_all_but_its_label():
    def fingerprint(**changes) -> str:
        return build(External, {**SECTION, "results": FOLDER, **changes}, "").fingerprint

    assert fingerprint(label="Ours") == fingerprint()
    assert len({fingerprint(), fingerprint(source="b"), fingerprint(results={**FOLDER, "path": "other"})}) == 3


def test_an_unknown_kind_of_results_is_named_with_those_that_there_are():
    with pytest.raises(InputError, match=r"results\.kind is 'zip'; accepted: folder, onnx, torchscript, server"):
        build(External, {**SECTION, "results": {"kind": "zip", "path": "a"}}, "")
