import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palimpsest.config import runs
from palimpsest.evaluation.inpainted import PIXELS
from palimpsest.models import create
from palimpsest.training import checkpoints

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, shipped):
    """A folder with untrained runs, a picture and a hole."""
    for file in ("params.yaml", "runtime.yaml"):
        (tmp_path / file).write_text((ROOT / file).read_text())
    for name in ("deepfill-v1", "constant-fill"):
        run = runs.resolve(shipped, name)
        origin = checkpoints.Origin(run, "bundled-photos", 64, "")
        checkpoints.save(tmp_path / "runs" / name / "weights.safetensors", create(run, 64), origin)
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    hole = np.zeros((50, 70), np.uint8)
    hole[10:30, 20:40] = 255
    Image.fromarray(picture).save(tmp_path / "picture.png")
    Image.fromarray(hole).save(tmp_path / "hole.png")
    return tmp_path


def inpaint(**changes: str) -> list[str]:
    """The arguments that fill the hole in the project's picture."""
    options = {"run": "deepfill-v1", "image": "picture.png", "hole": "hole.png", "out": "result.png", **changes}
    return ["inpaint", *(word for name, value in options.items() for word in (f"--{name}", value))]


@pytest.mark.parametrize("arguments", [inpaint(), inpaint(run="deepfill-v9")])
def test_a_process_of_its_own_ends_and_prints_as_a_call_does(project, palimpsest, arguments):
    command = [sys.executable, "-m", "palimpsest", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=project, check=False)
    assert (run.returncode, run.stdout, run.stderr) == palimpsest(project, *arguments)


@pytest.mark.slow
def test_models_prints_the_counts_of_the_paper(palimpsest):
    _, printed, _ = palimpsest(ROOT, "models", "--profile", "paper")
    lines = printed.splitlines()
    start = lines.index("deepfill-v1  (profile paper, deepfill_v1.py, places2 at 256 px)")
    assert lines[start + 1].split() == ["generator", "3,601,542"]
    start = lines.index("deepfill-v1-baseline  (profile paper, deepfill_v1.py, places2 at 256 px)")
    assert lines[start + 1].split() == ["generator", "2,896,454"]
    _, printed, _ = palimpsest(ROOT, "models")
    assert printed.startswith("tmad-coarse  (profile tiny, tmad_coarse.py, bundled-photos at 64 px)\n")


def test_models_refuses_an_unknown_profile(palimpsest):
    status, printed, said = palimpsest(ROOT, "models", "--profile", "huge")
    assert (status, printed) == (1, "")
    assert said.startswith("error: params.yaml: profiles.huge is missing; found here: tiny, small, ")


@pytest.mark.parametrize("name", ["deepfill-v1", "constant-fill"])
def test_inpaint_fills_the_hole_and_nothing_else(project, palimpsest, name):
    assert palimpsest(project, *inpaint(run=name)) == (0, "holes: 11.4% missing\n", "")
    picture, hole, result = (np.asarray(Image.open(project / f"{n}.png")) for n in ("picture", "hole", "result"))
    assert (result[hole == 0] == picture[hole == 0]).all()
    assert (result[hole == 255] != picture[hole == 255]).any()


@pytest.mark.parametrize(
    ("option", "make", "said"),
    [
        (
            "run",
            lambda folder: "deepfill-v9",
            "--run: found 'deepfill-v9'; accepted: deepfill-v2, deepfill-v1, ",
        ),
        (
            "run",
            lambda folder: "gm-srm-memory",
            "--run: found 'gm-srm-memory'; accepted: gm-srm-base, gm-srm, ",
        ),
        (
            "run",
            lambda folder: "lama",
            "found 'lama'; accepted: released/lama, the released network of this name",
        ),
        ("run", lambda folder: "runs/gl", "found a path, runs/gl; accepted: --run gl\n"),
        ("run", lambda folder: "patchmatch", "no such checkpoint; `dvc repro train@patchmatch` makes it"),
        ("run", lambda folder: "tmad-coarse", "no such checkpoint; `dvc repro pretrain@tmad-coarse` makes it"),
        ("run", lambda folder: "released/crfill", "keep to the licence; `dvc exp run -S profile=photos -S released"),
        (
            "pattern",
            lambda folder: "hole={name}_mask",
            "--pattern hole={name}_mask: found 'hole'; accepted: holes, images",
        ),
        ("run", lambda folder: "big-lama.pt", "external with its path, then `dvc repro external@NAME`"),
        ("run", lambda folder: "runs/tmad/weights.safetensors", "weights.safetensors; accepted: --run tmad"),
        ("run", lambda folder: str(folder / "runs/tmad/seed-2/weights.safetensors"), "; accepted: --run tmad\n"),
        ("run", lambda folder: "runs/deepfill-v1", "found a path, runs/deepfill-v1; accepted: --run deepfill-v1\n"),
        ("image", lambda folder: "none.png", "none.png: asked for a picture or a folder of pictures, found"),
        ("image", lambda folder: "params.yaml", "found no readable picture"),
        ("hole", lambda folder: "picture.png", "asked for a hole, found colours; accepted: black and"),
        (
            "hole",
            lambda folder: save(folder, np.zeros((50, 71), np.uint8)),
            "the hole is 71 x 50 px, the picture 70 x 50",
        ),
        ("hole", lambda folder: save(folder, np.zeros((50, 70), np.uint8)), "every pixel is known"),
        ("hole", lambda folder: save(folder, np.full((50, 70), 255, np.uint8)), "every pixel is missing"),
        (
            "hole",
            lambda folder: save(folder, np.eye(50, 70, dtype=np.uint8) * 100),
            "every pixel is known, and 1% of them are grey",
        ),
        ("hole", lambda folder: ".", "picture.png is a file, . is a folder; accepted: two files or two folders"),
        ("out", lambda folder: "picture.png", "picture.png: asked to write the result over the picture"),
        ("out", lambda folder: f"{folder.resolve()}/hole.png", "hole.png: asked to write the result over the hole"),
        ("out", lambda folder: "result.jpg", "result.jpg: accepted: a name that ends in .png, .tif"),
    ],
)
def test_inpaint_refuses_in_one_line(project, palimpsest, option, make, said):
    (project / "result.png").write_bytes(b"what was there")
    status, _, error = palimpsest(project, *inpaint(**{option: make(project)}))
    assert status == 1
    assert error.startswith("error: ") and said in error and error.count("\n") == 1
    assert (project / "result.png").read_bytes() == b"what was there"


def save(folder, hole):
    Image.fromarray(hole).save(folder / "other.png")
    return "other.png"


@pytest.fixture
def folders(project):
    """Pictures of two sizes, one of them in a folder below, and their holes, one of which is missing."""
    draw = np.random.default_rng(1)
    for name, size in {"a": (50, 70), "sub/b": (33, 41), "c": (50, 70), "sub/grey": (33, 41), "lonely": (9, 9)}.items():
        for folder in ("pictures", "masks"):
            (project / folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = draw.integers(0, 256, size if "grey" in name else (*size, 3), np.uint8)
        Image.fromarray(picture).save(project / "pictures" / f"{name}.PNG")
        hole = np.zeros(size, np.uint8)
        hole[5:15, 8:20] = 255
        if name != "lonely":
            Image.fromarray(np.dstack([hole] * 4)).save(project / "masks" / f"{name}_mask.tif")
    return {"image": "pictures", "hole": "masks", "out": "results"}


@pytest.mark.parametrize("pixels", [1, 10**6])
def test_inpaint_fills_a_folder_as_it_fills_each_picture(project, palimpsest, folders, monkeypatch, pixels):
    """One after the other as on a CPU, or equal sizes together as on a GPU, which may round a level otherwise."""
    monkeypatch.setitem(PIXELS, "cpu", pixels)
    command = [*inpaint(**folders), "--pattern", "{name}_mask"]
    status, printed, error = palimpsest(project, *command)
    why = "lonely: masks/lonely: asked for one picture of this name, found none"
    assert status == 1 and error == f"error: filled 4 pictures, left out 1:\n  {why}\n"
    low, high = 120 / 50 / 70, 120 / 33 / 41
    of = f"on average of 4 pictures, from {low:.1%} to {high:.1%}"
    assert printed == f"holes: {(low + high) / 2:.1%} missing {of}\nimages: grey (1); read as upright 8-bit RGB\n"
    for name in ("c", "sub/grey"):
        one = inpaint(image=f"pictures/{name}.PNG", hole=f"masks/{name}_mask.tif", out="one.png")
        assert palimpsest(project, *one)[0] == 0
        alone, filled = (
            np.asarray(Image.open(project / path)).astype(int) for path in ("one.png", f"results/{name}.png")
        )
        known = np.ones(filled.shape[:2], bool)
        known[5:15, 8:20] = False
        assert (filled[known] == alone[known]).all() and np.abs(filled - alone).max() <= (pixels > 1)


@pytest.mark.parametrize("out", ["pictures", "masks/results", "results.png"])
def test_results_of_a_folder_go_to_a_folder_elsewhere(project, palimpsest, folders, out):
    status, _, error = palimpsest(project, *inpaint(**folders | {"out": out}))
    said = f"error: {out}: asked to write the results of a folder there; accepted: a folder elsewhere\n"
    assert (status, error) == (1, said)


def test_an_inverted_hole_shows_and_can_be_inverted(project, palimpsest):
    hole = np.asarray(Image.open(project / "hole.png"))
    save(project, 255 - hole)
    printed = palimpsest(project, *inpaint(hole="other.png"))[1]
    assert printed == "holes: 88.6% missing; --invert if black is missing\n"
    assert palimpsest(project, *inpaint(hole="other.png"), "--invert")[1] == "holes: 11.4% missing\n"


def test_one_inverted_hole_among_others_is_named(project, palimpsest, folders):
    for name in ("a", "sub/b"):
        hole = np.asarray(Image.open(project / "masks" / f"{name}_mask.tif"))[..., 0]
        Image.fromarray(255 - hole).save(project / "masks" / f"{name}_mask.tif")
    (project / "pictures" / "lonely.PNG").unlink()
    command = [*inpaint(**folders), "--pattern", "{name}_mask"]
    printed = palimpsest(project, *command)[1]
    remedy = "if these masks are inverted, save them like the others"
    said = f"\nholes: more than half is missing in the masks of a, sub/b; {remedy}\n"
    assert said in printed
    assert "more than half is missing in the masks of c, sub/grey;" in palimpsest(project, *command, "--invert")[1]


def test_an_inversion_that_was_not_needed_shows(project, palimpsest):
    printed = palimpsest(project, *inpaint(), "--invert")[1]
    assert printed == "holes: 88.6% missing; without --invert if white is missing\n"


def test_a_hole_that_only_alpha_shows_is_told(project, palimpsest):
    hole = np.asarray(Image.open(project / "hole.png"))
    save(project, np.dstack([np.where(hole > 0, level, 0).astype(np.uint8) for level in (200, 30, 30, 255)]))
    said = "holes: missing in the masks of picture is what is opaque; with --invert, what is not\n"
    assert palimpsest(project, *inpaint(hole="other.png"))[1].endswith(said)
    said = "holes: missing in the masks of picture is what is transparent; without --invert, what is opaque\n"
    assert palimpsest(project, *inpaint(hole="other.png"), "--invert")[1].endswith(said)
    assert "opaque" not in palimpsest(project, *inpaint(hole="other.png"), "--holes-in", "alpha")[1]


def test_a_pattern_is_offered_also_where_some_names_pair(project, palimpsest, folders):
    (project / "masks" / "a_mask.tif").rename(project / "masks" / "a.tif")
    status, _, error = palimpsest(project, *inpaint(**folders))
    assert status == 1 and error.startswith("error: filled 1 picture, left out 7:\n")
    assert error.splitlines()[-1] == "--pattern holes='{name}_mask' pairs some of these"


def test_inpaint_refuses_a_checkpoint_that_is_cut_short(project, palimpsest):
    path = project / "runs" / "deepfill-v1" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    status, _, error = palimpsest(project, *inpaint())
    assert status == 1
    assert "weights.safetensors: not a whole checkpoint of this project" in error and error.count("\n") == 1


def test_another_trees_package_is_refused(project, palimpsest):
    (project / "src" / "palimpsest").mkdir(parents=True)
    status, _, error = palimpsest(project, "models")
    assert status == 1
    assert error.startswith(f"error: asked to run {project / 'src' / 'palimpsest'}, found {ROOT}")
    assert error.count("\n") == 1


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "palimpsest", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""  # a small process between, as a child's peak begins with the memory of the process that started it


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deepfill-v1", "crfill", "deepfill-v2"])
def test_a_large_picture_takes_memory_by_its_pixels(project, shipped, name):
    """Attention compares all patches: at once, 6,120 × 6,120 scores, and as many again for each step, pass 1 GiB."""
    height, width = 544, 720
    run = runs.resolve(shipped, name, "paper")
    origin = checkpoints.Origin(run, "places2", 256, "")
    checkpoints.save(project / "runs" / name / "weights.safetensors", create(run, 256), origin)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(project / "picture.png")
    hole = np.zeros((height, width), np.uint8)
    hole[150:400, 250:500] = 255
    save(project, hole)
    command = [sys.executable, "-c", PEAK, *inpaint(run=name, hole="other.png")]
    run = subprocess.run(command, cwd=project, capture_output=True, check=True)
    assert int(run.stdout.split()[-1]) * 1024 < 2**30
    result = np.asarray(Image.open(project / "result.png"))
    assert (result[hole == 0] == pixels[hole == 0]).all() and (result[hole > 0] != pixels[hole > 0]).any()


def test_demo_says_in_one_line_what_to_install(project, palimpsest, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = "found no Gradio to show it with; accepted: `pip install --no-deps -r requirements-demo.txt` before"
    assert palimpsest(project, "demo") == (1, "", f"error: demo: asked for a page, {said}\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("deepfill-v9", "--run: found 'deepfill-v9'; accepted: "),
        ("patchmatch", "no such checkpoint; `dvc repro train@patchmatch` makes it"),
    ],
)
def test_demo_refuses_a_run_that_is_not_there(project, palimpsest, monkeypatch, name, said):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    status, _, error = palimpsest(project, "demo", "--run", "constant-fill", name)
    assert status == 1 and said in error and error.count("\n") == 1
