"""Figures of cost."""

from itertools import pairwise

import pytest

from palimpsest.figures.studio import Studio
from palimpsest.figures.timing import draw_panels, speed_against_quality, timing
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers

TIMING = read_papers()["crfill"].figures["timing"]


def test_without_a_benchmark_the_command_is_named(fake):
    figure, absent = timing(Studio(fake.root, fake.measured), TIMING)
    assert figure is None and "dvc repro benchmark" in absent[0]


def test_curves_of_cost_are_drawn_for_what_fits(timed):
    figure, _ = timing(Studio(timed.root, timed.measured), TIMING)
    seconds = figure.axes[0]
    assert [len(line.get_xdata()) for line in seconds.lines] == [3, 4]
    assert [text.get_text() for text in seconds.get_legend().get_texts()] == [
        "CA layer, $N^{2.00}$",
        "CR loss, $N^{1.00}$",
    ]


@pytest.mark.parametrize("seconds", [(1.12, 1.26), (0.049, 0.051), (0.9, 700)])
def test_the_labels_of_seconds_do_not_overlap(seconds):
    points = {f"run-{second}": (second, 0.3, 0.2, 0.4) for second in seconds}
    panels = {("scenes", hole): points for hole in ("square", "rectangle")}
    figure = draw_panels(panels, {"scenes": "photos"}, read_metrics()["lpips_alex"], {run: run for run in points})
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        labels = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) >= 2
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_points_of_speed_bear_the_names_of_methods(timed):
    for run in ("deepfill-v2", "crfill"):
        timed.add(run, kinds=("square",))
    (drawing,) = speed_against_quality(timed.measured)
    assert {text.get_text() for text in drawing.figure.legends[0].get_texts()} == {"CRFill", "DeepFill v2"}
