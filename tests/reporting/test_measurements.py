import csv
import io
import json
import math

import pytest

from palimpsest.papers.spec import read_metrics
from palimpsest.reporting.measurements import COLUMNS, to_csv, to_tree
from reporting.conftest import RUNS, value


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


def test_the_tree_holds_every_mean_and_is_valid_json(fake):
    fake.write("patchmatch", psnr=math.inf, tv_percent=math.nan)

    def refuse(word):
        raise ValueError(word)

    tree = json.loads(json.dumps(to_tree(fake.measured)), parse_constant=refuse)
    assert (tree["profile"], tree["data"]["scenes"]["images"]) == ("tiny", 24)
    found = tree["runs"]["patchmatch"]["rectangle"]
    assert (found["psnr"], found["tv_percent"]) == ("inf", None)
    assert found["l1"] == pytest.approx(value("patchmatch", "l1"))
    (row,) = [
        row
        for row in csv.DictReader(io.StringIO(to_csv(fake.measured)))
        if (row["run"], row["metric"]) == ("patchmatch", "tv_percent")
    ]
    assert (row["mean"], row["low"], row["count"], row["undefined"]) == ("", "", "0", "24")
