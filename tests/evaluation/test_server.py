"""A server that fills holes: what it is asked, what is made of its answers, and how it fails."""

import base64
import socket
from io import BytesIO
from threading import Event

import numpy as np
import pytest
from PIL import Image

from iopaint import COLOUR, Painter, png, serving
from palimpsest.config.yaml import InputError, build
from palimpsest.evaluation.external import Made
from palimpsest.inpainting import composite

RESULTS = {"kind": "server", "path": "runs/nothing", "model": "lama", "in_hole": "grey", "request": {}, "timeout": 60}
AT = r"^params\.yaml: external\.theirs\.results\.address: asked http://127\.0\.0\.1:\d+ for "


@pytest.fixture
def painter(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with serving(Painter(darker=10)) as painter:
        yield painter


def results(painter: Painter, **changes) -> dict:
    return {**RESULTS, "address": painter.address, **changes}


def test_a_server_is_measured_raw_and_with_the_known_pixels_put_back(painter, measured):
    found = measured(results(painter))
    raw = np.where(found.holes[..., None], np.uint8(COLOUR), found.pictures - np.uint8(10))
    assert (found.outputs == raw).all()
    assert (found.results == composite(raw, found.pictures, found.holes)).all()
    means, colour = found.metrics["holes"]["rectangle"], np.abs(found.pictures.astype(float) - np.array(COLOUR))
    missing = found.holes[..., None]
    assert means["l1"] == pytest.approx((colour * missing).mean() / 255)
    assert means["l1_raw"] == pytest.approx((colour * missing + 10 * ~missing).mean() / 255)
    assert found.metrics["model"] == "lama, named by its server"


def test_it_is_sent_each_picture_once_without_what_is_missing(painter, measured):
    request = {"sd_seed": 7, "sd_keep_unmasked_area": False, "prompt": ""}
    found = measured(results(painter, request=request, in_hole="white", address=painter.address + "/"))
    assert len(painter.asked) == 3
    for asked, picture, hole in zip(painter.asked, found.pictures, found.holes, strict=True):
        assert asked.keys() == {"image", "mask", *request} and request.items() <= asked.items()
        image, mask = (np.array(Image.open(BytesIO(base64.b64decode(asked[name])))) for name in ("image", "mask"))
        assert (image == np.where(hole[..., None], np.uint8(255), picture)).all()
        assert mask.dtype == np.uint8 and (mask == hole * 255).all()


def test_another_model_than_the_sections_is_refused_and_none_is_said(painter, measured):
    painter.model = None
    assert measured(results(painter)).metrics["model"] == "lama, which its server did not confirm"
    painter.model = "mat"
    asked = len(painter.asked)
    with pytest.raises(
        InputError, match=r"results\.model is 'lama', and http://.* runs 'mat'; accepted: the model tha"
    ):
        measured(results(painter))
    assert len(painter.asked) == asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (500, b'{"error": "OutOfMemoryError",\n "detail": ""}'),
            r'status 500 \(\{"error": "OutOfMemoryError", "detail"',
        ),
        ((200, b"<html>"), r"an answer that is no picture \(cannot identify image file"),
        ((200, png(np.zeros((36, 35, 3), np.uint8))), r"RGB, 35 x 36 px; accepted: RGB, 36 x 36 px"),
        ((200, png(np.zeros((36, 36), np.uint8))), r"L, 36 x 36 px; accepted: RGB, 36 x 36 px"),
        ((200, png(np.zeros((36, 36, 3), np.uint8))[:-30]), r"an answer that is no picture"),
    ],
)
def test_an_answer_that_is_no_such_picture_ends_in_one_line(painter, measured, tmp_path, answer, said):
    painter.answers = [answer]
    with pytest.raises(InputError, match=f"{AT}rectangle/picture-0, found {said}") as refused:
        measured(results(painter))
    assert len(str(refused.value).splitlines()) == 1 and not (tmp_path / "results").exists()


def test_no_server_and_one_that_is_too_slow_end_in_one_line(painter, measured, monkeypatch):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        silent = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(
            InputError, match=rf"{AT}its model, found no answer \(.*refused.*\); accepted: a server that"
        ):
            measured(results(painter, address=silent))
    ended = Event()
    monkeypatch.setattr(Painter, "fill", lambda self, asked: ended.wait() and (200, b""))
    with pytest.raises(InputError, match=r"found no answer \(.*timed out.*\); .* there, within 0\.2 s \(timeout\)$"):
        measured(results(painter, timeout=0.2))
    ended.set()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"address": "127.0.0.1:8080"}, r"results\.address is '127\.0\.0\.1:8080'; accepted: an address, such as http"),
        ({"path": "a.onnx"}, r"results\.path is 'a\.onnx'; accepted: 'runs/nothing'"),
        (
            {"request": {"mask": "a"}},
            r"results\.request: holds mask, which is each picture's own; accepted: further keys",
        ),
        ({"timeout": 0}, r"results\.timeout is 0; accepted: a number above 0"),
        ({"model": ""}, r"results\.model is ''; accepted: text of 1 character or more"),
    ],
)
def test_a_server_that_cannot_be_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        build(Made, {"results": {**RESULTS, "address": "http://127.0.0.1:8080", **changes}}, "")


def test_check_asks_no_server():
    silent = {**RESULTS, "address": "http://nowhere.invalid:8080"}
    build(Made, {"results": silent}, "").results.check(["rectangle"])
