"""How long stages took, and what a plan makes of it."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from dvc.exceptions import DvcException
from dvc.lock import LockError

from palimpsest.config import runs
from palimpsest.pipeline.display import in_words
from palimpsest.pipeline.estimates import BATCH, CRITIC_STEPS, FORWARD_AND_BACKWARD, STEPS_A_SECOND, trainings
from palimpsest.pipeline.graph import Needs, Stage, in_use
from palimpsest.pipeline.plan import on_gpus, on_workers, what_would_run
from palimpsest.pipeline.reasons import reasons
from palimpsest.pipeline.times import UNKNOWN, Times
from palimpsest.storage import write_json


@pytest.fixture
def project(tmp_path):
    (tmp_path / "params.yaml").write_text("profile: tiny\n")
    return tmp_path


def put_on_record(project, name, profile, seconds):
    folder = project / "records" / name
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"profile": profile, "date": name}))
    (folder / "stages.csv").write_text(f"stage,seconds\ntrain@a,{seconds}\n")


def test_an_unknown_stage_takes_the_median_of_its_kind_and_then_of_all(project):
    times = Times(project, project / "scratch")
    assert times.expected(["train@a"]) == {"train@a": UNKNOWN}
    for name, seconds in {"train@a": 2.0, "train@b": 4.0, "train@c": 9.0, "split@a": 1.0}.items():
        times.keep(name, seconds)
    again = Times(project, project / "scratch")
    assert again.expected(["train@b", "train@new", "other"]) == {"train@b": 4.0, "train@new": 4.0, "other": 3.0}


def test_before_a_first_run_the_newest_record_of_the_profile_counts(project):
    put_on_record(project, "2026-01-01", "tiny", 5)
    put_on_record(project, "2026-02-01", "tiny", 7)
    put_on_record(project, "2026-03-01", "photos", 900)
    times = Times(project, project / "scratch")
    assert times.took == {"train@a": 7.0}
    times.keep("train@a", 8.0)
    assert Times(project, project / "scratch").took == {"train@a": 8.0}


def test_only_what_ran_here_is_known_as_such(project):
    put_on_record(project, "2026-01-01", "tiny", 5)
    times = Times(project, project / "scratch")
    times.keep("train@b", 2.5)
    again = Times(project, project / "scratch")
    assert (again.here, again.took) == ({"train@b": 2.5}, {"train@a": 5.0, "train@b": 2.5})


def test_times_are_kept_a_seed_and_hold_for_any_number_of_them(tmp_path, params):
    params["profiles"]["tiny"]["seeds"] = [1, 2]
    write_json(tmp_path / "params.yaml", params)
    times = Times(tmp_path, tmp_path / "scratch")
    names = {
        "train@tmad": 8.0,
        "evaluate@tmad": 4.0,
        "transfer@tmad-on-large": 6.0,
        "train@gl": 2.0,
        "split@scenes": 1.0,
    }
    for name, seconds in names.items():
        times.keep(name, seconds)
    assert times.took == times.expected(names) == names
    params["profiles"]["tiny"]["seeds"] = [1, 2, 3]
    write_json(tmp_path / "params.yaml", params)
    more = {
        "train@tmad": 12.0,
        "evaluate@tmad": 6.0,
        "transfer@tmad-on-large": 9.0,
        "train@gl": 2.0,
        "split@scenes": 1.0,
    }
    again = Times(tmp_path, tmp_path / "scratch")
    assert again.took == again.expected(names) == more
    one = {"train@tmad": 4.0, "evaluate@tmad": 2.0, "transfer@tmad-on-large": 3.0, "train@gl": 2.0, "split@scenes": 1.0}
    assert again.expected(names, "photos") == one


def test_times_in_words():
    assert [in_words(seconds) for seconds in (0.4, 59.6, 200, 18600)] == [
        "0 s",
        "1 min 0 s",
        "3 min 20 s",
        "5 h 10 min",
    ]


def test_an_estimate_gives_its_own_rate_back(params):
    """DeepFill v1's own time is what its authors report: steps over steps a second."""
    counted = {"deepfill-v1": {"runs": ["deepfill-v1"], "multiply_adds": 10**9}}
    seconds = trainings(params, counted, "paper")
    (phase,) = params["runs"]["deepfill-v1"]["settings"]["schedule"]["phases"]["paper"]
    batch = params["runs"]["deepfill-v1"]["settings"]["schedule"]["batch_size"]["paper"]
    assert batch == BATCH and params["runs"]["deepfill-v1"]["settings"]["critic_steps"]["paper"] == CRITIC_STEPS
    assert seconds["train@deepfill-v1"] == pytest.approx(phase["iterations"] / STEPS_A_SECOND)
    twice = trainings(params, {**counted, "x": {"runs": ["crfill"], "multiply_adds": 2 * 10**9}}, "paper")
    crfill = params["runs"]["crfill"]["settings"]["schedule"]
    iterations = sum(phase["iterations"] for phase in crfill["phases"]["paper"])
    fills = iterations * crfill["batch_size"]["paper"] * (FORWARD_AND_BACKWARD + 1)
    of_deepfill = phase["iterations"] * batch * (FORWARD_AND_BACKWARD + CRITIC_STEPS)
    assert twice["train@crfill"] == pytest.approx(seconds["train@deepfill-v1"] * 2 * fills / of_deepfill)
    assert seconds["train@patchmatch"] == 0
    params["profiles"]["paper"]["seeds"] = [1, 2, 3]
    thrice = trainings(params, counted, "paper")
    assert thrice["train@deepfill-v1"] == pytest.approx(3 * seconds["train@deepfill-v1"])


def test_a_plan_names_what_would_run_and_the_longest_chain():
    stages = {"a": Stage("a", frozenset(), Needs()), "b": Stage("b", frozenset("a"), Needs())}
    lines = what_would_run({"a": "new", "b": "a"}, {"a": 4.0}).splitlines()
    assert [line.split() for line in lines[1:]] == [["a", "4", "s", "new"], ["b", "not", "known", "a"]]
    assert what_would_run({}, {}) == "Nothing has changed"
    lines = on_workers("All", stages, stages, {"a": 4.0, "b": 6.0}).splitlines()
    assert "10 s" in lines[1] and lines[-1] == "  the longest chain takes 10 s: a, b"
    assert lines[1].split()[:2] == ["1", "worker"] and lines[2].split()[:2] == ["2", "workers"]


def test_a_reason_is_the_setting_that_changed_where_params_has_it(tmp_path, params):
    run = runs.resolve(params, "deepfill-v2-psnet")
    before, now = ({"run": asdict(replace(run, profile=profile)), "code": {}} for profile in ("tiny", "small"))
    now["run"]["settings"]["width"] = now["run"]["start"]["settings"]["width"] = -1
    write_json(tmp_path / "params.yaml", params)
    write_json(tmp_path / "resolved" / "x.json", now)
    pipeline = SimpleNamespace(root=tmp_path, known=lambda *_: json.dumps(before), made="x".__eq__)
    stages = {"x": Stage("x", frozenset(), Needs()), "new": Stage("new", frozenset("x"), Needs())}
    news = {"x": {"resolved/x.json": "modified", "data": "deleted"}, "new": {"runs/nothing": "new", "data": "deleted"}}
    width = run.settings["width"]
    assert reasons(tmp_path, pipeline, stages, news, {"x"})["x"].split("; ") == [
        "run.profile tiny → small",
        f"runs.tmad.settings.width, inherited: {width} → -1",
        "2 more",
    ]
    assert reasons(tmp_path, pipeline, stages, news, set(stages))["new"] == (
        "not made here yet, or no longer in the cache; after x"
    )


def test_a_plan_gives_no_total_where_most_stages_were_never_measured(project):
    stages = {name: Stage(name, frozenset(), Needs()) for name in ("train@a", "train@b", "split@a", "split@b")}
    times = Times(project, project / "scratch")
    times.keep("split@a", 4.0)
    assert on_workers("All", stages, stages, times.expected(stages), times.unknown(stages)) == (
        "All: no total, as no time is known of 3 of 4 stages"
    )
    times.keep("train@a", 8.0)
    said = on_workers("All", stages, stages, times.expected(stages), times.unknown(stages)).splitlines()
    assert "24 s" in said[1] and said[-1].startswith("  no time is known of 2 of 4 stages, so the median of their")
    known = on_workers("Due", stages, ["split@a", "train@a"], times.expected(stages), times.unknown(stages))
    assert "12 s" in known and "no time" not in known


def test_what_an_estimate_for_gpus_lacks_is_said_once(tmp_path, params):
    write_json(tmp_path / "params.yaml", params)
    (said,) = on_gpus(tmp_path, {}, Times(tmp_path, tmp_path / "scratch"), "All stages")
    assert said.startswith("Profiles photos and paper: ") and said.count("results/architectures.json") == 1
    assert said.endswith("which `dvc repro architectures` makes") and "Errno" not in said


def test_a_stage_that_took_no_time_is_known(project):
    times = Times(project, project / "scratch")
    times.keep("split@a", 0.0)
    times.keep("split@b", 6.0)
    assert times.expected(["split@a"]) == {"split@a": 0.0} and times.unknown(["split@a", "split@c"]) == ["split@c"]


def test_who_keeps_the_pipeline_from_being_read_is_named_in_one_line():
    text = "'/a/runs/x' is busy, it is being blocked by:\n  (PID 71): /bin/dvc repro\n\nIf there are no processes …"
    assert in_use(LockError(text)) == (
        "asked what has changed, found `/bin/dvc repro` (process 71) at work in this folder; "
        "accepted: wait until it ends, or stop it"
    )
    assert "found another `dvc` at work" in in_use(LockError("Unable to acquire lock."))
    assert in_use(DvcException("dvc.yaml is not as it should be")) == ""
