import json
import sqlite3

import pytest

from palimpsest.study.votes import LARGEST
from palimpsest.workspace import Workspace
from study.conftest import STUDY, ballot, rebuild, saved, study
from study.test_trials import change_a_pixel


def first(place, methods):
    return methods[0]


def in_turn(place, methods):
    return methods[place % len(methods)]


def stored(root):
    path = Workspace(root).votes(STUDY)
    return path.read_text() if path.is_file() else ""


def test_votes_become_lines_of_a_file_and_a_tally(root, key):
    run = study(root, "tally", saved(root, ballot(key, "Ada L.", in_turn)))
    assert (run.returncode, run.stderr) == (0, "")
    head, *lines = stored(root).splitlines()
    assert head == "identity,rater,trial,slot,hole,picture,method,seconds"
    assert len(lines) == 9 and lines == sorted(lines)
    assert all(line.startswith(f"{key.identity},Ada L.,") and line.endswith(",1.5") for line in lines)
    assert "crfill-1, in all: 9 votes of 1 rater on 9 pictures, 0 of them without a winner; kappa undef" in run.stdout
    assert "  DeepFill v2                       3 votes  33.33 % [ 12.06,  64.58]    3 wins" in run.stdout
    assert "gm-srm-III, in all: no votes, nobody has voted yet" in run.stdout


def test_more_files_add_and_the_order_of_files_does_not_matter(root, key):
    files = [saved(root, ballot(key, name, in_turn, n), f"{name}.json") for n, name in enumerate(("Zoe", "Ada", "Eve"))]
    study(root, "tally", files[0])
    study(root, "tally", *files[1:])
    apart = stored(root)
    Workspace(root).votes(STUDY).unlink()
    study(root, "tally", *files[::-1])
    assert stored(root) == apart and len(apart.splitlines()) == 1 + 27


def test_the_same_file_twice_is_one_and_a_longer_one_of_the_same_rater_adds(root, key):
    part = saved(root, ballot(key, "Ada", first, trials=4), "part.json")
    assert study(root, "tally", part, part).returncode == 0
    assert len(stored(root).splitlines()) == 1 + 4
    assert study(root, "tally", part, saved(root, ballot(key, "Ada", first))).returncode == 0
    assert len(stored(root).splitlines()) == 1 + 9


def test_two_files_of_one_rater_that_differ_are_refused_by_their_names(root, key):
    one = saved(root, ballot(key, "Ada", first), "one.json")
    other = saved(root, ballot(key, "Ada", in_turn), "two.json")
    run = study(root, "tally", one, other)
    assert run.returncode == 1 and stored(root) == ""
    assert run.stderr.startswith(f"error: {one} and {other}: rater 'Ada' voted twice on trial ")
    study(root, "tally", one)
    before = stored(root)
    run = study(root, "tally", other)
    assert run.returncode == 1 and stored(root) == before
    assert run.stderr.startswith(f"error: records/votes/{STUDY}.csv and {other}: rater 'Ada' voted twice")


def change(**changes):
    return lambda ballot: {**ballot, **changes}


def change_vote(**changes):
    return lambda ballot: {**ballot, "votes": {name: {**v, **changes} for name, v in ballot["votes"].items()}}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change(identity="0" * 64), "votes on study 000000000000, of other pictures, methods or settings"),
        (change(rater="=cmd()"), "rater is '=cmd()'"),
        (change(rater=""), "rater is ''"),
        (change(rater="Ada\n"), "rater is 'Ada\\n'"),
        (change(number=-1), "number is -1"),
        (change(votes={"../../x": {"choice": "a", "seconds": 1.0}}), "found a vote on trial '../../x'"),
        (change(more=1), "more is not a setting"),
        (change_vote(choice="crfill"), "found choice 'crfill' on trial"),
        (change_vote(seconds=-1.0), "seconds is -1.0"),
        (change_vote(seconds="1"), "seconds is '1'"),
        (lambda ballot: [ballot], "input should be a valid dictionary"),
    ],
)
def test_a_vote_file_that_is_none_is_refused_and_nothing_is_written(root, key, spoil, said):
    good = saved(root, ballot(key, "Eve", first), "good.json")
    bad = saved(root, spoil(ballot(key, "Ada", first)), "bad.json")
    run = study(root, "tally", good, bad)
    assert run.returncode == 1 and run.stderr.startswith(f"error: {bad}: ") and said in run.stderr, run.stderr
    assert "Traceback" not in run.stderr and stored(root) == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "found no JSON"),
        (b"", "found no JSON"),
        (b"[" * 100_000, "found no JSON"),
        (b" " * (LARGEST + 1), "found more than 1048576 bytes"),
        (b"SQLite format 3\0 or so", "asked for the database of `study serve`, found another"),
        (None, "found no file that can be read"),
    ],
)
def test_junk_is_refused_in_one_line(root, content, said):
    if content is not None:
        (root / "junk").write_bytes(content)
    run = study(root, "tally", "junk")
    assert run.returncode == 1 and run.stderr.startswith("error: junk: ") and said in run.stderr
    assert run.stderr.count("\n") == 1 and not (Workspace(root).records / "votes").exists()


def test_a_database_of_something_else_is_refused(root):
    with sqlite3.connect(root / "other.sqlite") as database:
        database.execute("CREATE TABLE study (identity TEXT)")
    run = study(root, "tally", "other.sqlite")
    assert run.returncode == 1 and "asked for the database of `study serve`, found another" in run.stderr


def test_votes_on_a_study_that_was_built_anew_stay_and_do_not_count(root, key):
    old = saved(root, ballot(key, "Ada", first))
    assert study(root, "tally", old).returncode == 0
    change_a_pixel(root)
    rebuild(root)
    run = study(root, "tally")
    assert "no votes, all 9 votes were given on other pictures or results; the study was built anew since" in run.stdout
    assert len(stored(root).splitlines()) == 1 + 9
    run = study(root, "tally", old)
    assert run.returncode == 1 and "of other pictures, methods or settings than those that are built" in run.stderr


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("rater", "voter", 1), "found columns"),
        (lambda text: text.replace(",1.5\n", "\n", 1), "found none that can be read"),
        (lambda text: text.replace("deepfill-v2", "someone", 1), "not a vote on this study"),
        (lambda text: text + text.splitlines()[1].replace("1.5", "2.5") + "\n", "voted twice on trial"),
        (lambda text: "", "found none that can be read"),
    ],
)
def test_a_spoilt_file_of_votes_is_named(root, key, spoil, said):
    study(root, "tally", saved(root, ballot(key, "Ada", in_turn)))
    path = Workspace(root).votes(STUDY)
    path.write_text(spoil(path.read_text()))
    run = study(root, "tally")
    assert run.returncode == 1 and f"{STUDY}.csv" in run.stderr and said in run.stderr
    assert run.stderr.count("\n") == 1


def test_votes_of_another_study_go_to_a_file_of_their_own(root, key):
    other = json.loads((Workspace(root).reports.study / "gm-srm-III.key.json").read_text())
    name, trial = next(iter(other["trials"].items()))
    votes = {name: {"choice": next(iter(trial["codes"])), "seconds": 3}}
    tree = {"identity": other["identity"], "rater": "Ada", "number": 0, "votes": votes}
    run = study(root, "tally", saved(root, tree), saved(root, ballot(key, "Ada", first), "more.json"))
    assert run.returncode == 0
    assert {path.name for path in (Workspace(root).records / "votes").iterdir()} == {"crfill-1.csv", "gm-srm-III.csv"}
