"""A record holds what the pipeline made, small and whole; the latest is found by its date."""

import csv
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palimpsest import __main__ as command_line
from palimpsest.config.yaml import InputError
from palimpsest.page import records
from palimpsest.page.records import newest, read_record, save_picture, write_record
from palimpsest.papers.values import read_values
from palimpsest.results.summary import to_csv
from palimpsest.storage import write_json, write_text
from palimpsest.workspace import Workspace
from reported import RUNS, value

ROOT = Path(__file__).parents[2]
DAY = datetime(2027, 5, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def made(fake):
    """A project in which the pipeline has made all that belongs to a record."""
    workspace = Workspace(fake.root)
    write_json(
        workspace.benchmark,
        {"devices": {"cpu": "A processor"}, "threads": 2, "versions": {"torch": "9.9"}, "rounds": 1, "found": {}},
    )
    write_text(workspace.reports.folder / "metrics.csv", to_csv(fake.measured))
    write_json(workspace.reports.figures / "figures.json", [{"name": records.PICTURE, "title": "Results"}])
    Image.new("RGB", (40, 30)).save(workspace.reports.figures / f"{records.PICTURE}.png")
    return fake


def test_a_record_says_what_was_measured_and_with_what(made):
    folder = write_record(made.root, DAY, None)
    assert folder == made.root / "records" / "2027-05-01-tiny"
    record = read_record(folder / "record.json")
    assert (record.date, record.profile) == ("2027-05-01T12:30:00+00:00", "tiny")
    assert (record.device, record.versions) == ("A processor, 2 threads", {"torch": "9.9"})
    assert record.pictures == {"scenes": {"dataset": "bundled-photos", "size": 64, "images": 24, "photos": 2}}
    assert record.settings == dict.fromkeys(sorted(RUNS), "a" * 64)
    assert Image.open(folder / "picture.png").size == (40, 30)


def test_a_paper_s_own_method_stands_beside_the_constant_fill(made):
    rows = {row.method: row for row in read_record(write_record(made.root, DAY, None) / "record.json").rows}
    assert list(rows) == ["DeepFill v1", "T-MAD", "GM-SRM", "CRFill"]
    row = rows["DeepFill v1"]
    assert (row.run, row.hole, row.metric, row.region) == ("deepfill-v1", "rectangle", "psnr_hole", "hole only")
    assert row.ours == value("deepfill-v1", "psnr_hole")
    assert row.reference == value("constant-fill", "psnr_hole")
    assert rows["CRFill"].ours is None
    assert [read_values()[row.place].text for row in rows.values()] == ["18.91", "17.203", "29.04", "23.36"]


def test_every_mean_is_kept_with_its_interval(made):
    folder = write_record(made.root, DAY, None)
    with (folder / "metrics.csv").open() as file:
        found = {(row["run"], row["hole"], row["metric"]): row for row in csv.DictReader(file)}
    for run in RUNS:
        row = found[run, "rectangle", "psnr"]
        assert float(row["mean"]) == pytest.approx(value(run, "psnr"), rel=1e-5)
        assert float(row["low"]) < float(row["mean"]) < float(row["high"])
    assert list(found["patchmatch", "rectangle", "psnr"]) == records.COLUMNS


def test_a_name_stands_in_place_of_the_profile_and_a_day_s_record_is_replaced(made):
    assert write_record(made.root, DAY, "night").name == "2027-05-01-night"
    write_record(made.root, DAY, "night")
    assert [path.name for path in (made.root / "records").iterdir()] == ["2027-05-01-night"]


def test_the_newest_record_is_the_latest_by_its_date(made):
    with pytest.raises(InputError, match=r"records: asked for a record, found none; `make release`"):
        newest(made.root)
    first = write_record(made.root, DAY, "z")
    assert newest(made.root)[0] == first
    later = write_record(made.root, DAY.replace(hour=13), "a")
    folder, record = newest(made.root)
    assert (folder, record.date) == (later, "2027-05-01T13:30:00+00:00")


def test_what_is_missing_is_named(made):
    path = Workspace(made.root).reports.folder / "metrics.csv"
    path.unlink()
    with pytest.raises(InputError, match=r"metrics\.csv: asked for measured values, found no file; `dvc repro`"):
        write_record(made.root, DAY, None)
    Workspace(made.root).benchmark.unlink()
    with pytest.raises(InputError, match=r"benchmark\.json: asked for the device, found no file; `dvc repro`"):
        write_record(made.root, DAY, None)
    folder = made.root / "records" / "2027-05-01-odd"
    write_json(folder / "record.json", {"date": "2027-05-01"})
    with pytest.raises(InputError, match=r"record\.json: profile is missing"):
        newest(made.root)


def test_two_commands_put_a_record_into_the_readme(made, monkeypatch, capsys):
    monkeypatch.chdir(made.root)
    Path("README.md").write_text("<!-- record -->\n<!-- end of record -->\n")
    for name in ("params.yaml", "runtime.yaml"):
        shutil.copy(ROOT / name, name)
    write_json("scratch/stages.json", {"tiny": {"train@a": 2.5}})
    for words in (["record", "--name", "night"], ["readme"]):
        monkeypatch.setattr(sys, "argv", ["palimpsest", *words])
        command_line.main()
    folder, _ = newest(Path())
    assert capsys.readouterr().out == f"{folder} is written\nREADME.md shows {folder}\n"
    assert f"]({folder}/picture.png)" in Path("README.md").read_text()
    assert (folder / "stages.csv").read_text() == "stage,seconds\ntrain@a,2.5\n"


def test_a_large_picture_is_made_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LARGEST", 20_000)
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    save_picture(tmp_path / "large.png", tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size <= 20_000 < (tmp_path / "large.png").stat().st_size
    width, height = Image.open(tmp_path / "small.png").size
    assert width / height == pytest.approx(4 / 3, rel=0.05)


def test_the_records_in_git_can_be_read_and_are_small():
    folder, record = newest(ROOT)
    assert all(path.stat().st_size <= records.LARGEST for path in folder.iterdir())
    assert record.rows
