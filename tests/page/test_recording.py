"""A record holds what was measured, whole and small, and grows by parts."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from on_record import DAY, ROOT, SECONDS, benchmark, edit, git, here
from palimpsest.claims.formats import to_csv
from palimpsest.claims.ledger import read_ledger
from palimpsest.config.yaml import InputError
from palimpsest.page import recording
from palimpsest.page.checking import check
from palimpsest.page.recording import put_on_record
from palimpsest.papers.paper import read_papers
from palimpsest.results import records
from palimpsest.results.headline import REFERENCE, mean, rows
from palimpsest.results.records import read_record
from palimpsest.storage import write_json
from palimpsest.training.logged import LOGGED
from palimpsest.workspace import Workspace
from reported import RUNS, value

LATER = DAY.replace(day=2)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_record_says_what_was_measured_and_how(made, folder):
    record = read_record(folder)
    assert folder == made.root / "records" / "small-night"
    assert record.title == "small-night, A processor, 2 threads, 2026-05-01"
    assert (record.profile, sorted(record.kept)) == ("tiny", sorted(RUNS))
    kept = record.kept["deepfill-v1"]
    assert kept.made.commit == git(made.root, "rev-parse", "HEAD") and kept.made.versions == {"torch": "9.9"}
    assert kept.described == made.measured.runs["deepfill-v1"]
    slot = record.about.slots["scenes"]
    assert slot.counted == ("bundled-photos", 64, 24, 2)
    assert record.core_hours == pytest.approx({stage: 2 * seconds / 3600 for stage, seconds in SECONDS.items()})


def test_what_is_read_back_is_what_was_measured(made, folder):
    now, kept = made.measured, read_record(folder).measured
    for run in RUNS:
        assert kept.results[run].holes["rectangle"] == pytest.approx(now.results[run].holes["rectangle"], rel=1e-6)
        single = kept.values(run)["rectangle"]
        assert "psnr_hole" in single and not {"l2_raw", "hole_ratio"} & single.keys()
        for metric, values in single.items():
            np.testing.assert_allclose(values, now.values(run)["rectangle"][metric], rtol=1e-6)
    np.testing.assert_array_equal(kept.photographs("scenes"), now.photographs("scenes"))


def test_every_seed_is_kept(made):
    made.write("deepfill-v1", seeds=(1, 2, 3))
    record = read_record(put_on_record(here(made.root), "a"))
    values = record.measured.values("deepfill-v1")["rectangle"]["psnr_hole"]
    np.testing.assert_allclose(values, made.measured.values("deepfill-v1")["rectangle"]["psnr_hole"], rtol=1e-6)
    assert values.shape == (3, 24) and record.seeds == "1 to 3"


def test_curves_of_every_training_are_kept_and_another_part_keeps_those_of_the_first(made, known):
    schedule = {"schedule": {"phases": [{"iterations": 15}, {"iterations": 15}]}}
    edit(Workspace(made.root).resolved("runs"), "deepfill-v1", "run", to=lambda run: {**run, "settings": schedule})
    log = [{"iteration": i, "phase": "a", LOGGED: i / 3} for i in (10, 20)]
    write_json(Workspace(made.root).run("deepfill-v1").of([1])[1].log, [*log, {"iteration": 30, "phase": "a"}])
    first = read_record(put_on_record(here(made.root), "a"))
    assert first.curves == {("deepfill-v1", 1): [(10, 3.333333), (20, 6.666667)]}
    assert check(first.folder, known) == []
    Workspace(made.root).run("deepfill-v1").of([1])[1].log.unlink()
    assert read_record(put_on_record(here(made.root, LATER), "a")).curves == first.curves
    made.write("deepfill-v1", seeds=(2,))
    assert read_record(put_on_record(here(made.root, LATER), "a")).curves == {}


def test_the_ledger_of_a_record_is_that_of_its_values_and_agrees_with_the_results(made, folder):
    said = (folder / "claims.csv").read_text()
    kept, now = (read_ledger(each, read_papers()) for each in (read_record(folder).measured, made.measured))
    assert said == to_csv(kept) and len(kept.entries) == len(now.entries)
    pairs = [(one, other) for one, other in zip(kept.entries, now.entries, strict=True) if other.ours]
    assert len(pairs) > 5
    for one, other in pairs:
        assert one.verdict == other.verdict and one.ours.gain == pytest.approx(other.ours.gain, abs=1e-4)


def test_the_papers_own_methods_are_read_from_a_record_as_from_results(made, folder):
    record = read_record(folder).measured
    found = {row.method: (mean(record, row.run, row), mean(record, REFERENCE, row)) for row in rows()}
    assert list(found) == ["DeepFill v1", "T-MAD", "GM-SRM", "CRFill"]
    wanted = [value(run, "psnr_hole") for run in ("deepfill-v1", REFERENCE)]
    assert found["DeepFill v1"] == pytest.approx(wanted) and found["CRFill"] == (None, None)


def test_a_dozen_pictures_stand_side_by_side(made, folder):
    names = ["scenes-original", "scenes-rectangle-deepfill-v1", "scenes-rectangle-input"]
    assert sorted(path.stem for path in (folder / "pictures").iterdir()) == names
    with Image.open(folder / "pictures" / "scenes-original.png") as strip:
        pixels = np.asarray(strip)
    assert pixels.shape == (64, 3 * 66 - 2, 3)  # the fake project keeps three
    np.testing.assert_array_equal(pixels[:, 66:130], made.pictures[1])


def test_large_pictures_are_made_smaller(tmp_path):
    recording.save_strip(tmp_path / "a.png", np.zeros((12, 256, 256, 3), np.uint8))
    assert Image.open(tmp_path / "a.png").size == (recording.WIDEST, recording.SIDE)


def test_pictures_under_their_owner_s_terms_are_not_passed_on(made, known):
    folder = put_on_record(here(made.root, public=[]), "a")
    assert not (folder / "pictures").exists() and check(folder, replace(known, public=[])) == []


def test_a_second_part_adds_its_runs_and_keeps_the_others(made, folder, known):
    first = contents(folder)
    made.write("deepfill-v1", psnr_hole=30.0)
    made.add("gl", settings="a" * 64)
    (Workspace(made.root).results("patchmatch").metrics).unlink()
    benchmark(made.root, "Another")
    put_on_record(here(made.root, LATER, seconds={"train@gl": 7.0}), "small-night")
    record, second = read_record(folder), contents(folder)
    assert sorted(record.kept) == sorted([*RUNS, "gl"])
    assert {run: kept.made.date[:10] for run, kept in record.kept.items() if kept.made.device[0:7] == "Another"} == {
        "deepfill-v1": "2026-05-02",
        "gl": "2026-05-02",
    }
    same = {f"runs/{run}.{ending}" for run in RUNS if run != "deepfill-v1" for ending in ("json", "npz")}
    assert all(first[name] == second[name] for name in same)
    assert record.devices == ["Another, 2 threads", "A processor, 2 threads"] and record.day == "2026-05-02"
    assert record.measured.results["deepfill-v1"].holes["rectangle"]["psnr_hole"] == 30
    assert record.seconds == {**SECONDS, "train@gl": 7.0}
    assert check(folder, known) == []


def test_recording_the_same_results_again_keeps_every_run(made, folder):
    first = contents(folder)
    put_on_record(here(made.root, LATER), "small-night")
    changed = {name for name, data in contents(folder).items() if data != first[name]}
    assert changed == {"record.json"}


@pytest.mark.parametrize(
    ("keys", "to", "why"),
    [
        (("slots", "scenes", "sha256"), "0" * 64, r"with other test pictures of 'scenes'; accepted: the same"),
        (("profile",), "photos", r"result\.profile: found 'tiny'; accepted: photos"),
    ],
)
def test_other_pictures_are_not_mixed_in(made, folder, keys, to, why):
    edit(folder / "record.json", *keys, to=to)
    before = contents(folder)
    with pytest.raises(InputError, match=why):
        put_on_record(here(made.root, LATER), "small-night")
    assert contents(folder) == before and [path.name for path in folder.parent.iterdir()] == ["small-night"]


def test_another_profile_is_not_mixed_in(made, folder):
    for run in RUNS:
        edit(Workspace(made.root).results(run).metrics, "profile", to="photos")
    with pytest.raises(InputError, match=r"small-night: asked to add runs of profile photos; accepted: tiny, or"):
        put_on_record(here(made.root, LATER), "small-night")


def test_other_holes_are_not_mixed_in(made, folder):
    for run in RUNS:
        edit(Workspace(made.root).results(run).metrics, "hole_ratios", "rectangle", to=0.3)
    with pytest.raises(InputError, match=r"asked to add runs with other rectangle holes; accepted: the same"):
        put_on_record(here(made.root, LATER), "small-night")


def test_a_record_that_is_too_large_is_refused_with_its_sizes(made, monkeypatch):
    monkeypatch.setattr(records, "LARGEST", 10_000)
    with pytest.raises(InputError, match=r"found \d+ bytes, among them \w\S+ \d+, .*; accepted: 10000 in all"):
        put_on_record(here(made.root), "a")
    assert [path.name for path in (made.root / "records").iterdir()] == ["small-night"]


def test_external_results_are_left_out(made):
    made.external("theirs", "Theirs")
    assert "theirs" not in read_record(put_on_record(here(made.root), "a")).kept


def test_only_what_a_commit_makes_goes_on_record(made):
    path = made.root / "params.yaml"
    text = path.read_text()
    path.write_text(text.replace('"tiny"', '"photos"', 1).replace('"rounds": 3', '"rounds": 4', 1))
    with pytest.raises(InputError, match=r"uncommitted changes: params\.yaml: profiles\.tiny\.benchmark\.rounds; acc"):
        put_on_record(here(made.root), "a")
    path.write_text(text)
    (made.root / "src").mkdir()
    (made.root / "src" / "new.py").touch()
    with pytest.raises(InputError, match=r"uncommitted changes: src/; accepted"):
        put_on_record(here(made.root), "a")
    (made.root / "src" / "new.py").unlink()
    edit(Workspace(made.root).results("patchmatch").metrics, "code", to="d" * 64)
    with pytest.raises(InputError, match=r"patchmatch: measured by other code than this; `dvc repro`"):
        put_on_record(here(made.root), "a")


def test_what_is_missing_is_named(made):
    Workspace(made.root).benchmark.unlink()
    with pytest.raises(InputError, match=r"benchmark\.json: asked for device and versions, found no file; `dvc repro"):
        put_on_record(here(made.root), "a")
    for name in ("../a", "votes", "A b", ""):
        with pytest.raises(InputError, match=r"^record(: found '.*'; accepted: a name| '.*': the folder holds)"):
            put_on_record(here(made.root), name)


def test_the_commands(made, palimpsest):
    shutil.rmtree(made.root / "records")
    page = made.root / "README.md"
    page.write_text("<!-- record -->\n<!-- end of record -->\n")
    (made.root / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "findings.md", made.root / "docs")
    assert palimpsest(made.root, "readme")[1] == "README.md and docs/findings.md show that nothing is on record\n"
    assert "No results are on record yet" in page.read_text()
    assert palimpsest(made.root, "record", "night")[1] == "records/night is written\n"
    assert palimpsest(made.root, "record", "--check")[1:] == ("nothing is wrong with night\n", "")
    unknown = palimpsest(made.root, "record", "--check", "nigth")[2]
    assert unknown == "error: record --check: found 'nigth'; accepted: night\n"
    assert palimpsest(made.root, "readme")[1] == "README.md and docs/findings.md show records/night\n"
    assert "](records/night/pictures/scenes-original.png) |" in page.read_text()
    claims = made.root / "records" / "night" / "claims.csv"
    said = claims.read_text()
    claims.write_text(said.replace("undecided", "confirmed", 1))
    status, _, error = palimpsest(made.root, "record", "--check", "night")
    assert status == 1 and error.count("\n") == 1 and "verdict is 'confirmed'; accepted: 'undecided'" in error
    palimpsest(made.root, "record", "night", "--ledger")
    assert claims.read_text() == said
    assert "found 0 names; accepted: one, or --check" in palimpsest(made.root, "record")[2]
