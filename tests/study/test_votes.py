import json
import sqlite3

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.results.measured import read_results
from palimpsest.study.polls import read_polls
from palimpsest.study.trials import read_keys
from palimpsest.study.votes import LARGEST, add
from palimpsest.workspace import Workspace
from study.conftest import STUDY, ballot, rebuild, saved, study
from study.test_trials import change_a_pixel


def first(place, methods):
    return methods[0]


def in_turn(place, methods):
    return methods[place % len(methods)]


def take(root, *files):
    """What `study tally` does with vote files."""
    add(root, read_keys(root), files)


def refusal(root, *files) -> str:
    """Why they are refused."""
    with pytest.raises(InputError) as refused:
        take(root, *files)
    return str(refused.value)


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
    take(root, files[0])
    take(root, *files[1:])
    apart = stored(root)
    Workspace(root).votes(STUDY).unlink()
    take(root, *files[::-1])
    assert stored(root) == apart and len(apart.splitlines()) == 1 + 27


def test_the_same_file_twice_is_one_and_a_longer_one_of_the_same_rater_adds(root, key):
    part = saved(root, ballot(key, "Ada", first, trials=4), "part.json")
    take(root, part, part)
    assert len(stored(root).splitlines()) == 1 + 4
    take(root, part, saved(root, ballot(key, "Ada", first)))
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
        (change(rater="<b>"), "rater is '<b>'; accepted: 1 to 40 letters, digits, spaces and"),
        (lambda ballot: [ballot], "json: found [{'identity': "),
        (lambda ballot: [ballot], "accepted: a mapping of keys to values"),
    ],
)
def test_a_vote_file_that_is_none_is_refused_and_nothing_is_written(root, key, spoil, said):
    good = saved(root, ballot(key, "Eve", first), "good.json")
    bad = saved(root, spoil(ballot(key, "Ada", first)), "bad.json")
    why = refusal(root, good, bad)
    assert why.startswith(f"{bad}: ") and said in why and stored(root) == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "found no JSON"),
        (b"\xff\xff", "found no JSON (no text in UTF-8)"),
        (b"", "found no JSON (line 1, column 1: "),
        (b"[" * 100_000, "found no JSON (nested too deeply)"),
        (b" " * (LARGEST + 1), "found more than 1048576 bytes"),
        (b"SQLite format 3\0 or so", "asked for the database of `study serve`, found another"),
        (None, "found no file that can be read"),
    ],
)
def test_junk_is_refused_in_one_line(root, content, said):
    path = root / "junk"
    if content is not None:
        path.write_bytes(content)
    why = refusal(root, path)
    assert why.startswith(f"{path}: ") and said in why and "\n" not in why
    assert not Workspace(root).votes(STUDY).parent.exists()


def test_a_database_of_something_else_is_refused(root):
    with sqlite3.connect(root / "other.sqlite") as database:
        database.execute("CREATE TABLE study (identity TEXT)")
    assert "asked for the database of `study serve`, found another" in refusal(root, root / "other.sqlite")


def test_votes_on_a_study_that_was_built_anew_stay_and_do_not_count(root, key):
    old = saved(root, ballot(key, "Ada", first))
    take(root, old)
    change_a_pixel(root)
    rebuild(root)
    run = study(root, "tally")
    assert (
        "no votes, all votes (9) were given on other pictures or results, before the study was built anew" in run.stdout
    )
    assert len(stored(root).splitlines()) == 1 + 9
    assert "of other pictures, methods or settings than those that are built" in refusal(root, old)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("rater", "voter", 1), "found columns"),
        (lambda text: text.replace(",1.5\n", "\n", 1), "csv, line 2: found 7 values; accepted: 8, one for each column"),
        (lambda text: text.replace("deepfill-v2", "someone", 1), "not a vote on this study"),
        (lambda text: text + text.splitlines()[1].replace("1.5", "2.5") + "\n", "voted twice on trial"),
        (lambda text: "", "found no columns; accepted: identity"),
    ],
)
def test_a_spoilt_file_of_votes_is_named(root, key, spoil, said):
    take(root, saved(root, ballot(key, "Ada", in_turn)))
    path = Workspace(root).votes(STUDY)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(InputError) as refused:
        read_polls(read_results(root))
    why = str(refused.value)
    assert f"{STUDY}.csv" in why and said in why and "\n" not in why


def test_votes_of_another_study_go_to_a_file_of_their_own(root, key):
    other = json.loads((Workspace(root).reports.study / "gm-srm-III.key.json").read_text())
    name, trial = next(iter(other["trials"].items()))
    votes = {name: {"choice": next(iter(trial["codes"])), "seconds": 3}}
    tree = {"identity": other["identity"], "rater": "Ada", "number": 0, "votes": votes}
    take(root, saved(root, tree), saved(root, ballot(key, "Ada", first), "more.json"))
    found = Workspace(root).votes(STUDY).parent.iterdir()
    assert {path.name for path in found} == {"crfill-1.csv", "gm-srm-III.csv"}
