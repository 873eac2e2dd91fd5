"""Figures of how networks learned."""

import json

import numpy as np

from palimpsest.figures.studio import Studio
from palimpsest.figures.training import curves, sample_grids
from palimpsest.papers.paper import read_papers

FIGURES = read_papers()["gm-srm"].figures


def test_sample_grids_show_a_latent_a_row_and_a_moment_a_column(fake, monkeypatch):
    layout, shown, studio = FIGURES["memory"], {}, Studio(fake.root, fake.measured)
    drawn, absent = sample_grids(studio, layout)
    assert drawn is None and "not yet run (gm-srm-memory: " in absent[0]
    folder = fake.root / "runs" / "gm-srm-memory"
    folder.mkdir(parents=True)
    iterations = np.arange(11) * 100
    results = np.zeros((11, 9, 8, 8, 3), np.uint8) + np.arange(11, dtype=np.uint8)[:, None, None, None, None]
    np.savez(folder / "samples.npz", iterations=iterations, results=results)
    drawn, absent = sample_grids(studio, layout)
    assert len(drawn.axes[0].images) == 6 * layout.latents and absent == []
    monkeypatch.setattr("palimpsest.figures.training.draw_grid", lambda columns, labels: shown.update(columns))
    sample_grids(studio, layout)
    assert list(shown) == [f"iteration {i}" for i in (0, 200, 400, 600, 800, 1000)]
    assert [drawn.max() for drawn in shown.values()] == [0, 2, 4, 6, 8, 10]
    assert {drawn.shape for drawn in shown.values()} == {(layout.latents, 8, 8, 3)}
    np.savez(folder / "samples.npz", iterations=np.empty(0), results=results[:0])
    assert sample_grids(studio, layout) == (None, ["run gm-srm-memory kept no pictures of its training"])


def test_further_seeds_are_thin_lines_of_the_same_colour(fake):
    fake.write("deepfill-v1", seeds=(1, 3))
    further = fake.root / "runs" / "deepfill-v1" / "seed-3"
    further.mkdir()
    (further / "log.json").write_text(json.dumps([{"iteration": i, "phase": "joint", "generator": i} for i in (1, 2)]))
    layout = read_papers()["deepfill-v1"].figures["curves"]
    drawn, _ = curves(Studio(fake.root, fake.measured), layout)
    lines = drawn.axes[0].get_lines()
    (thin,) = [line for line in lines if line.get_ydata()[-1] == 2]
    (first,) = [line for line in lines if line.get_color() == thin.get_color() and line is not thin]
    assert first.get_ydata().tolist() == [1, 0.5] and first.get_linewidth() > 2 * thin.get_linewidth()
    assert drawn.get_supxlabel() == "iteration; thin lines are further seeds"


def test_curves_of_the_memory_cope_with_quantities_of_some_iterations(fake):
    folder = fake.root / "runs" / "gm-srm-memory"
    folder.mkdir(parents=True)
    rows = [{"iteration": i, "phase": "memory", "critic": 1 / i} for i in range(1, 9)]
    rows[3] |= {"gradient_penalty": 0.5, "fd_vgg16": 7.0}
    rows[7] |= {"gradient_penalty": 0.25}
    (folder / "log.json").write_text(json.dumps(rows))
    drawn, absent = curves(Studio(fake.root, fake.measured), FIGURES["pretraining"])
    points = {axes.get_title(): axes.get_lines()[0].get_xydata().tolist() for axes in drawn.axes}
    assert points["gradient penalty"] == [[4, 0.5], [8, 0.25]] and points["Fréchet distance (VGG16)"] == [[4, 7.0]]
    assert len(points["critic"]) == 8 and absent == []
    markers = {axes.get_title(): axes.get_lines()[0].get_marker() for axes in drawn.axes}
    # a line of one point shows nothing
    assert markers["Fréchet distance (VGG16)"] == "o" and markers["critic"] == "None"
