"""The demo's page. It needs Gradio, which nothing else here imports, and asks for nothing beyond this machine."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import gradio
import numpy as np
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.demo.filling import SUGGESTED, Methods, painted

HERE = "127.0.0.1"
THEME = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
HEAD = """# Palimpsest
Open or paste a picture, paint over what is to be filled, choose methods and press Fill. All other pixels stay exactly
as they are. In a picture of *where it looks*, a colour says where a place takes its patch from: hue is the direction,
white the place itself.
"""


def serve(methods: Methods, port: int) -> None:
    """Shows the page to this machine alone until it is stopped, and removes what the page has written."""
    with TemporaryDirectory(prefix="palimpsest-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        blocks = page(methods, Path(folder))
        try:
            address = launch(blocks, port)
        except (OSError, OverflowError) as error:
            raise InputError(f"--port: asked for {port}, which cannot be had; accepted: a port that is free") from error
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        print(f"the page is at {address}; Ctrl-C stops it")
        blocks.block_thread()


def launch(blocks: gradio.Blocks, port: int | None) -> str:
    """Starts the server and returns the page's address; without a port it takes one that is free."""
    _, address, _ = blocks.launch(
        server_name=HERE,
        server_port=port,
        share=False,
        theme=THEME,
        footer_links=[],
        quiet=True,
        prevent_thread_lock=True,
    )
    return address


def page(methods: Methods, folder: Path) -> gradio.Blocks:
    """The page, whose results are files in a folder until the browser saves them."""

    def fill(drawn: dict | None, names: list[str]) -> Iterator[tuple[list, list]]:
        """The results and what the methods show, at first none and then more after each method."""
        results, inside = [], []
        yield results, inside
        try:
            if not names:
                raise InputError("asked for methods, found none; accepted: one or more of those offered")
            picture, hole = painted(drawn["background"] if drawn else None, drawn["layers"] if drawn else [])
        except InputError as error:
            raise gradio.Error(str(error), print_exception=False) from error
        place = Path(mkdtemp(dir=folder))
        for name in names:
            try:
                made = methods.fill(name, picture, hole)
            except InputError as error:
                gradio.Warning(f"{name}: {error}")
                continue
            results.append((written(made.result, place, name), made.caption(name)))
            shown = made.inside.items()
            inside += [(written(each, place, f"{name}, {what}"), f"{name}: {what}") for what, each in shown]
            yield results, inside

    with gradio.Blocks(title="Palimpsest", analytics_enabled=False, fill_width=True) as blocks:
        gradio.Markdown(HEAD)
        with gradio.Row():
            editor = gradio.ImageEditor(
                label="picture and hole",
                sources=["upload", "clipboard"],
                format="png",
                brush=gradio.Brush(colors=["#ff00ff"], color_mode="fixed"),
                layers=False,
                transforms=[],
                buttons=[],
                height=480,
                elem_id="editor",
                scale=2,
            )
            with gradio.Column():
                suggested = [name for name in methods.names if name in SUGGESTED] or methods.names[:1]
                chosen = gradio.CheckboxGroup(methods.names, value=suggested, label="methods")
                button = gradio.Button("Fill", variant="primary")
        results, inside = (
            gradio.Gallery(
                label=label,
                columns=4,
                object_fit="contain",
                interactive=False,
                buttons=["download", "download_all", "fullscreen"],
                elem_id=label.split()[0],
            )
            for label in ("results", "inside the methods")
        )
        button.click(fill, [editor, chosen], [results, inside])
    return blocks


def written(picture: np.ndarray, place: Path, name: str) -> Path:
    """The PNG file of a picture."""
    file = place / f"{name.replace('/', '-')}.png"
    Image.fromarray(picture).save(file)
    return file
