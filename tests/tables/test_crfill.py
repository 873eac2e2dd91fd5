"""What CRFill's tables and figures ask of the report: pieced pictures, votes, seconds, claims, reference patches."""

import json

import pytest

from palimpsest.papers.networks import CostClaim
from palimpsest.results.scaling import power
from palimpsest.tables.cost import claim_cells
from palimpsest.tables.tables import contexts
from palimpsest.workspace import Workspace
from reported import block, table, value
from reported import column as cells

KINDS = ("square", "square/pieced")
CA, CR = "DeepFill v2, CA layer", "CRFill, CR loss"
OURS = "ours on bundled-photos, whole picture"


def test_seconds_stand_beside_the_papers(timed):
    found = table(timed, "crfill-5")
    assert [label for label, _ in found.rows] == [CA, CR]
    assert cells(found, "seconds on a GPU, 512 px ↓", "published")[CA].text == "0.063"
    assert cells(found, "seconds on a GPU, 2048 px ↓", "published")[CA].text == "did not fit"
    assert cells(found, "seconds on a CPU, 2048 px ↓", "published")[CR].text == "28.9"
    ours = cells(found, "seconds on a CPU, 512 px ↓", "ours")
    assert (ours[CA].text, ours[CR].text) == ("2.560", "1.600")
    assert cells(found, "seconds on a CPU, 1024 px ↓", "ours")[CA].text == "does not fit"
    assert cells(found, "seconds on a CPU, 2048 px ↓", "ours")[CA].text == "missing"
    assert cells(found, "seconds on a GPU, 512 px ↓", "ours")[CR].text == "missing"
    assert cells(found, "peak memory on a CPU (MiB) ↓", "ours, 256 px")[CA].text == "16"
    assert cells(found, "parameters", "ours")[CR].text == "4,052,478"
    notes = dict(found.notes)
    assert "A processor, 2 threads" in notes["Machine"] and "torch 9.9" in notes["Machine"]


def test_exponents_are_those_of_the_powers_that_were_put_in(timed):
    found = cells(table(timed, "crfill-5"), "exponent of N", "ours")
    assert (found[CA].text, found[CR].text) == ("2.00", "1.00")
    assert power([64, 128], [5, 5 * 2**3]) == pytest.approx(1.5)


def test_without_a_benchmark_what_runs_is_missing_and_the_rest_not_yet_run(fake):
    fake.add("crfill")
    found = table(fake, "crfill-5")
    parameters = cells(found, "parameters", "ours")
    assert (parameters[CA].text, parameters[CR].text) == ("not yet run", "missing")
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
    found = table(fake, "crfill-1-votes")
    votes = cells(found, "votes for the best of five", "published")
    assert sum(int(cell.text) for cell in votes.values() if cell.number) == 405 == 9 * 45
    ours = cells(found, "votes for the best of five", "ours on bundled-photos")
    assert ours["CRFill"].text == "no votes" and ours["PEN-Net"].text == "not yet run"


def test_methods_that_are_not_there_are_not_yet_run_beside_their_numbers(fake):
    fake.add("crfill", kinds=KINDS)
    found = block(table(fake, "crfill-1"), "square holes")
    assert cells(found, "SSIM ↑", "published on Places2")["PEN-Net"].text == "0.8402"
    ours = cells(found, "PSNR (dB) ↑", OURS)
    assert ours["PEN-Net"].text == "not yet run" and "pen-net" in ours["PEN-Net"].about
    assert ours["CRFill"].text == f"{value('crfill', 'psnr'):.2f}"


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
    pieced = block(table(fake, "crfill-3"), "square holes")
    ours = cells(pieced, "PSNR (dB) ↑", OURS)["CRFill (Baseline + CR)"]
    assert ours.text == "12.50" and "pieced from reference patches" in ours.about
    plain = cells(block(table(fake, "crfill-4"), "square holes"), "PSNR (dB) ↑", OURS)
    assert plain["CRFill (Baseline + CR)"].text == f"{value('crfill', 'psnr'):.2f}"
