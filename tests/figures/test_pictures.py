"""Figures of test pictures: a column a run, reference patches, retrieved patches, failures."""

import numpy as np
import pytest

from palimpsest.figures.grids import PATCH, Boxed
from palimpsest.figures.pictures import (
    MISSING,
    RANKED,
    failures,
    reference_patches,
    results,
    retrieval,
    retrieved_patches,
)
from palimpsest.figures.studio import Studio
from palimpsest.papers.paper import read_papers
from palimpsest.workspace import Workspace
from reported import every_drawing, heads

CENTRE = ("centre-25", "centre-50")


def figure(paper, name):
    return read_papers()[paper].figures[name]


@pytest.fixture
def columns(monkeypatch):
    """What the next figure of pictures is drawn from: {head: pictures}, and its labels."""
    drawn = {}
    monkeypatch.setattr(
        "palimpsest.figures.pictures.draw_grid", lambda columns, labels: drawn.update(columns, labels=labels)
    )
    return drawn


def test_runs_without_results_are_left_out_and_named(fake):
    fake.add("gm-bm", kinds=CENTRE)
    fake.add("gm-srm", kinds=CENTRE)
    drawn, absent = results(Studio(fake.root, fake.measured), figure("gm-srm", "ablation"))
    assert heads(drawn) == ["original", "input", "GM-BM", "GM-SRM"]
    assert [line.split(" is left out")[0] for line in absent] == ["GM-SRM base model", "GM-CSV"]


def test_a_figure_without_results_says_so(fake):
    drawn, absent = results(Studio(fake.root, fake.measured), figure("gm-srm", "noise"))
    assert drawn is None
    assert [line.split(" is left out")[0] for line in absent] == ["conditional noise", "plain noise"]


def test_a_map_that_leads_nowhere_is_left_out_and_explained(fake):
    layout = figure("deepfill-v1", "qualitative")
    assert "its map" in heads(results(Studio(fake.root, fake.measured), layout)[0])
    keep(fake, "deepfill-v1", **{"rectangle/flow": np.zeros((3, 2, 8, 8), np.int16)})
    drawn, absent = results(Studio(fake.root, fake.measured), layout)
    assert "its map" not in heads(drawn)
    assert absent == ["the map of DeepFill v1 is left out: each place of it leads to the place itself"]


def test_patches_are_joined_with_their_references():
    hole = np.zeros((64, 64), bool)
    hole[16:32, 24:40] = True
    offsets = np.zeros((2, 8, 8), int)
    offsets[:, 2, 3], offsets[:, 3, 4] = (4, -2), (-1, 3)
    joined = reference_patches(hole, offsets, 2)
    assert joined == [((12, 20), (44, 4)), ((20, 28), (12, 52))]
    assert len(reference_patches(hole, offsets, 99)) == 4 and reference_patches(hole & False, offsets, 3) == []


def test_the_figure_of_references_shows_who_is_there(fake):
    fake.add("crfill", kinds=("square", "square/pieced"))
    drawing = {d.name: d for d in every_drawing(fake)}["crfill-references"]
    (axes,) = drawing.figure.axes
    assert heads(drawing.figure) == ["original", "input", "CRFill", "its references", "pieced from them"]
    frames = len(axes.images)
    side = (axes.images[0].get_extent()[1] - axes.images[0].get_extent()[0]) / 64  # inches, of a pixel
    boxes = [patch for patch in axes.patches if patch.get_width() == pytest.approx(PATCH * side)]
    assert frames == 3 * 5 and len(boxes) == 3 * 4 * 2 == len(axes.patches) - frames
    assert any("DeepFill v2 (CA) is left out" in line for line in drawing.absent)


def keep(fake, run, **arrays):
    path = Workspace(fake.root).results(run).samples
    with np.load(path) as kept:
        np.savez(path, **{**kept, **arrays})


def test_retrieved_patches_of_the_middle_of_the_hole():
    retrieved = np.full((8, 8, 2, 2), -1)
    for number, cell in enumerate([(2, 2), (2, 3), (3, 2), (3, 3), (4, 2), (4, 1), (3, 1)]):
        retrieved[cell] = [[number, 0], [0, number]]
    assert retrieved_patches(64, retrieved) == (8, (24, 16), [(2, 0), (0, 2)])


def test_ranks_have_their_colours_where_the_patches_come_from(fake, columns):
    fake.add("tmad")
    retrieved = np.full((3, 8, 8, 3, 2), -1, np.int16)
    retrieved[:, 3, 4] = [[0, 8], [16, 0], [48, 40]]
    keep(fake, "tmad", **{"rectangle/retrieved": retrieved})
    retrieval(Studio(fake.root, fake.measured), figure("tmad", "retrieval"))
    assert list(columns)[:-1] == ["input", "result, retrieved from", "the patch", "rank 1", "rank 2", "rank 3"]
    shown = columns["result, retrieved from"][0]
    assert isinstance(shown, Boxed) and shown.side == 8
    corners = [(24, 32), (0, 8), (16, 0), (48, 40)]
    assert shown.boxes == list(zip(corners, [MISSING, *RANKED[:3]], strict=True))
    assert np.array_equal(columns["the patch"][0].picture, shown.picture[24:32, 32:40])
    assert np.array_equal(columns["rank 3"][0].picture, columns["input"][0][48:56, 40:48])
    assert columns["rank 3"][0].frame == RANKED[2]


def test_the_worst_pictures_are_shown_the_worst_first(fake, columns):
    fake.add("tmad")
    results = fake.pictures[[2, 1]] // 2
    keep(fake, "tmad", **{"worst/rectangle/index": np.array([20, 3]), "worst/rectangle/result": results})
    failures(Studio(fake.root, fake.measured), figure("tmad", "failures"))
    assert np.array_equal(columns["T-MAD"], results) and len(columns["labels"]) == 2
    assert np.array_equal(columns["original"][0], fake.pictures[2])
