"""README shows the newest record, and nothing that was typed by hand."""

from pathlib import Path

import pytest
from palimpsest.page.records import Record, Row, newest

from palimpsest.config.yaml import InputError
from palimpsest.page.readme import BLOCK, refresh
from palimpsest.papers.values import Published, read_values

ROOT = Path(__file__).parents[2]
TEXT = "before\n<!-- record -->\nold\n<!-- end of record -->\nafter\n"

ROW = Row(
    method="Mine",
    published=["p", "1", "d", "m", "", "Mine", "psnr"],
    published_on="Places2",
    dataset="bundled-photos",
    hole="square",
    region="hole only",
    run="mine",
    metric="psnr_hole",
    ours=17.474,
    reference=float("inf"),
)
RECORD = Record(
    date="2027-05-01T12:30:00+00:00",
    profile="small",
    commit="abc1234",
    device="A processor, 2 threads",
    versions={},
    pictures={},
    settings={},
    caption="Results",
    rows=[ROW, ROW.model_copy(update={"ours": None})],
)


def shown(number: Published, record: Record = RECORD) -> str:
    return refresh(TEXT, Path("records/2027-05-01-small"), record, {ROW.place: number})


def test_the_readme_shows_the_newest_record():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    folder, record = newest(ROOT)
    assert refresh(text, folder.relative_to(ROOT), record, read_values()) == text
    assert record.profile != "tiny" or "Smoke run:" in text


def test_a_record_is_put_between_the_markers():
    lines = shown(Published("18.91", True, "")).splitlines()
    assert [lines[0], lines[1], *lines[-2:]] == ["before", "<!-- record -->", "<!-- end of record -->", "after"]
    assert lines[2].startswith("Profile `small`, 2027-05-01, on A processor, 2 threads. Compare a published number")
    assert "| Mine | 18.91 on Places2 | 17.47 | ∞ | bundled-photos: square, hole only |" in lines
    assert "| Mine | 18.91 on Places2 | not run | ∞ | bundled-photos: square, hole only |" in lines
    assert lines[-3] == "![Results](records/2027-05-01-small/picture.png)"
    assert len(lines[4].split("|")) - 2 <= 5
    assert "<br>" not in "\n".join(lines)


def test_a_smoke_run_is_called_one():
    smoke = RECORD.model_copy(update={"profile": "tiny"})
    assert "Smoke run: Profile tiny" in shown(Published("18.91", True, ""), smoke)


def test_what_cannot_be_read_in_a_paper_is_no_number():
    assert "| Mine | illegible on Places2 | 17.47 |" in shown(Published("18", False, "scrambled"))


def test_putting_it_there_twice_changes_nothing():
    once = shown(Published("18.91", True, ""))
    again = refresh(once, Path("records/2027-05-01-small"), RECORD, {ROW.place: Published("18.91", True, "")})
    assert once == again
    assert BLOCK.search(once)


def test_a_readme_without_the_markers_is_refused():
    with pytest.raises(InputError, match=r"README\.md: asked for `<!-- record -->`"):
        refresh("before\n", Path("records"), RECORD, {})
