import json
import re
import shutil

import numpy as np
import pytest

from palimpsest.config.yaml import InputError
from palimpsest.study.design import arrangement
from palimpsest.study.trials import read_key, read_keys
from palimpsest.workspace import Workspace
from reported import run_stage
from study.conftest import METHODS, STUDY, rebuild


def data_in(root, study=STUDY):
    """What a page is told."""
    page = (Workspace(root).reports.study / f"{study}.html").read_text()
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.DOTALL)[1])


@pytest.mark.parametrize("study", ["crfill-1", "gm-srm-III"])
def test_a_page_does_not_tell_what_it_shows(held, study):
    page = re.sub(r"data:image/png;base64,[\w+/=]+", "", (Workspace(held).reports.study / f"{study}.html").read_text())
    pictures = {trial.picture for trial in read_key(held, study).trials.values()}
    labels = {"DeepFill", "Rethink", "MEDFE", "PEN-Net", "HiFill", "CRA", "CRFill", "GM-SRM", "LISK", "Lahiri"}
    for word in {*METHODS, *labels, *pictures, "scenes", "strokes", "irregular", "a" * 12, study}:
        assert not re.search(rf"\b{re.escape(word)}\b", page, re.IGNORECASE), word


def test_a_page_needs_nothing_from_elsewhere(held):
    page = (Workspace(held).reports.study / f"{STUDY}.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "@import" not in page and "http:" not in page
    assert "default-src 'none'" in page


def test_codes_differ_from_trial_to_trial_and_are_listed_without_order(held, key):
    codes = [code for trial in key.trials.values() for code in trial.codes]
    assert len(codes) == len(set(codes)) == 9 * 3
    listed = [[key.trials[t["name"]].codes[r["code"]] for r in t["results"]] for t in data_in(held)["trials"]]
    assert len({tuple(runs) for runs in listed}) > 1


def test_the_page_has_the_orders_of_the_design(held, key):
    for number, trial in enumerate(data_in(held)["trials"]):
        runs = [key.trials[trial["name"]].codes[result["code"]] for result in trial["results"]]
        methods = list(key.trials[trial["name"]].codes.values())
        for rater, order in enumerate(trial["orders"]):
            assert [methods.index(runs[place]) for place in order] == arrangement(rater, number, 3)


def test_missing_methods_are_left_out_and_a_study_of_one_says_why(root):
    assert list(read_key(root, "crfill-1").methods) == ["deepfill-v2", "medfe", "crfill"]
    assert list(read_key(root, "gm-srm-III").methods) == ["deepfill-v2", "medfe", "gm-srm"]
    listed = json.loads(Workspace(root).resolved("runs").read_text())
    for run in ("deepfill-v2", "medfe"):
        listed[run]["settings"] = "b" * 64
    Workspace(root).resolved("runs").write_text(json.dumps(listed))
    (Workspace(root).reports.study / "crfill-1.key.json").unlink()
    rebuild(root)
    page = (Workspace(root).reports.study / "crfill-1.html").read_text()
    assert "not yet run: deepfill-v2, medfe, pen-net, cra." in page and "<script" not in page
    assert read_key(root, "crfill-1") is None


def test_equal_results_build_equal_pages_and_another_seed_only_other_orders(root):
    before = {path.name: path.read_bytes() for path in Workspace(root).reports.study.iterdir()}
    rebuild(root)
    assert {path.name: path.read_bytes() for path in Workspace(root).reports.study.iterdir()} == before
    orders = data_in(root)["sequences"]
    rebuild(root, seed=2)
    assert (Workspace(root).reports.study / f"{STUDY}.key.json").read_bytes() == before[f"{STUDY}.key.json"]
    assert data_in(root)["sequences"] != orders


@pytest.mark.slow
def test_the_stage_writes_what_the_settings_say(root):
    before = {path.name: path.read_bytes() for path in Workspace(root).reports.study.iterdir()}
    shutil.rmtree(Workspace(root).reports.study)
    run_stage(root, "study", study={"seed": 1, "pictures": 6})
    assert {path.name: path.read_bytes() for path in Workspace(root).reports.study.iterdir()} == before
    run_stage(root, "study", study={"seed": 1, "pictures": 2})
    assert len(read_key(root, "crfill-1").trials) == 3 * 2


def change_a_pixel(root):
    path = root / "results" / "crfill" / "samples.npz"
    arrays = dict(np.load(path))
    arrays["strokes/result"][1, 30, 30, 0] ^= 1
    np.savez(path, **arrays)


def change_the_settings(root):
    for path in (Workspace(root).resolved("runs"), root / "results" / "crfill" / "metrics.json"):
        tree = json.loads(path.read_text())
        (tree if "settings" in tree else tree["crfill"])["settings"] = "b" * 64
        path.write_text(json.dumps(tree))


@pytest.mark.parametrize("change", [change_a_pixel, change_the_settings])
def test_other_results_make_another_study(root, change):
    before = read_keys(root)
    change(root)
    rebuild(root)
    after = read_keys(root)
    assert before["crfill-1"].identity != after["crfill-1"].identity
    assert not before["crfill-1"].trials.keys() & after["crfill-1"].trials.keys()
    assert before["gm-srm-III"] == after["gm-srm-III"]


def test_without_studies_the_command_to_build_them_is_named(tmp_path):
    with pytest.raises(InputError, match="found none; `dvc repro study` builds it"):
        read_keys(tmp_path)
