"""A record beside ours now: the same is not marked, what moved beyond its interval is, other profiles are not."""

from dataclasses import replace

import numpy as np
import pytest

from on_record import DAY, edit, here
from palimpsest.page.recording import put_on_record
from palimpsest.results.records import best, read_record, read_records
from palimpsest.results.reproduction import Beside, beside
from palimpsest.tables.tables import all_tables
from palimpsest.tables.text import to_csv
from reported import RUNS, column

AT = ("scenes", "rectangle")
MANY = np.arange(24) // 3  # eight photographs of three pictures


@pytest.fixture
def shown(made, folder):
    """(changes of the single values of a metric by run) → the record beside them."""

    def shown(photographs=MANY, **changes) -> Beside:
        now = replace(made.measured, _photographs={"scenes": photographs})
        for run, change in changes.items():
            values = now.values(run.replace("_", "-"))["rectangle"]
            values["psnr_hole"] = values["psnr_hole"] + change
        return Beside(read_record(folder), now)

    return shown


def test_the_same_results_are_not_marked(shown):
    same = shown()
    judged = [same.of(run, *AT, metric) for run in RUNS for metric in ("psnr_hole", "l1", "lpips_alex", "fd_vgg16")]
    assert all(judged) and not any(each.differs for each in judged)
    assert judged[0].why == "the paired interval of the difference is [0, 0]"


def test_a_difference_beyond_the_paired_interval_is_marked_and_one_within_it_is_not(shown):
    noise = np.random.default_rng(1).standard_normal(24)
    moved = shown(deepfill_v1=0.5 + 0.1 * noise, patchmatch=noise - noise.mean())
    assert moved.of("deepfill-v1", *AT, "psnr_hole").differs
    assert not moved.of("patchmatch", *AT, "psnr_hole").differs
    assert not moved.of("deepfill-v1-baseline", *AT, "psnr_hole").differs


def test_with_few_photographs_or_other_pictures_the_interval_on_record_counts(made, folder, shown):
    few = shown(photographs=np.zeros(24, int))
    assert few.of("deepfill-v1", *AT, "psnr_hole").why.startswith("the interval on record is [17.")
    made.write("deepfill-v1", psnr_hole=19.0)
    edit(folder / "record.json", "slots", "scenes", "sha256", to="0" * 64)
    other = shown().of("deepfill-v1", *AT, "psnr_hole")
    assert other.differs and other.why.startswith("the interval on record is [17.")


def test_another_profile_is_shown_and_not_compared(made, folder, shown):
    for run in RUNS:
        edit(folder / "runs" / f"{run}.json", "result", "profile", to="photos")
    edit(folder / "record.json", "profile", to="photos")
    moved = shown(deepfill_v1=5)
    assert not moved.of("deepfill-v1", *AT, "psnr_hole").differs
    assert moved.of("deepfill-v1", *AT, "psnr_hole").why == "not compared: profile photos"
    assert "Ours now are of profile tiny" in moved.note
    heads = {head.text for head in all_tables(made.measured, moved)[0].heads}
    assert "on record: small-night, profile photos, hole only" in heads


def test_what_is_not_on_record_or_not_measured_now_has_no_mark(made, shown):
    assert shown().of("crfill", "scenes", "square", "psnr") is None
    assert shown().of("deepfill-v1", "unseen", "rectangle", "psnr") is None
    gone = shown()
    del gone.now.results["deepfill-v1"]
    assert gone.of("deepfill-v1", *AT, "psnr_hole").why == "not measured now"


def test_a_table_shows_the_record_beside_ours_with_a_mark(shown, made):
    table = all_tables(made.measured, shown(deepfill_v1=0.5))[0]
    (group,) = {head.group for head in table.heads if "PSNR" in head.group}
    cells = column(table, group, "on record: small-night, hole only")
    assert cells["DeepFill v1"].text.endswith(" ≠") and not cells["PatchMatch"].text.endswith("≠")
    assert "≠: ours now differs from the record" in table.legend
    assert dict(table.notes)["On record"].startswith(
        "small-night, A processor, 2 threads, 2026-05-01; profile tiny, com"
    )
    assert " ≠," in to_csv(table)


def test_which_record_is_shown(made, folder):
    """README shows the largest scale, then the latest; beside ours one of the same profile comes first."""
    put_on_record(here(made.root, DAY.replace(day=3)), "later")
    small = put_on_record(here(made.root, DAY.replace(day=2)), "photos")
    for run in RUNS:
        edit(small / "runs" / f"{run}.json", "result", "profile", to="photos")
    edit(small / "record.json", "profile", to="photos")
    found = read_records(made.root)
    assert [record.name for record in found] == ["later", "photos", "small-night"]
    assert best(found).name == "photos" and beside(found, made.measured).record.name == "later"
    assert best([]) is None and beside([], made.measured) is None


def test_the_scale_of_a_record_is_that_of_its_profile(folder):
    record, order = read_record(folder), ["tiny", "small-faces", "small", "photos", "paper-faces", "paper"]
    scales = [replace(record, about=record.about.model_copy(update={"profile": each})).scale for each in order]
    assert scales == sorted(set(scales))
