"""A server that fills holes, with the interface of IOPaint (github.com/Sanster/IOPaint, iopaint/api.py).

`POST /api/v1/inpaint` takes JSON with `image` and `mask`, 8-bit PNG in base64, RGB and grey, 255 where pixels are
missing, and answers with an 8-bit RGB PNG. `GET /api/v1/model` names the model.
"""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
import requests
import torch
from PIL import Image
from pydantic import AfterValidator, Field, JsonValue, PositiveFloat

from palimpsest.config.yaml import InputError, Settings, spelt
from palimpsest.evaluation.filling import Filled
from palimpsest.inpainting import to_pixels, to_tensors
from palimpsest.layers.compositing import HoleColour, cover

LONGEST = 300  # characters of a server's error


def _further(request: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if given := sorted(request.keys() & {"image", "mask"}):
        raise ValueError(f"holds {given[0]}, which is each picture's own; accepted: further keys of the request")
    return request


class Server(Settings):
    """`results` of kind `server`."""

    kind: Literal["server"]
    path: Literal["runs/nothing"]  # DVC depends on it, as on the files of other kinds; it never changes
    address: spelt(r"https?://[^\s/?#]+\S*", "an address, such as http://127.0.0.1:8080")
    model: Annotated[str, Field(min_length=1)]  # that it runs, as it names it
    in_hole: HoleColour  # of the picture that it is sent
    request: Annotated[dict[str, JsonValue], AfterValidator(_further)]  # its further keys, such as seed and steps
    timeout: PositiveFloat  # seconds without an answer, for each picture

    def check(self, kinds: Sequence[str]) -> None:
        """Nothing: the server is asked when its results are measured."""

    def open(self, at: str, device: torch.device | str) -> "InpaintingServer":
        """The server, which must run; `at` names the section in errors."""
        return InpaintingServer(self, at)


class InpaintingServer:
    """A server at work; InputError where it runs another model than it should."""

    def __init__(self, config: Server, at: str):
        self.config, self.at = config, at
        self.maker = self._confirmed()

    def fill(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> Filled:
        """Asks for one picture after the other; InputError without an answer, or for one that is no such picture."""
        image, hole = to_tensors(pictures, holes)
        shown = to_pixels(cover(image, hole, self.config.in_hole))
        outputs = [self._filled(f"{kind}/{name}", *arrays) for name, *arrays in zip(ids, shown, holes, strict=True)]
        return Filled(ids, pictures, holes, np.stack(outputs))

    def _confirmed(self) -> str:
        """The model as the server names it, or as params.yaml does where the server names none."""
        answer = self._ask("GET", "model", "its model")
        if answer.status_code == 404:
            return f"{self.config.model}, which its server did not confirm"
        try:
            name = self._good(answer, "its model").json()["name"]
        except (ValueError, TypeError, KeyError) as error:
            raise self._refusal("its model", "an answer without a name") from error
        if name != self.config.model:
            found = f"{self.at}.model is {self.config.model!r}, and {self.config.address} runs {name!r}"
            raise InputError(f"{found}; accepted: the model that it runs")
        return f"{name}, named by its server"

    def _filled(self, name: str, shown: np.ndarray, hole: np.ndarray) -> np.ndarray:
        sent = {"image": _png(shown), "mask": _png(hole.astype(np.uint8) * 255)}
        answer = self._good(self._ask("POST", "inpaint", name, json=self.config.request | sent), name)
        try:
            with Image.open(BytesIO(answer.content)) as picture:
                found, result = f"{picture.mode}, {picture.width} x {picture.height} px", np.array(picture)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise self._refusal(name, f"an answer that is no picture ({error})") from error
        if result.shape != shown.shape or result.dtype != np.uint8:
            raise self._refusal(name, f"{found}; accepted: RGB, {shown.shape[1]} x {shown.shape[0]} px")
        return result

    def _ask(self, method: str, route: str, what: str, **body) -> requests.Response:
        address = f"{self.config.address.rstrip('/')}/api/v1/{route}"
        try:
            return requests.request(method, address, timeout=self.config.timeout, **body)
        except requests.RequestException as error:
            accepted = f"a server that answers there, within {self.config.timeout:g} s (timeout)"
            raise self._refusal(what, f"no answer ({error}); accepted: {accepted}") from error

    def _good(self, answer: requests.Response, what: str) -> requests.Response:
        if answer.status_code != 200:
            said = " ".join(answer.text.split())[:LONGEST]
            raise self._refusal(what, f"status {answer.status_code} ({said})")
        return answer

    def _refusal(self, what: str, found: str) -> InputError:
        return InputError(f"{self.at}.address: asked {self.config.address} for {what}, found {found}")


def _png(pixels: np.ndarray) -> str:
    """uint8 (H, W, 3) or (H, W) as PNG in base64."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
