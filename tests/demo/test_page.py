"""The demo's page as a person uses it, in headless Chromium."""

import socket
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from palimpsest.config import runs
from palimpsest.demo.filling import Methods
from palimpsest.models import create
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("gradio"), reason="Gradio is not installed: see requirements-demo.txt"),
]
NAMES = ["constant-fill", "deepfill-v2"]


@pytest.fixture
def opened(tmp_path, shipped, chromium, monkeypatch):
    """The page with two untrained methods, and the hosts that the browser and the server have asked."""
    from palimpsest.demo.page import launch, page

    asked, connect = set(), socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: (asked.add(to[0]), connect(self, to))[1])
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    workspace = Workspace(tmp_path)
    for name in NAMES:
        run = runs.resolve(shipped, name)
        checkpoints.save(workspace.run(name).weights, create(run, 64), checkpoints.Origin(run, "", 64, ""))
    (tmp_path / "cache").mkdir()
    blocks = page(Methods(shipped, NAMES, "cpu", workspace), tmp_path / "cache")
    address = launch(blocks, None)
    view = chromium.new_page(viewport={"width": 1400, "height": 1000})
    view.on("request", lambda request: asked.add(request.url.split("/")[2].split(":")[0] or "127.0.0.1"))
    view.goto(address)
    yield view, asked
    view.close()
    blocks.close(verbose=False)


def test_a_painted_hole_is_filled_by_each_method_and_nothing_else_changes(opened, tmp_path):
    page, asked = opened
    picture = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    page.get_by_role("button", name="Fill").click()
    page.get_by_text("asked for a picture, found none").wait_for()
    page.locator("#editor input[type=file]").first.set_input_files(tmp_path / "picture.png")
    page.get_by_label("Brush Size").wait_for()
    box = page.locator("#editor canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 30, y - 20)
    page.mouse.down()
    page.mouse.move(x + 30, y + 20, steps=6)
    page.mouse.up()
    page.get_by_role("button", name="Fill").click()
    page.locator("#results .caption-label", has_text="deepfill-v2").wait_for()
    captions = page.locator("#results .caption-label, #inside .caption-label").all_inner_texts()
    assert [caption.split(": ")[0] for caption in captions] == [*NAMES, *["deepfill-v2"] * 3]
    assert {caption.split(": ")[1] for caption in captions[2:]} >= {"coarse", "where it looks"}
    page.locator("#results .thumbnail-item").last.click()
    with page.expect_download() as download:
        page.locator("#results").get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "deepfill-v2.png"
    result = np.asarray(Image.open(download.value.path()))
    changed = (result != picture).any(2)
    assert result.shape == picture.shape and 0.01 < changed.mean() < 0.5
    assert changed[60, 100] and not changed[[0, -1]].any()
    assert asked == {"127.0.0.1"}
