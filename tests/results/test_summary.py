import csv
import io
import math

import pytest

from palimpsest.papers.metrics import read_metrics
from palimpsest.results.summary import COLUMNS, to_csv
from reported import RUNS, SEED_STEP, value


def test_every_measurement_is_a_row_that_says_what_it_is(fake):
    rows = list(csv.DictReader(io.StringIO(to_csv(fake.measured))))
    assert list(rows[0]) == COLUMNS
    measured = {(run, metric) for run in RUNS for metric in read_metrics() if metric != "fid"}
    assert {(row["run"], row["metric"]) for row in rows} == measured and len(rows) == len(measured)
    (row,) = [row for row in rows if (row["run"], row["metric"]) == ("patchmatch", "psnr")]
    assert float(row["mean"]) == pytest.approx(value("patchmatch", "psnr"))
    assert float(row["low"]) < float(row["mean"]) < float(row["high"])
    about = {"model": "m", "slot": "scenes", "dataset": "bundled-photos", "hole": "rectangle", "count": "24"}
    about |= {"undefined": "0", "unit": "dB", "better": "higher", "settings": "a" * 64, "profile": "tiny"}
    assert {key: row[key] for key in about} == about
    assert all(row["low"] == "" for row in rows if row["metric"] == "fd_vgg16")


def test_a_row_has_the_number_of_seeds_and_their_deviation(fake):
    fake.write("deepfill-v1", seeds=(1, 2, 3))
    rows = [row for row in csv.DictReader(io.StringIO(to_csv(fake.measured))) if row["metric"] == "fd_vgg16"]
    found = {row["run"]: (row["seeds"], row["deviation"] and float(row["deviation"])) for row in rows}
    assert found["deepfill-v1"] == ("3", pytest.approx(SEED_STEP)) and found["patchmatch"] == ("1", "")


def test_a_value_that_is_no_number_is_an_empty_cell(fake):
    fake.write("patchmatch", psnr=math.inf, tv_percent=math.nan)
    rows = {
        row["metric"]: row for row in csv.DictReader(io.StringIO(to_csv(fake.measured))) if row["run"] == "patchmatch"
    }
    assert rows["psnr"]["mean"] == "inf"
    none = rows["tv_percent"]
    assert (none["mean"], none["low"], none["count"], none["undefined"]) == ("", "", "0", "24")
