"""A released network against pictures that it filled: made here by weights of our own, on a server of our own."""

import io
from http.server import ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

from building import enliven, made
from palimpsest.config.yaml import InputError
from palimpsest.evaluation.verifying import verify
from palimpsest.inpainting import predict, to_tensors
from palimpsest.released.catalogue import Gold
from server import Handler, Site


@pytest.fixture
def served():
    """(site, address): files that a test adds are served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = Site(files={})
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.site, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def png(array):
    Image.fromarray(array).save(file := io.BytesIO(), "PNG")
    return file.getvalue()


@pytest.fixture
def model(params):
    params["runs"]["crfill"]["settings"]["generator"]["width"] = 8
    model = made(params, "crfill", size=64)
    enliven(model.networks["generator"].state_dict())
    model.networks.eval()
    return model


def publish(site, address, model, four, bits="truncated", **changes):
    """Two pictures as authors publish them, holes painted over; the gold that names them."""
    pictures, holes = (each[:2] for each in four)
    with torch.inference_mode():
        values = predict(model, *to_tensors(pictures, holes)).clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
    assert values.std() > 10
    levels = (np.floor if bits == "truncated" else np.round)(values).astype(np.uint8)
    for number, (picture, hole, filled) in enumerate(zip(pictures, holes, levels, strict=True)):
        result = np.where(hole[..., None], filled, picture).astype(np.int16)
        result = result + changes.get("shift", 0) * hole[..., None]
        result[~hole] += changes.get("known", 0)
        site.files |= {
            f"{number}-in.png": png(np.where(hole[..., None], 255, picture).astype(np.uint8)),
            f"{number}-hole.png": png(np.repeat(hole[..., None].astype(np.uint8) * 255, 3, 2)),
            f"{number}-out.png": png(result.clip(0, 255).astype(np.uint8)),
        }
    about = {"source": address, "pictures": ["0", "1"], "missing": "white", "bits": bits}
    return Gold(**about, image="{}-in.png", hole="{}-hole.png", result="{}-out.png")


@pytest.mark.parametrize("bits", ["truncated", "rounded"])
def test_the_network_that_made_the_pictures_agrees(served, model, four, tmp_path, bits):
    gold = publish(*served, model, four, bits)
    for found in verify(model, gold, tmp_path, None, "cpu"):
        assert found.levels.shape == (24 * 24, 3) and found.levels.max() == 0
        assert found.agrees and found.known == 0
        assert "1,728 hole values, 100.00% equal" in str(found)


def test_another_way_to_eight_bits_is_one_level_at_most(served, model, four, tmp_path):
    gold = publish(*served, model, four, "rounded").model_copy(update={"bits": "truncated"})
    found, _ = verify(model, gold, tmp_path, None, "cpu")
    assert found.levels.max() == 1 and found.agrees


def test_another_network_is_noticed_and_where(served, model, four, tmp_path):
    gold = publish(*served, model, four)
    for value in model.networks["generator"].parameters():
        value.data.mul_(1.02)
    found, _ = verify(model, gold, tmp_path, None, "cpu")
    assert not found.agrees and found.beyond > 0
    y, x = found.places[found.levels.max(1).argmax()]
    assert 20 <= y < 44 and 20 <= x < 44 and f"at row {y}, column {x}" in str(found)


def test_known_pixels_that_are_not_the_pictures_are_counted(served, model, four, tmp_path):
    gold = publish(*served, model, four, known=3)
    found, _ = verify(model, gold, tmp_path, None, "cpu")
    assert found.agrees and found.known > 64 * 64
    assert "known values of the authors' result are not those of their picture" in str(found)


def test_pictures_that_cannot_be_had_are_named(served, model, four, tmp_path):
    gold = publish(*served, model, four)
    del served[0].files["1-out.png"]
    found = verify(model, gold, tmp_path, None, "cpu")
    next(found)
    with pytest.raises(InputError, match=r"1-out\.png: asked for 1-out\.png, found no answer with it \(status 404\)"):
        next(found)
