"""What T-MAD's tables and figures ask of the report: blocks, weights, a run a kind of hole, retrieved patches."""

import json

import pytest

from palimpsest.papers.paper import benchmarked
from palimpsest.workspace import Workspace
from reported import block, column, table, value

BLOCKS = {
    "coarse.generator": {"InputConv": 1, "DownBlock": 3, "ResidualBlock": 8, "UpBlock": 3, "OutConv": 1},
    "psnet.backbone": {"InputConv": 1, "DownBlock": 2, "ResidualBlock": 4, "UpBlock": 3, "OutConv": 1},
}
LOSS = {"l1": 1.0, "patch_adversarial": 0.05, "perceptual": 0.25, "total_variation": 0.02, "global_adversarial": 0.02}
SETTINGS = {
    "settings": {"loss": {**LOSS, "gradient_penalty": 10.0}},
    "inside": {"settings": {"loss": {"hole": 5.0, "valid": 0.0}}},
}


def describe(fake, name, **changes):
    path = Workspace(fake.root).resolved("runs")
    described = json.loads(path.read_text())
    described[name] = {**described[name], **changes}
    path.write_text(json.dumps(described))


@pytest.fixture
def tmad(fake):
    """T-MAD's two runs with results, one a kind of hole."""
    fake.add("tmad", kinds=("rectangle",))
    fake.add("tmad-free-form", kinds=("brush",))
    for name in ("tmad", "tmad-free-form"):
        describe(fake, name, blocks=BLOCKS, run=SETTINGS)
    return fake


def test_blocks_are_counted_beside_the_published_ones(tmad):
    found = table(tmad, "tmad-I")
    assert [label for label, _ in found.rows] == ["input-conv", "down-block", "res-block", "up-block", "out-conv"]
    assert [cell.text for cell in column(found, "PSNet-Backbone", "published").values()] == ["1", "2", "5", "3", "1"]
    assert [cell.text for cell in column(found, "PSNet-Backbone", "ours").values()] == ["1", "2", "4", "3", "1"]
    assert [cell.text for cell in column(found, "Coarse Net", "ours").values()] == ["1", "3", "8", "3", "1"]


def test_blocks_of_a_run_that_is_not_there_are_not_yet_counted(fake):
    found = table(fake, "tmad-I")
    assert {cell.text for cell in column(found, "Coarse Net", "ours").values()} == {"not yet run"}


def test_weights_are_those_that_ran(tmad):
    found = table(tmad, "tmad-II")
    ours = {label: cell.text for label, cell in column(found, "ours, as run", "rectangles").items()}
    assert (ours["λ hole"], ours["λ valid"], ours["λ perceptual"]) == ("5", "0", "0.25")
    assert column(found, "published", "as printed")["λ perceptual"].text == "0.02"


def test_weights_of_a_run_without_results_are_not_yet_run(tmad):
    (tmad.root / "results" / "tmad" / "metrics.json").unlink()
    found = column(table(tmad, "tmad-II"), "ours, as run", "rectangles")
    assert {cell.text for cell in found.values()} == {"not yet run"}
    assert "tmad: not run" in found["λ l1"].about


def test_each_kind_of_hole_has_its_own_run(tmad):
    found = table(tmad, "tmad-III")
    for mask, run in (("random-rectangle", "tmad"), ("free-form", "tmad-free-form")):
        ours = column(block(found, f"{mask} holes"), "PSNR (dB) ↑", "ours on bundled-photos, hole only")
        assert ours["T-MAD"].text == f"{value(run, 'psnr_hole'):.2f}"
        assert f"run {run} " in ours["T-MAD"].about


def test_published_numbers_are_ranked_by_the_papers_own_digits(tmad):
    published = column(block(table(tmad, "tmad-III"), "random-rectangle holes"), "l1 (%) ↓", "published on Places2")
    assert {label: cell.mark for label, cell in published.items() if cell.mark} == {
        "T-MAD": "best",
        "DeepFill v2": "second",  # 10.829, and CRA 10.830
    }


def test_the_features_of_the_perceptual_loss_are_named(tmad):
    for run, features in (("tmad", "vgg16"), ("tmad-free-form", "vgg19")):
        path = Workspace(tmad.root).results(run).metrics
        path.write_text(json.dumps({**json.loads(path.read_text()), "features": features}))
    notes = [text for term, text in table(tmad, "tmad-III").notes if term == "Perceptual loss"]
    assert notes == [
        "tmad learned with features of VGG16, which stands in for VGG19.",
        "tmad-free-form learned with features of VGG19.",
    ]


def test_what_a_table_of_seconds_names_is_measured():
    shown = {"tmad", "deepfill-v2", "deepfill-v2-psnet", "crfill", "deepfill-v1"}
    assert shown | {"gl", "crfill-baseline"} == set(benchmarked())  # claims of size name the others
