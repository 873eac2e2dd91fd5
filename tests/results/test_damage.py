"""Results that were damaged or edited by hand end in one line that names the file, whoever reads them."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from palimpsest.config.yaml import InputError
from palimpsest.page.page import read_report, render, show_figures
from palimpsest.results.curves import to_csv
from palimpsest.results.measured import read_results
from palimpsest.results.samples import read_kept

RUN = "deepfill-v1"
METRICS, PER_IMAGE, SAMPLES = (f"results/{RUN}/{name}" for name in ("metrics.json", "per-image.csv", "samples.npz"))
LOG = f"runs/{RUN}/log.json"
DEEP = "[" * 100_000


def edited(change):
    """Changes what a JSON file holds."""

    def edit(path: Path):
        tree = json.loads(path.read_text())
        change(tree)
        path.write_text(json.dumps(tree))

    return edit


def arrays(change):
    """Changes the arrays of an .npz file."""

    def edit(path: Path):
        kept = dict(np.load(path))
        change(kept)
        np.savez(path, **kept)

    return edit


def put(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def flipped(path: Path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(content)


def bomb(path: Path):
    """An array that says of itself that it is a terabyte of zeros."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("index.npy", head.getvalue())


def large(path: Path):
    """A file whose list of contents says that it unpacks to 12 GiB."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("index.npy", b"")
        file.infolist()[0].file_size = 12 * 2**30


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (METRICS, put("")),
        (METRICS, put(DEEP)),
        (METRICS, put(b"\xff\xfe")),
        (METRICS, edited(lambda tree: tree["holes"]["rectangle"].update(beauty=1.0))),
        (METRICS, edited(lambda tree: tree["holes"]["rectangle"].update(psnr="high"))),
        (METRICS, edited(lambda tree: tree["intervals"]["rectangle"].update(psnr=[1.0]))),
        (METRICS, edited(lambda tree: tree["intervals"].clear())),
        (METRICS, edited(lambda tree: tree["by_seed"]["rectangle"].update(psnr=[]))),
        (METRICS, edited(lambda tree: tree.pop("images"))),
        (METRICS, edited(lambda tree: tree.update(slot="../../etc"))),
        (METRICS, edited(lambda tree: tree["hole_ratios"].update(rectangle=-0.2))),
        (PER_IMAGE, put("")),
        (PER_IMAGE, put("seed,image,hole,hole_ratio,psnr\n")),
        (PER_IMAGE, put("seed,image,hole,hole_ratio,psnr\n" + "x" * 200_000)),
        (PER_IMAGE, put(b"\xff" * 100)),
        (PER_IMAGE, put("seed,image,hole,hole_ratio,psnr\n" + "1,a,rectangle,0.2,1.0\n" * 24)),
        (SAMPLES, put("")),
        (SAMPLES, flipped),
        (SAMPLES, bomb),
        (SAMPLES, large),
        (SAMPLES, arrays(lambda kept: kept.clear())),
        (SAMPLES, arrays(lambda kept: kept.pop("index"))),
        (SAMPLES, arrays(lambda kept: kept.update(index=np.array([0, 1, 10**6])))),
        (SAMPLES, arrays(lambda kept: kept.update(index=np.array([0.5, 1.5, 2.5])))),
        (SAMPLES, arrays(lambda kept: kept.update({"rectangle/result": kept["rectangle/result"][:, :32]}))),
        (SAMPLES, arrays(lambda kept: kept.update({"rectangle/result": kept["rectangle/result"] / 2}))),
        (LOG, put("{}")),
        (LOG, put("[1]")),
        (LOG, put('[{"iteration": "one", "phase": "joint"}]')),
        (LOG, put('[{"iteration": 1, "phase": "joint", "generator": null}]')),
    ],
)
def test_what_a_run_left_is_read_strictly(fake, name, damage):
    damage(fake.root / name)
    with pytest.raises(InputError) as error:
        measured = read_results(fake.root)
        measured.per_image(RUN)
        read_kept(fake.root, measured, RUN)
        to_csv(fake.root, measured)
    assert str(fake.root / name) in str(error.value)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("reports/tables/summary.json", put("{}")),
        ("reports/tables/summary.json", edited(lambda tree: tree.update(tables=1))),
        ("reports/tables/claims.json", put("{}")),
        ("reports/figures/figures.json", put("[1]")),
        ("reports/figures/figures.json", put(DEEP)),
        ("reports/gallery/index.json", put("{}")),
        ("data/scenes/credits", put("Photograph by Andr\xe9".encode("latin-1"))),
    ],
)
def test_what_the_report_is_made_of_is_read_strictly(project, name, damage):
    damage(project / name)
    with pytest.raises(InputError) as error:
        render(show_figures(read_report(project)), "index.html")
    assert Path(name).name in str(error.value) and len(str(error.value).splitlines()) == 1
