"""Figures of cost."""

from palimpsest.figures.studio import Studio
from palimpsest.figures.timing import timing
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
