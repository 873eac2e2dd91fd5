import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.figures.draw import KINDS, draw_all
from palimpsest.figures.grids import colour_code, colour_wheel
from palimpsest.papers.figures import FigureSpec
from palimpsest.results.samples import read_samples
from reported import every_drawing


def colour(dy, dx):
    """The colour of one offset where it is the largest."""
    return colour_code(np.array([[[dy]], [[dx]]]))[0, 0].astype(int)


def test_the_wheel_has_the_steps_of_the_flow_benchmark():
    wheel = colour_wheel()
    assert wheel.shape == (55, 3)
    assert wheel[0].tolist() == [1, 0, 0] and wheel[15].tolist() == [1, 1, 0] and wheel[21].tolist() == [0, 1, 0]
    assert wheel[25].tolist() == [0, 1, 1] and wheel[36].tolist() == [0, 0, 1] and wheel[49].tolist() == [1, 0, 1]


def test_white_is_the_patch_itself_and_saturation_the_length():
    assert colour(0, 0).tolist() == [255, 255, 255]
    offsets = np.array([[[0, 1, 2, 4]], [[0, 1, 2, 4]]])
    saturation = 255 - colour_code(offsets)[0].astype(int).min(1)
    assert saturation[0] == 0 and (np.diff(saturation) > 0).all() and saturation[-1] >= 254


def test_pink_is_bottom_left_and_green_top_right_as_in_the_paper():
    red, green, blue = colour(5, -5)
    assert red > 200 and blue > 150 and green < 60
    red, green, blue = colour(-5, 5)
    assert green > 200 and red < 150 and blue < 150


def test_each_kind_of_figure_has_a_function():
    specs = get_args(get_args(FigureSpec)[0])
    assert {get_args(spec.model_fields["kind"].annotation)[0] for spec in specs} == KINDS.keys()


@pytest.mark.slow
def test_every_figure_is_drawn_and_equal_inputs_give_equal_bytes(fake):
    for folder in ("one", "two"):
        drawings = draw_all(fake.root, fake.measured, fake.root / folder)
    names = {path.name for path in (fake.root / "one").iterdir()}
    assert names >= {
        f"{name}.{end}"
        for name in ("deepfill-v1-qualitative", "deepfill-v1-curves", "holes-scenes-preview", "holes-scenes-ratios")
        for end in ("png", "pdf")
    }
    for name in names:
        assert (fake.root / "one" / name).read_bytes() == (fake.root / "two" / name).read_bytes(), name
    assert all(about["caption"] and about["title"] for about in drawings)
    assert [about["name"] for about in drawings] == [d.name for d in every_drawing(fake)]
    assert np.ptp(np.asarray(Image.open(fake.root / "one" / "deepfill-v1-qualitative.png").convert("L"))) > 200


def test_a_run_that_is_absent_is_left_out_and_named(fake):
    (fake.root / "results" / "deepfill-v1-baseline" / "metrics.json").unlink()
    drawing = every_drawing(fake)[0]
    assert any("baseline is left out" in line and "not run" in line for line in drawing.absent)


def test_external_results_and_other_holes_do_not_disturb(fake):
    fake.external("theirs", "Their method")
    shutil.rmtree(fake.root / "runs" / "theirs")
    before = every_drawing(fake)
    fake.write("patchmatch", kinds=["brush"])
    after = every_drawing(fake)
    assert [drawing.name for drawing in before] == [drawing.name for drawing in after]
    assert not any("PatchMatch" in line for line in before[0].absent)
    assert any(line.startswith("PatchMatch is left out") for line in after[0].absent)


def test_what_a_run_does_not_show_is_said(fake):
    progress = {d.name: d for d in every_drawing(fake)}["deepfill-v1-progress"]
    assert progress.figure is not None and not progress.absent
    np.savez(fake.root / "runs" / "deepfill-v1" / "samples.npz")
    log = fake.root / "runs" / "deepfill-v1-baseline" / "log.json"
    log.write_text("[]")
    drawings = {d.name: d for d in every_drawing(fake)}
    assert drawings["deepfill-v1-progress"].figure is None
    assert drawings["deepfill-v1-progress"].absent == ["run deepfill-v1 kept no pictures of its training"]
    assert any("deepfill-v1-dcgan is left out: not yet run" in line for line in drawings["deepfill-v1-curves"].absent)


def test_runs_that_kept_other_pictures_are_refused(fake):
    path = fake.root / "results" / "patchmatch" / "samples.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "index": arrays["index"] + 1})
    with pytest.raises(InputError, match=r"samples\.npz: found other pictures"):
        read_samples(fake.root, fake.measured, "scenes", "rectangle")


def test_the_captions_can_be_kept_as_json(fake):
    about = [drawing.about for drawing in every_drawing(fake)]
    assert json.loads(json.dumps(about)) == about


STUCK = """
import os, time
from pathlib import Path
from palimpsest.config.entry import in_one_line
from palimpsest.figures import draw

def stuck():
    os.write(1, f"{os.getpid()} ".encode())
    time.sleep(60)
    yield

draw.all_parts = lambda *_: [stuck]
in_one_line(lambda: draw.draw_all(Path(), None, Path()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_stage_ends_its_workers(number):
    stage = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    worker = b""
    while not worker.endswith(b" "):
        assert stage.poll() is None
        worker += stage.stdout.read(1)
    stage.send_signal(number)
    _, said = stage.communicate(timeout=60)
    assert stage.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert said.decode() == ("" if number == signal.SIGKILL else "stopped; nothing was left half written\n")
    deadline = time.monotonic() + 60
    while Path(f"/proc/{int(worker)}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
