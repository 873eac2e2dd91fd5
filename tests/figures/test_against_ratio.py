"""Figures of metrics against the hole ratio."""

import json

import pytest

from palimpsest.figures.against_ratio import growing, ratios
from palimpsest.figures.studio import Studio
from palimpsest.papers.paper import read_papers
from palimpsest.workspace import Workspace
from reported import value

IRREGULAR = tuple(f"irregular-{low}-{low + 10}-any" for low in (20, 30, 40, 50))
RATIOS = read_papers()["gm-srm"].figures["ratios"]


def set_ratios(fake, run):
    """Gives the holes of each bin the ratio in its middle."""
    path = Workspace(fake.root).results(run).metrics
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"hole_ratios": dict(zip(IRREGULAR, (0.25, 0.35, 0.45, 0.55), strict=True))}))


def test_ratios_have_a_line_and_a_band_for_each_method_with_results(fake):
    fake.add("gm-srm", kinds=IRREGULAR)
    fake.add("deepfill-v2", kinds=IRREGULAR)
    fake.add("pconv", kinds=IRREGULAR[:3])
    set_ratios(fake, "gm-srm")
    drawn, absent = ratios(Studio(fake.root, fake.measured), RATIOS)
    assert drawn.axes[0].get_ylabel() == "bundled-photos"
    for axes, metric in zip(drawn.axes, ("psnr_channels", "ssim_uniform"), strict=True):
        assert [line.get_label() for line in axes.get_lines()] == ["DeepFill v2", "GM-SRM"]
        assert len(axes.collections) == 2
        line, band = axes.get_lines()[1], axes.collections[1].get_paths()[0].vertices[:, 1]
        assert line.get_xdata().tolist() == pytest.approx([25, 35, 45, 55])
        assert line.get_ydata().tolist() == pytest.approx([value("gm-srm", metric)] * 4)
        bounds = fake.measured.aggregate("gm-srm", IRREGULAR[0], metric)
        assert bounds.low < bounds.mean < bounds.high
        assert (band.min(), band.max()) == pytest.approx((bounds.low, bounds.high))
    assert len({line.get_color() for line in drawn.axes[0].get_lines()}) == 2
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["DeepFill v2", "GM-SRM"]
    assert [line.split(" is left out")[0] for line in absent] == ["PConv", "LISK", "MEDFE", "Lahiri et al."]


def test_ratios_without_results_are_not_drawn(fake):
    drawn, absent = ratios(Studio(fake.root, fake.measured), RATIOS)
    assert drawn is None and len(absent) == 6 and "GM-SRM is left out: not yet run (gm-srm: " in absent[-1]


def test_growing_holes_are_drawn_against_their_ratios(fake):
    layout = read_papers()["tmad"].figures["growing"]
    kinds = tuple(layout.holes)
    fake.add("tmad", kinds=kinds)
    figure, absent = growing(Studio(fake.root, fake.measured), layout)
    assert absent == ["DeepFill v2 is left out: not yet run (deepfill-v2: no results found)"]
    (line,) = figure.subfigs[0].axes[0].get_lines()
    assert line.get_xdata().tolist() == pytest.approx([20.0] * 5)
    assert line.get_ydata().tolist() == pytest.approx([value("tmad", "psnr_hole")] * 5)
    assert len(figure.subfigs[1].axes[0].images) == 2 * 5
