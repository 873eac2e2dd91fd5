"""What CRFill's tables and figures ask of the report: pieced pictures, votes, seconds, claims, reference patches."""

import json

import pytest

from palimpsest.papers.networks import CostClaim
from palimpsest.results.scaling import power
from palimpsest.tables.cost import claim_cells
from palimpsest.tables.tables import contexts
from palimpsest.workspace import Workspace
from reported import column as cells
from reported import table, value

KINDS = ("square", "square/pieced")


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
    context = next(context for context in contexts(timed.measured) if context.name == "tmad-claims")
    of_two = {"run": "crfill", "against": "deepfill-v2", "quantity": "memory_saved"}
    saved = CostClaim(claim="memory", published="memory_saved_percent", device="cpu", size=512, **of_two)
    assert [cell.text for cell in claim_cells(context, saved)[:2]] == ["20 % less", "38"]  # 160 MiB against 256
    waiting = table(timed, "tmad-claims")
    assert {cell.text for cell in cells(waiting, "ours", "measured").values()} == {"not yet run"}


def test_votes_are_published_and_ours_missing(fake):
    fake.add("crfill", kinds=KINDS)
    found = table(fake, "crfill-1")
    votes = cells(found, "user study", "votes for the best of five, published")
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
    assert "Nothing has been measured yet beside the paper's ImageNet." in dict(found.notes)["Stand-in"]


def test_pieced_pictures_have_their_own_numbers(fake):
    fake.add("crfill", kinds=KINDS)
    path = Workspace(fake.root).results("crfill").metrics
    about = json.loads(path.read_text())
    about["holes"]["square/pieced"]["psnr"] = 12.5
    path.write_text(json.dumps(about))
    pieced = table(fake, "crfill-3")
    ours = cells(pieced, "square: ours on bundled-photos, whole picture", "PSNR (dB) ↑")["Baseline + CR"]
    assert ours.text == "12.50" and "pieced from reference patches" in ours.about
    plain = cells(table(fake, "crfill-4"), "square: ours on bundled-photos, whole picture", "PSNR (dB) ↑")
    assert plain["Baseline + CR"].text == f"{value('crfill', 'psnr'):.2f}"
