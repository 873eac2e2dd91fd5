"""README shows a record, and nothing that was typed by hand."""

from pathlib import Path

import pytest

from on_record import edit
from palimpsest.config.yaml import InputError
from palimpsest.page import findings, readme
from palimpsest.page.blocks import fill
from palimpsest.page.checking import Known, check
from palimpsest.papers.values import Published, read_values
from palimpsest.results.headline import rows
from palimpsest.results.records import best, folders, read_record, read_records
from reported import RUNS, value

ROOT = Path(__file__).parents[2]
TEXT = "before\n<!-- record -->\nold\n<!-- end of record -->\nafter\n"


def refresh(text, record, values):
    return fill("README.md", text, {"record": readme.block(record, values)})


def test_the_pages_show_what_is_on_record():
    shown = best(read_records(ROOT))
    pages = {"README.md": {"record": readme.block(shown, read_values())}, "docs/findings.md": findings.blocks(shown)}
    for page, blocks in pages.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert fill(page, text, blocks) == text
    assert not shown or shown.profile != "tiny" or "Smoke run:" in pages["README.md"]["record"]


def test_the_records_in_git_pass_the_check():
    known = Known.read(ROOT)
    assert [line for folder in folders(ROOT) for line in check(folder, known)] == []


def test_a_record_is_put_between_the_markers(folder):
    text = refresh(TEXT, read_record(folder), read_values())
    lines = text.splitlines()
    assert [lines[0], lines[1], *lines[-2:]] == ["before", "<!-- record -->", "<!-- end of record -->", "after"]
    assert lines[2].startswith("On record: [small-night](records/small-night), profile `tiny`, 2026-05-01, on A proc")
    assert "Smoke run: Profile tiny" in lines[2]
    assert lines[4].startswith("The papers' ") and "[claims](docs/claims.md): 11 undecided (10 distinct), " in lines[4]
    ours, reference = (f"{value(run, 'psnr_hole'):.2f}" for run in ("deepfill-v1", "constant-fill"))
    row = f"| DeepFill v1 | 18.91 on Places2 | {ours} | {reference} | bundled-photos: rectangle holes, hole only |"
    assert row in lines and sum("| not run |" in line for line in lines) == 3
    strips = [line for line in lines if "![" in line]
    assert [line.split("|")[1].strip() for line in strips] == [
        "as they are",
        "rectangle holes",
        "filled by DeepFill v1",
    ]
    assert strips[0].endswith("](records/small-night/pictures/scenes-original.png) |")
    assert refresh(text, read_record(folder), read_values()) == text


def test_a_larger_profile_is_no_smoke_run(folder):
    for run in RUNS:
        edit(folder / "runs" / f"{run}.json", "result", "profile", to="photos")
    edit(folder / "record.json", "profile", to="photos")
    assert "Smoke run" not in refresh(TEXT, read_record(folder), read_values())


def test_names_show_as_they_are_written(folder):
    for run in RUNS:
        edit(folder / "runs" / f"{run}.json", "made", "device", to="A *fast* `chip` [x](y) | <b>")
        edit(folder / "runs" / f"{run}.json", "result", "dataset", to="my_photos_|*")
    edit(folder / "record.json", "slots", "scenes", "dataset", to="my_photos_|*")
    text = refresh(TEXT, read_record(folder), read_values())
    assert r"on A \*fast\* \`chip\` \[x\](y) \| &lt;b&gt;" in text
    assert r"| my\_photos\_\|\*: rectangle holes, hole only |" in text


def test_what_cannot_be_read_in_a_paper_is_no_number(folder):
    values = read_values() | {row.published: Published("18", False, "scrambled") for row in rows()}
    assert "| DeepFill v1 | illegible on Places2 |" in refresh(TEXT, read_record(folder), values)


def test_without_a_record_it_says_so_and_without_markers_it_is_refused():
    assert "No results are on record yet" in refresh(TEXT, None, {})
    with pytest.raises(InputError, match=r"README\.md: asked for `<!-- record -->`"):
        refresh("before\n", None, {})
