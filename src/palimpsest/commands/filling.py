"""Holes of anyone's pictures, filled: `inpaint` and `demo`."""

import argparse
from pathlib import Path

from palimpsest.commands.asked import (
    Commands,
    add_reading,
    asked_patterns,
    asked_reading,
    check_run,
    chosen_device,
    runs_that_fill,
)
from palimpsest.config.yaml import InputError, one_of, read_yaml
from palimpsest.workspace import Workspace


def add(commands: Commands) -> None:
    command = commands.add_parser("inpaint", help="fill the holes of one picture, or of a folder, of any size")
    command.add_argument("--run", required=True, help="a trained run, pretrained network, or released/NAME")
    command.add_argument("--image", required=True, type=Path, help="picture, or a folder of them")
    command.add_argument("--hole", required=True, type=Path, help="picture of its size, or a folder: white is missing")
    command.add_argument(
        "--out", required=True, type=Path, help="where the result goes: .png, .tif or .bmp, or a folder"
    )
    add_reading(command, "holes")
    command.set_defaults(run_command=inpaint)

    command = commands.add_parser("demo", help="paint a hole on a page, and see what methods make of it")
    command.add_argument("--run", nargs="+", default=[], help="methods to offer; all that are trained when left out")
    command.add_argument("--port", default=7860, type=int, help="of this machine; 7860 when left out")
    command.set_defaults(run_command=demo)


def inpaint(arguments: argparse.Namespace) -> None:
    """Fills the holes of one picture, or of a folder of pictures, with a trained run and writes the results."""
    from palimpsest.evaluation import inpainted
    from palimpsest.evaluation.inputs import refuse_left_out
    from palimpsest.training import checkpoints

    check_run(params := read_yaml("params.yaml"), arguments.run)
    patterns = asked_patterns(arguments.pattern, ["holes", "images"])
    inputs, place = inpainted.asked(arguments.image, arguments.hole, arguments.out, patterns, asked_reading(arguments))
    device = chosen_device()
    model, _ = checkpoints.load_named(Workspace(), params, arguments.run, device)
    inpainted.fill(model, inputs, place, device)
    for note in inputs.notes():
        print(note)
    refuse_left_out(inputs.left_out, len(inputs.names) - len(inputs.left_out), "filled", inputs.advice())


def demo(arguments: argparse.Namespace) -> None:
    """Shows a page on this machine: paint a hole, and see what methods make of it."""
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        needed = "`pip install --no-deps -r requirements-demo.txt` before"
        raise InputError(f"demo: asked for a page, found no Gradio to show it with; accepted: {needed}")
    known = runs_that_fill(params := read_yaml("params.yaml"))
    for name in arguments.run:
        one_of(name, known, "--run")

    from palimpsest.demo.filling import Methods, ready

    methods = Methods(params, arguments.run or ready(Workspace(), known), chosen_device(), Workspace())
    for name in arguments.run:
        methods.load(name)

    from palimpsest.demo.page import serve

    serve(methods, arguments.port)
