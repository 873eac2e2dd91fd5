"""Verdicts on results of known numbers: from one of RUNS to the next, each picture has 3.001 more of every metric."""

from dataclasses import replace

import numpy as np
import pytest

from claims.claimed import claim, evidence
from palimpsest.claims.claim import Pair
from palimpsest.claims.verdict import judge
from palimpsest.metrics.differences import FEW, ONE_SEED
from reported import value

STEP = 3.001  # between one of RUNS and the next, of every metric


def test_a_difference_that_leaves_out_0_confirms_or_contradicts(fake):
    seen = evidence(fake)
    entry = judge(claim(), seen)
    assert (entry.verdict, entry.why) == ("confirmed", "")
    assert entry.ours.gain == pytest.approx(STEP) and entry.published == 0.76
    assert entry.ours.low == pytest.approx(STEP) and entry.ours.high == pytest.approx(STEP)
    assert (entry.ours.pictures, entry.ours.photographs, entry.ours.seeds) == (24, 8, (1, 1))
    turned = judge(claim(pairs=[Pair("deepfill-v1-baseline", "deepfill-v1")]), seen)
    assert turned.verdict == "contradicted" and turned.ours.gain == pytest.approx(-STEP)
    less = judge(claim(better=-1), seen)
    assert less.verdict == "contradicted" and less.ours.gain == pytest.approx(-STEP)


def test_an_interval_that_holds_0_decides_nothing(fake):
    seen = evidence(fake)
    seen.measured.values("deepfill-v1")["rectangle"]["psnr_hole"][:] = value("deepfill-v1-baseline", "psnr_hole")
    noise = np.random.default_rng(0).standard_normal(24)
    seen.measured.values("deepfill-v1-baseline")["rectangle"]["psnr_hole"][:] += noise
    entry = judge(claim(), seen)
    assert entry.ours.low < 0 < entry.ours.high
    assert (entry.verdict, entry.why) == ("undecided", "the interval holds 0")


def test_few_photographs_and_one_seed_decide_nothing(fake):
    entry = judge(claim(), evidence(fake, np.arange(24) % 3))
    assert (entry.verdict, entry.why, entry.ours.low) == ("undecided", FEW, None)
    whole = judge(claim(metric="fd_vgg16", better=-1), evidence(fake))
    assert (whole.verdict, whole.why) == ("undecided", ONE_SEED)
    assert (whole.ours.gain, whole.ours.pictures) == (pytest.approx(-STEP), 24)


def test_what_was_not_run_says_which_and_why(fake):
    entry = judge(claim(pairs=[Pair("tmad", "deepfill-v1")]), evidence(fake))
    assert (entry.verdict, entry.why, entry.ours) == ("not run", "run tmad: not in params.yaml", None)
    foreseen = judge(claim(pairs=[Pair("deepfill-v1-perceptual", "deepfill-v1")]), evidence(fake))
    assert foreseen.why == "run deepfill-v1-perceptual: no settings define such a run yet"
    other = judge(claim(holes={"brush": 1}), evidence(fake))
    assert other.why == "run deepfill-v1, brush holes: not measured with holes of this kind"
    missing = judge(claim(metric="fid"), evidence(fake))
    assert missing.why == "run deepfill-v1, rectangle holes: its weights are at home"
    assert judge(claim(slot="large"), evidence(fake)).why == "run deepfill-v1 was not measured on large"


def test_what_measures_something_else_is_not_comparable_though_its_numbers_are_shown(fake):
    entry = judge(claim(unlike="the paper does not say which SSIM"), evidence(fake))
    assert (entry.verdict, entry.why) == ("not comparable", "the paper does not say which SSIM")
    assert entry.ours.gain == pytest.approx(STEP)
    absent = judge(claim(unlike="another", pairs=[Pair("tmad", "deepfill-v1")]), evidence(fake))
    assert (absent.verdict, absent.ours) == ("not comparable", None)


def test_of_several_pairs_each_must_be_confirmed_and_the_least_is_shown(fake):
    pairs = [Pair("constant-fill", "patchmatch", 3), Pair("constant-fill", "deepfill-v1", 1)]
    entry = judge(claim(pairs=pairs), evidence(fake))
    assert (entry.verdict, entry.against, entry.published) == ("confirmed", "deepfill-v1", 1)
    one_against = judge(claim(pairs=[*pairs, Pair("patchmatch", "deepfill-v1")]), evidence(fake))
    assert (one_against.verdict, one_against.run) == ("contradicted", "patchmatch")
    one_absent = judge(claim(pairs=[*pairs, Pair("tmad", "patchmatch")]), evidence(fake))
    assert one_absent.verdict == "not run"


def test_the_pair_that_is_shown_is_one_that_makes_the_verdict(fake):
    """One pair is a little against the claim without doubt, another much, but for two photographs alone."""
    seen = evidence(fake)
    values = {run: seen.measured.values(run)["rectangle"]["psnr_hole"] for run in ("deepfill-v1", "patchmatch")}
    base = seen.measured.values("constant-fill")["rectangle"]["psnr_hole"]
    values["deepfill-v1"][:] = base + 0.5 + 0.001 * np.arange(24)
    values["patchmatch"][:] = base + np.where(np.arange(24) < 6, 30.0, -2.0 - 0.001 * np.arange(24))
    pairs = [Pair("constant-fill", "patchmatch"), Pair("constant-fill", "deepfill-v1")]
    entry = judge(claim(pairs=pairs), seen)
    assert (entry.verdict, entry.against) == ("contradicted", "deepfill-v1") and entry.ours.high < 0


def test_a_pair_that_is_undecided_leaves_the_claim_undecided(fake):
    seen = evidence(fake)
    seen.measured.values("deepfill-v1")["rectangle"]["psnr_hole"][:] = seen.measured.values("constant-fill")[
        "rectangle"
    ]["psnr_hole"]
    pairs = [Pair("constant-fill", "patchmatch"), Pair("constant-fill", "deepfill-v1")]
    assert judge(claim(pairs=pairs), seen).verdict == "undecided"


@pytest.mark.parametrize(("margin", "verdict"), [(4, "confirmed"), (2, "contradicted")])
def test_no_gain_is_a_gain_surely_below_the_margin(fake, margin, verdict):
    entry = judge(claim(margin=margin, better=-1), evidence(fake))
    assert entry.verdict == verdict and entry.ours.gain == pytest.approx(-STEP)


def test_a_gain_that_may_be_on_either_side_of_the_margin_is_undecided(fake):
    seen = evidence(fake)
    noise = np.random.default_rng(0).standard_normal(24)
    seen.measured.values("deepfill-v1")["rectangle"]["psnr_hole"][:] += noise
    entry = judge(claim(margin=STEP, better=-1), seen)
    assert (entry.verdict, entry.why) == ("undecided", "the interval holds -3.001")


def test_of_no_gain_the_largest_gain_is_shown(fake):
    pairs = [Pair("constant-fill", "deepfill-v1"), Pair("constant-fill", "patchmatch")]
    entry = judge(claim(margin=20, better=-1, pairs=pairs), evidence(fake))
    assert (entry.verdict, entry.against) == ("confirmed", "patchmatch")


def test_a_smaller_loss_from_small_to_large_holes_is_steadier(fake):
    lost = {"deepfill-v1": 3.0, "deepfill-v1-baseline": 5.0}
    for run in lost:
        fake.write(run, kinds=("rectangle", "square"))
    seen = evidence(fake)
    for run, loss in lost.items():
        seen.measured.values(run)["square"]["psnr_hole"] -= loss
    steady = claim(holes={"rectangle": -1, "square": 1})
    entry = judge(steady, seen)
    assert entry.verdict == "confirmed" and entry.ours.gain == pytest.approx(5 - 3)
    less = judge(replace(steady, better=-1), seen)
    assert less.verdict == "contradicted"


def test_a_stand_in_is_named_and_judged_all_the_same(fake):
    entry = judge(claim(own="places2"), evidence(fake))
    assert (entry.verdict, entry.data, entry.stand_in) == ("confirmed", "bundled-photos", True)
    assert not judge(claim(own="bundled-photos"), evidence(fake)).stand_in
    assert not judge(claim(), evidence(fake)).stand_in
