from itertools import combinations
from pathlib import Path

import pytest

from palimpsest.claims.claim import CostClaim
from palimpsest.claims.orders import Reader, column_for, layout_pairs
from palimpsest.config import runs
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.papers.tables import Comparison
from palimpsest.papers.values import read_values

ROOT = Path(__file__).parents[2]


def claims(paper):
    return {claim.id: claim for claim in Reader(paper, read_papers()[paper], read_values(), read_metrics()).claims()}


def test_an_order_is_claimed_as_the_paper_prints_it():
    found = claims("deepfill-v1")["deepfill-v1/1/places2/random-rectangle/psnr/DeepFill v1/Baseline"]
    (pair,) = found.pairs
    assert (pair.run, pair.against) == ("deepfill-v1", "deepfill-v1-baseline")
    assert pair.published == pytest.approx(18.91 - 18.15)
    assert (found.metric, found.better, found.holes, found.own) == ("psnr_hole", 1, {"rectangle": 1}, "places2")
    assert found.text == "DeepFill v1 is better than DeepFill v1, baseline." and found.unlike == ""


def test_less_is_better_where_the_metric_says_so():
    found = claims("deepfill-v1")["deepfill-v1/1/places2/random-rectangle/l1_percent/Baseline/PatchMatch"]
    assert found.better == -1 and found.pairs[0].published == pytest.approx(16.1 - 9.4)


def test_the_papers_own_method_may_be_the_worse_one():
    found = claims("tmad")
    assert "tmad/IV/places2/random-rectangle/psnr/T-MAD N_c=6/T-MAD N_c=4" in found
    assert "tmad/IV/places2/random-rectangle/l1_percent/T-MAD N_c=4/T-MAD N_c=6" in found


def test_table_1_of_deepfill_v1_prints_three_orders_of_each_metric_with_a_better_side():
    orders = [claim for claim in claims("deepfill-v1").values() if claim.table]
    assert len(orders) == 3 * len(["l1", "l2", "PSNR"])


@pytest.mark.parametrize(("paper", "orders"), [("deepfill-v1", 9), ("tmad", 92), ("gm-srm", 717), ("crfill", 125)])
def test_every_order_that_can_be_read_is_a_claim_once(paper, orders):
    """Counted anew from values.csv."""
    expected, metrics, values, found = 0, read_metrics(), read_values(), claims(paper)
    for key, layout in read_papers()[paper].tables.items():
        if not isinstance(layout, Comparison):
            continue
        for at in layout.data:
            for metric, explained in layout.published_metrics(metrics).items():
                printed = {
                    place.method: value.number
                    for place, value in values.items()
                    if place[:5] == (paper, key, at.dataset, at.mask, at.ratio) and place.metric == metric
                }
                shown = {row.method for row in layout.rows if row.run_on(at)}
                pairs = combinations([method for method in printed if method in shown], 2)
                expected += explained.direction != "none" and sum(
                    bool({one, other} & {*layout.own})
                    and None not in (printed[one], printed[other])
                    and printed[one] != printed[other]
                    for one, other in pairs
                )
    assert orders == expected == sum(bool(claim.table) for claim in found.values())
    assert len(found) == expected + len(read_papers()[paper].claims)


def test_what_does_not_compare_says_why():
    found = claims("crfill")["crfill/4/places2/square/ssim/Baseline+CR/Baseline"]
    assert found.unlike == "the paper does not say which SSIM"
    assert claims("crfill")["crfill/4/places2/square/psnr/Baseline+CR/Baseline"].unlike == ""


def test_pieced_pictures_are_claimed_of_pieced_pictures():
    found = claims("crfill")["crfill/3/places2/irregular/l1/Baseline+CR/DeepFillv2 (with CA)"]
    assert found.holes == {"strokes/pieced": 1}


def test_a_method_that_has_a_run_for_each_hole_is_found_there():
    found = claims("tmad")
    assert found["tmad/III/places2/free-form/psnr/T-MAD/GL"].pairs[0].run == "tmad-free-form"
    assert found["tmad/III/places2/random-rectangle/psnr/T-MAD/GL"].pairs[0].run == "tmad"


def test_a_claim_of_the_text_has_the_published_difference_of_its_table():
    found = claims("deepfill-v1")["deepfill-v1/text/learned"]
    assert [pair.run for pair in found.pairs] == ["deepfill-v1", "deepfill-v1-baseline"]
    assert [pair.published for pair in found.pairs] == pytest.approx([16.1 - 8.6, 16.1 - 9.4])
    variation = claims("deepfill-v1")["deepfill-v1/text/total-variation"]
    assert variation.better == -1 and variation.pairs[1].published == pytest.approx(25.7 - 25.0)
    assert "definition of TV is not known" in variation.unlike and not found.unlike
    without = claims("deepfill-v1")["deepfill-v1/text/wgan-gp"]
    assert (without.pairs[0].published, without.own) == (None, "places2")
    assert claims("gm-srm")["gm-srm/text/progressive"].own == "celeba-hq-gm-srm"
    gained = claims("tmad")["tmad/text/more-candidates"]
    assert (gained.margin, gained.better) == (0.05, -1) and gained.pairs[0].published == pytest.approx(-0.007)


def test_a_loss_from_small_to_large_holes_is_the_difference_of_two_columns():
    found = claims("gm-srm")["gm-srm/text/steady"]
    assert found.holes == {"irregular-20-30-any": -1, "irregular-50-60-any": 1}
    values = read_values()

    def loss(method):
        small, large = (
            next(v.number for p, v in values.items() if p[:5] == ("gm-srm", "I", "paris-streetview", "irregular", ratio)
                 and (p.method, p.metric) == (method, "psnr"))
            for ratio in ("20-30%", "50-60%")
        )  # fmt: skip
        return None if None in (small, large) else small - large

    for pair, method in zip(found.pairs, ("PConv", "DeepFill v2", "LISK", "MEDFE", "Lahiri"), strict=True):
        expected = None if loss(method) is None else pytest.approx(loss(method) - loss("GM-SRM"))
        assert pair.published == expected
    assert [pair.against for pair in found.pairs if pair.published > 0] == ["medfe"]
    assert "of the methods in figure 7 only MEDFE loses more than GM-SRM" in found.tested


def test_small_says_which_runs_of_a_claim_train_for_longer_and_the_claim_names_no_profile(shipped):
    phases = {
        run: runs.resolve(shipped, run, "small").settings["schedule"]["phases"]
        for run in ("crfill", "deepfill-v2", "deepfill-v2-cr")
    }
    iterations = {run: sum(phase["iterations"] for phase in found) for run, found in phases.items()}
    assert iterations["deepfill-v2"] == iterations["deepfill-v2-cr"]
    said = " ".join((ROOT / "docs" / "small.md").read_text(encoding="utf-8").split())
    assert f"CRFill trains for {iterations['crfill']:,} iterations" in said
    assert f"in its place, for {iterations['deepfill-v2']:,}." in said
    assert [claim.id for paper in read_papers() for claim in claims(paper).values() if "profile" in claim.tested] == []


def test_a_claim_of_cost_has_how_much_less_the_paper_prints():
    found = claims("crfill")
    assert isinstance(found["crfill/text/time-cpu-2048"], CostClaim)
    assert found["crfill/text/time-gpu-512"].published == pytest.approx(100 * (1 - 0.047 / 0.063))
    assert found["crfill/text/time-gpu-2048"].published is None  # did not fit
    assert claims("tmad")["tmad/text/memory-gpu"].published == 20
    assert found["crfill/text/parameters"].published is None


def test_pairs_hold_the_papers_own_once_and_no_row_without_a_number():
    layout = read_papers()["crfill"].tables["1"]
    pairs = [(one.label, other.label) for one, other in layout_pairs(layout, layout.data[0])]
    assert len(pairs) == 4 and all("CRFill" in pair for pair in pairs)


def test_the_column_that_compares_tests_a_metric():
    layout = read_papers()["tmad"].tables["III"]
    assert column_for(layout, "psnr")[1].metric == "psnr_hole"
    assert column_for(layout, "fid")[1].metric == "fid" and not column_for(layout, "fid")[1].compares
    assert column_for(layout, "no such metric") is None
