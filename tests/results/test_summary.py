import csv
import io
import json
import math
import os
import subprocess
import sys

import pytest

from palimpsest.papers.metrics import read_metrics
from palimpsest.results.summary import COLUMNS, to_csv, to_tree
from palimpsest.storage import write_json
from reported import RUNS, value


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


@pytest.mark.slow
def test_dvc_shows_and_compares_the_means(fake, tmp_path_factory):
    project = tmp_path_factory.mktemp("dvc")
    (project / ".dvc").mkdir()
    (project / "dvc.yaml").write_text("metrics: [metrics.json]\n")

    def call(*words: str) -> str:
        who = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **who}
        run = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    fake.write("patchmatch", psnr=20.0, ssim=math.nan)
    write_json(project / "metrics.json", to_tree(fake.measured))
    call("git", "init", "-q")
    call("git", "add", "-A")
    call("git", "commit", "-qm", "measured")
    dvc = (sys.executable, "-m", "dvc", "metrics")
    shown = json.loads(call(*dvc, "show", "--json"))[""]["data"]["metrics.json"]["data"]["runs"]
    assert shown["patchmatch"]["rectangle"]["psnr"] == 20.0 and set(shown) == set(RUNS)
    fake.write("patchmatch", psnr=math.inf, ssim=0.5)
    write_json(project / "metrics.json", to_tree(fake.measured))
    lines = call(*dvc, "diff").splitlines()[1:]
    assert [line.split()[1:] for line in lines] == [
        ["runs.patchmatch.rectangle.psnr", "20.0", "inf", "-"],
        ["runs.patchmatch.rectangle.ssim", "-", "0.5", "-"],
    ]
