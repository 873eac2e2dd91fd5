"""A small server with the interface of IOPaint, which fills holes with a colour and changes known pixels too."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from threading import Thread

import numpy as np
from PIL import Image

from server import Server

COLOUR = (200, 100, 50)  # RGB, of what it fills


@dataclass
class Painter:
    """What the server does, and what it was asked."""

    model: str | None = "lama"  # that it names; a server of another make may name none
    darker: int = 0  # by how much it changes every pixel that it leaves
    answers: list[tuple[int, bytes]] = field(default_factory=list)  # (status, body), before it behaves
    asked: list[dict] = field(default_factory=list)  # requests to fill a hole
    address: str = ""

    def fill(self, asked: dict) -> tuple[int, bytes]:
        self.asked.append(asked)
        if self.answers:
            return self.answers.pop(0)
        image, mask = (np.array(Image.open(BytesIO(base64.b64decode(asked[name])))) for name in ("image", "mask"))
        if image.shape[:2] != mask.shape:
            return 400, json.dumps({"error": "HTTPException", "detail": "sizes do not match"}).encode()
        kept = image.clip(self.darker) - np.uint8(self.darker)
        return 200, png(np.where(mask[..., None] > 127, np.uint8(COLOUR), kept))


def png(picture: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        model = self.server.painter.model
        known = self.path == "/api/v1/model" and model is not None
        self.answer(*((200, json.dumps({"name": model, "path": model}).encode()) if known else (404, b"{}")))

    def do_POST(self):
        assert self.path == "/api/v1/inpaint" and self.headers["Content-Type"] == "application/json"
        self.answer(*self.server.painter.fill(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(painter: Painter) -> Iterator[Painter]:
    """The painter at its address."""
    server = Server(("127.0.0.1", 0), Handler)
    server.painter = painter
    painter.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield painter
    server.shutdown()
    server.server_close()
