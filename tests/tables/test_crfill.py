"""What CRFill's tables and figures ask of the report: pieced pictures, votes, seconds, claims, reference patches."""

import json

import numpy as np
import pytest

from palimpsest.figures.studio import PATCH, every_drawing, reference_patches
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.tables import Claim
from palimpsest.tables.cost import _claim, power
from palimpsest.workspace import Workspace
from reported import column as cells
from reported import heads, table, value

KINDS = ("square", "square/pieced")


def architecture(runs, parameters, seconds, **changes):
    values = {str(size): {"seconds": s, "fastest": s, "peak_mib": 100 * s} for size, s in seconds.items()}
    counts = {str(size): int(3e9 * size) for size in (*seconds, *map(int, changes))}
    return {
        "runs": runs,
        "parameters": parameters,
        "structure": "abc",
        "idle": [],
        "multiply_adds": counts,
        "measured": {"cpu": values | changes},
    }


@pytest.fixture
def timed(fake):
    """A machine on which attention takes N^2 and the rest N^1 seconds, and attention at 1024 px does not fit."""
    found = {
        "deepfill-v2": architecture(
            ["deepfill-v2"], 4_052_478, {128: 0.01, 256: 0.16, 512: 2.56}, **{"1024": "does not fit"}
        ),
        "crfill": architecture(["crfill-baseline", "crfill"], 4_052_478, {128: 0.1, 256: 0.4, 512: 1.6, 1024: 6.4}),
        "deepfill-v1": architecture(["deepfill-v1"], 3_601_542, {512: 1.25}),
    }
    about = {"devices": {"cpu": "A processor"}, "threads": 2, "versions": {"torch": "9.9"}, "rounds": 3, "found": found}
    (Workspace(fake.root).benchmark).write_text(json.dumps(about))
    return fake


def test_seconds_stand_beside_the_papers(timed):
    found = table(timed, "crfill-5")
    assert [label for label, _ in found.rows] == ["CA layer", "CR loss"]
    assert cells(found, "published", "GPU, 512 px (s) ↓")["CA layer"].text == "0.063"
    assert cells(found, "published", "GPU, 2048 px (s) ↓")["CA layer"].text == "did not fit"
    assert cells(found, "published", "CPU, 2048 px (s) ↓")["CR loss"].text == "28.9"
    ours = cells(found, "ours, seconds on a CPU ↓", "512 px")
    assert (ours["CA layer"].text, ours["CR loss"].text) == ("2.560", "1.600")
    assert cells(found, "ours, seconds on a CPU ↓", "1024 px")["CA layer"].text == "does not fit"
    assert cells(found, "ours, seconds on a CPU ↓", "2048 px")["CA layer"].text == "missing"
    assert cells(found, "ours, seconds on a GPU ↓", "512 px")["CR loss"].text == "missing"
    assert cells(found, "ours, peak memory on a CPU (MiB) ↓", "256 px")["CA layer"].text == "16"
    assert cells(found, "ours", "parameters")["CR loss"].text == "4,052,478"
    notes = dict(found.notes)
    assert "A processor, 2 threads" in notes["Machine"] and "torch 9.9" in notes["Machine"]


def test_exponents_are_those_of_the_powers_that_were_put_in(timed):
    found = cells(table(timed, "crfill-5"), "ours", "exponent of N")
    assert (found["CA layer"].text, found["CR loss"].text) == ("2.00", "1.00")
    assert power([64, 128], [5, 5 * 2**3]) == pytest.approx(1.5)


def test_without_a_benchmark_what_runs_is_missing_and_the_rest_not_yet_run(fake):
    fake.add("crfill")
    found = table(fake, "crfill-5")
    parameters = cells(found, "ours", "parameters")
    assert (parameters["CA layer"].text, parameters["CR loss"].text) == ("not yet run", "missing")
    assert dict(found.notes)["Machine"].startswith("not measured")
    figure = {d.name: d for d in every_drawing(fake.root, fake.measured)}["crfill-timing"]
    assert figure.figure is None and "dvc repro benchmark" in figure.absent[0]


def test_claims_stand_beside_what_was_measured(timed):
    found = table(timed, "deepfill-v1-claims")
    ours, at = cells(found, "ours", "measured"), cells(found, "ours", "on")
    assert ours["Parameters of the full model"].text == "3,601,542"
    assert (ours["A picture of 512 px, CPU"].text, at["A picture of 512 px, CPU"].text) == (
        "1.250",
        "A processor, 2 threads",
    )
    assert ours["A picture of 512 px, GPU"].text == "missing"
    assert cells(found, "published", "as printed")["A picture of 512 px, CPU"].text == "1.5 s"
    saved = Claim(
        claim="memory",
        published="20 % less",
        run="crfill",
        against="deepfill-v2",
        quantity="memory_saved",
        device="cpu",
        size=512,
    )
    assert _claim(timed.measured, saved)[1].text == "38"  # 160 MiB against 256
    waiting = table(timed, "tmad-claims")
    assert {cell.text for cell in cells(waiting, "ours", "measured").values()} == {"not yet run"}


def test_votes_are_published_and_ours_missing(fake):
    fake.add("crfill", kinds=KINDS)
    found = table(fake, "crfill-1")
    votes = cells(found, "user study", "best of five, votes of 405, published")
    assert sum(int(cell.text) for cell in votes.values() if cell.number) == 405 == 9 * 45
    ours = cells(found, "user study", "votes, ours on bundled-photos")
    assert ours["Ours (CRFill, Baseline + CR)"].text == "no votes" and ours["PEN-Net"].text == "not yet run"


def test_methods_that_are_not_there_are_not_yet_run_beside_their_numbers(fake):
    fake.add("crfill", kinds=KINDS)
    found = table(fake, "crfill-1")
    assert cells(found, "square: published (other data), Places2", "SSIM ↑")["PEN-Net"].text == "0.8402"
    ours = cells(found, "square: ours on bundled-photos, whole picture", "PSNR (dB) ↑")
    assert ours["PEN-Net"].text == "not yet run" and "pen-net" in ours["PEN-Net"].about
    assert ours["Ours (CRFill, Baseline + CR)"].text == f"{value('crfill', 'psnr'):.2f}"


def test_a_table_whose_data_nobody_was_measured_on_says_so(fake):
    found = table(fake, "crfill-2")
    assert "nothing yet" in found.caption
    assert "Nothing was measured yet beside the paper's ImageNet." in dict(found.notes)["Stand-in"]


def test_pieced_pictures_have_their_own_numbers(fake):
    metric = list(read_metrics()).index("psnr")
    fake.add("crfill", kinds=KINDS)
    path = fake.root / "results" / "crfill" / "metrics.json"
    about = json.loads(path.read_text())
    about["holes"]["square/pieced"] = {**about["holes"]["square/pieced"], "psnr": 12.5}
    path.write_text(json.dumps(about))
    lines = (fake.root / "results" / "crfill" / "per-image.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    for row in rows[1:]:
        if row[1] == "square/pieced":
            row[3 + metric] = "12.5"
    (fake.root / "results" / "crfill" / "per-image.csv").write_text("\n".join(",".join(row) for row in rows))
    pieced = table(fake, "crfill-3")
    ours = cells(pieced, "square: ours on bundled-photos, whole picture", "PSNR (dB) ↑")["Baseline + CR"]
    assert ours.text == "12.50" and "pieced from reference patches" in ours.about
    plain = cells(table(fake, "crfill-4"), "square: ours on bundled-photos, whole picture", "PSNR (dB) ↑")
    assert plain["Baseline + CR"].text == f"{value('crfill', 'psnr'):.2f}"


def test_patches_are_joined_with_their_references():
    hole = np.zeros((64, 64), bool)
    hole[16:32, 24:40] = True
    offsets = np.zeros((2, 8, 8), int)
    offsets[:, 2, 3], offsets[:, 3, 4] = (4, -2), (-1, 3)
    joined = reference_patches(hole, offsets, 2)
    assert joined == [((12, 20), (44, 4)), ((20, 28), (12, 52))]
    assert len(reference_patches(hole, offsets, 99)) == 4 and reference_patches(hole & False, offsets, 3) == []


def test_the_figure_of_references_shows_who_is_there(fake):
    fake.add("crfill", kinds=KINDS)
    drawing = {d.name: d for d in every_drawing(fake.root, fake.measured)}["crfill-references"]
    (axes,) = drawing.figure.axes
    assert heads(drawing.figure) == ["original", "input", "Baseline + CR", "its references", "pieced from them"]
    frames = len(axes.images)
    side = (axes.images[0].get_extent()[1] - axes.images[0].get_extent()[0]) / 64  # inches, of a pixel
    boxes = [patch for patch in axes.patches if patch.get_width() == pytest.approx(PATCH * side)]
    assert frames == 3 * 5 and len(boxes) == 3 * 4 * 2 == len(axes.patches) - frames
    assert any("DeepFill v2 (CA) is left out" in line for line in drawing.absent)


def test_curves_of_cost_are_drawn_for_what_fits(timed):
    drawing = {d.name: d for d in every_drawing(timed.root, timed.measured)}["crfill-timing"]
    seconds = drawing.figure.axes[0]
    assert [len(line.get_xdata()) for line in seconds.lines] == [3, 4]
    assert [text.get_text() for text in seconds.get_legend().get_texts()] == [
        "CA layer, $N^{2.00}$",
        "CR loss, $N^{1.00}$",
    ]
