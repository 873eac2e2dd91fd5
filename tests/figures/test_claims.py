import numpy as np
import pytest

from claims.claimed import claim, evidence
from palimpsest.claims.claim import Pair
from palimpsest.claims.verdict import judge
from palimpsest.figures.claims import COLOURS, claims, draw_panels
from palimpsest.figures.studio import Studio
from palimpsest.papers.paper import read_papers


def layout(paper):
    return read_papers()[paper].figures["ledger"]


def points(axes):
    """The places of every point of a panel, from left to right."""
    return sorted((x, y) for line in axes.containers for x, y in line.lines[0].get_xydata().tolist())


def test_each_metric_has_a_panel_with_a_point_for_each_order(fake):
    figure, absent = claims(Studio(fake.root, fake.measured), layout("deepfill-v1"))
    assert [axes.get_title() for axes in figure.axes] == [
        "l1 (%), hole only",
        "l2 (%), hole only",
        "PSNR (dB), hole only",
    ]
    assert absent == []
    expected = [(18.91 - 18.15, 3.001), (18.15 - 16.62, 3.001), (18.91 - 16.62, 6.002)]
    assert np.array(points(figure.axes[2])) == pytest.approx(np.array(expected))


def test_a_point_has_its_interval_and_the_colour_of_its_verdict(fake):
    seen = evidence(fake)
    entries = [judge(claim(), seen), judge(claim(pairs=[Pair("patchmatch", "deepfill-v1", 0.5)]), seen)]
    (axes,) = draw_panels({"psnr_hole": entries}).axes
    found = {line.lines[0].get_color(): line.lines[0].get_ydata().tolist() for line in axes.containers}
    assert found == {COLOURS["confirmed"]: pytest.approx([3.001]), COLOURS["contradicted"]: pytest.approx([-6.002])}
    low, high = axes.get_ylim()
    assert low < -6.002 and high > 3.001 and axes.get_xlim()[0] == 0


def test_orders_without_a_number_of_ours_are_counted(fake):
    figure, absent = claims(Studio(fake.root, fake.measured), layout("tmad"))
    assert figure is None and absent == ["92 of 92 orders are left out: their runs have no value here"]
