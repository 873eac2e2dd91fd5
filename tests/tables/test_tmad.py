"""What T-MAD's tables and figures ask of the report: blocks, weights, a run a kind of hole, retrieved patches."""

import json

import numpy as np
import pytest

from palimpsest.figures.studio import MISSING, RANKED, Boxed, Studio, retrieved_patches
from palimpsest.papers.paper import benchmarked
from palimpsest.workspace import Workspace
from reported import column, table, value

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
    assert [cell.text for cell in column(found, "published", "PSNet-Backbone").values()] == ["1", "2", "5", "3", "1"]
    assert [cell.text for cell in column(found, "counted", "PSNet-Backbone").values()] == ["1", "2", "4", "3", "1"]
    assert [cell.text for cell in column(found, "counted", "Coarse Net").values()] == ["1", "3", "8", "3", "1"]


def test_blocks_of_a_run_that_is_not_there_are_not_yet_counted(fake):
    found = table(fake, "tmad-I")
    assert {cell.text for cell in column(found, "counted", "Coarse Net").values()} == {"not yet run"}


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
        ours = column(found, f"{mask}: ours on bundled-photos, hole only", "PSNR (dB) ↑")
        assert ours["Ours (T-MAD)"].text == f"{value(run, 'psnr_hole'):.2f}"
        assert f"run {run} " in ours["Ours (T-MAD)"].about


def test_published_numbers_are_ranked_by_the_papers_own_digits(tmad):
    published = column(table(tmad, "tmad-III"), "random-rectangle: published (other data), Places2", "l1 (%) ↓")
    assert {label: cell.mark for label, cell in published.items() if cell.mark} == {
        "Ours (T-MAD)": "best",
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
    assert {"tmad", "deepfill-v2", "deepfill-v2-psnet", "crfill", "deepfill-v1"} == set(benchmarked())


def keep(fake, run, **arrays):
    path = Workspace(fake.root).results(run).samples
    with np.load(path) as kept:
        np.savez(path, **{**kept, **arrays})


def test_retrieved_patches_of_the_middle_of_the_hole():
    retrieved = np.full((8, 8, 2, 2), -1)
    for number, cell in enumerate([(2, 2), (2, 3), (3, 2), (3, 3), (4, 2), (4, 1), (3, 1)]):
        retrieved[cell] = [[number, 0], [0, number]]
    assert retrieved_patches(64, retrieved) == (8, (24, 16), [(2, 0), (0, 2)])


def test_ranks_have_their_colours_where_the_patches_come_from(tmad, monkeypatch):
    retrieved = np.full((3, 8, 8, 3, 2), -1, np.int16)
    retrieved[:, 3, 4] = [[0, 8], [16, 0], [48, 40]]
    keep(tmad, "tmad", **{"rectangle/retrieved": retrieved})
    drawn = {}
    monkeypatch.setattr("palimpsest.figures.studio.draw_grid", lambda columns, labels: drawn.update(columns))
    layout = next(f for name, f in figures() if name == "retrieval")
    Studio(tmad.root, tmad.measured).retrieval(layout)
    assert list(drawn) == ["input", "result, retrieved from", "the patch", "rank 1", "rank 2", "rank 3"]
    shown = drawn["result, retrieved from"][0]
    assert isinstance(shown, Boxed) and shown.side == 8
    corners = [(24, 32), (0, 8), (16, 0), (48, 40)]
    assert shown.boxes == list(zip(corners, [MISSING, *RANKED[:3]], strict=True))
    assert np.array_equal(drawn["the patch"][0].picture, shown.picture[24:32, 32:40])
    assert np.array_equal(drawn["rank 3"][0].picture, drawn["input"][0][48:56, 40:48])
    assert drawn["rank 3"][0].frame == RANKED[2]


def figures():
    from palimpsest.papers.metrics import read_metrics
    from palimpsest.papers.paper import read_paper
    from palimpsest.papers.values import read_values

    return read_paper("tmad", read_metrics(), read_values()).figures.items()


def test_the_worst_pictures_are_shown_the_worst_first(tmad, monkeypatch):
    results = tmad.pictures[[2, 1]] // 2
    keep(tmad, "tmad", **{"worst/rectangle/index": np.array([20, 3]), "worst/rectangle/result": results})
    drawn = {}
    monkeypatch.setattr(
        "palimpsest.figures.studio.draw_grid", lambda columns, labels: drawn.update(columns, labels=labels)
    )
    layout = next(f for name, f in figures() if name == "failures")
    Studio(tmad.root, tmad.measured).failures(layout)
    assert np.array_equal(drawn["T-MAD"], results) and len(drawn["labels"]) == 2
    assert np.array_equal(drawn["original"][0], tmad.pictures[2])


def test_growing_holes_are_drawn_against_what_is_missing(tmad):
    layout = next(f for name, f in figures() if name == "growing")
    kinds = tuple(layout.holes)
    tmad.add("tmad", kinds=kinds)
    figure, absent = Studio(tmad.root, tmad.measured).growing(layout)
    assert absent == ["DeepFill v2 is left out: not yet run (deepfill-v2: nothing of it is at hand)"]
    (line,) = figure.subfigs[0].axes[0].get_lines()
    assert line.get_xdata().tolist() == pytest.approx([20.0] * 5)
    assert line.get_ydata().tolist() == pytest.approx([value("tmad", "psnr_hole")] * 5)
    assert len(figure.subfigs[1].axes[0].images) == 2 * 5
