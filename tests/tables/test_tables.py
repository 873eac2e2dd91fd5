import math

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.papers.metrics import read_metrics
from palimpsest.tables.formats import FORMATS
from palimpsest.tables.html import to_html
from palimpsest.tables.tables import all_tables
from reported import RUNS, SEED_STEP, SPREAD, column, value

METHODS = ["PatchMatch", "DeepFill v1, baseline", "DeepFill v1", "Constant fill (reference)"]
PUBLISHED = "published on Places2"
IN_HOLE, WHOLE = (f"ours on bundled-photos, {region}" for region in ("hole only", "whole picture"))


def table_one(fake):
    return all_tables(fake.measured)[0]


def test_rows_stand_in_the_papers_order_with_its_numbers_and_ours(fake):
    table = table_one(fake)
    assert [label for label, _ in table.rows] == METHODS
    published = column(table, "PSNR (dB) ↑", PUBLISHED)
    assert [cell.text for cell in published.values()] == ["16.62", "18.15", "18.91", "–"]
    ours = column(table, "PSNR (dB) ↑", IN_HOLE)
    assert [cell.text for cell in ours.values()] == [f"{value(run, 'psnr_hole'):.2f}" for run in RUNS]


def test_best_and_second_follow_the_direction_of_the_metric(fake):
    table = table_one(fake)
    marks = {label: cell.mark for label, cell in column(table, "PSNR (dB) ↑", IN_HOLE).items()}
    assert marks == dict(zip(METHODS, ["", "", "second", "best"], strict=True))
    marks = {label: cell.mark for label, cell in column(table, "l1 (%) ↓", IN_HOLE).items()}
    assert marks == dict(zip(METHODS, ["best", "second", "", ""], strict=True))
    published = column(table, "PSNR (dB) ↑", PUBLISHED)
    assert [cell.mark for cell in published.values()] == ["", "second", "best", ""]
    no_better_side = column(table, "TV (%)", PUBLISHED)
    assert {cell.mark for cell in no_better_side.values()} == {""}


def test_numbers_that_print_alike_share_their_mark(fake):
    fake.write("patchmatch", psnr=40.001)
    fake.write("deepfill-v1", psnr=40.002)
    cells = column(table_one(fake), "PSNR (dB) ↑", WHOLE)
    assert [cells[name].mark for name in ("PatchMatch", "DeepFill v1")] == ["best", "best"]


@pytest.mark.parametrize("cause", ["absent", "other settings"])
def test_a_run_without_a_result_prints_as_not_yet_run(fake, cause):
    if cause == "absent":
        (fake.root / "results" / "deepfill-v1" / "metrics.json").unlink()
    else:
        fake.write("deepfill-v1", settings="b" * 64)
    table = table_one(fake)
    cells = dict(table.rows)["DeepFill v1"]
    ours = [cell for head, cell in zip(table.heads, cells, strict=True) if head.text.startswith("ours on")]
    assert ours and all(cell.text == "not yet run" and cell.number is None and not cell.mark for cell in ours)
    assert all("run deepfill-v1: " in cell.about for cell in ours)
    for render in FORMATS.values():
        assert "not yet run" in render(table) and f"{value('deepfill-v1', 'psnr'):.2f}" not in render(table)


def test_a_stand_in_is_never_called_by_the_papers_name_nor_compared(fake):
    table = table_one(fake)
    assert "bundled-photos (a stand-in)" in table.caption and "Places2" not in table.caption
    assert {head.text for head in table.heads if "Places2" in head.text} == {PUBLISHED}
    assert all(head.text.startswith("ours on bundled-photos, ") for head in table.heads if head.text != PUBLISHED)
    assert not any("−" in head.text for head in table.heads)


def test_published_and_ours_stand_side_by_side_and_what_compares_stands_first(fake):
    table = table_one(fake)
    assert [head.text for head in table.heads if head.group == "PSNR (dB) ↑"] == [PUBLISHED, IN_HOLE, WHOLE]
    relative = f"{WHOLE}: relative TV (%)"
    assert [head.text for head in table.heads if head.group == "TV (%)"] == [PUBLISHED, WHOLE, relative, IN_HOLE]
    assert [group for group, _ in table.groups] == ["l1 (%) ↓", "l2 (%) ↓", "PSNR (dB) ↑", "TV (%)"]


def test_the_papers_own_data_is_compared_where_the_protocol_agrees(fake):
    for run in RUNS:
        fake.write(run, dataset="places2", profile="paper")
    table = table_one(fake)
    differences = [head.group for head in table.heads if head.text == "ours − published, hole only"]
    assert differences == ["l1 (%) ↓", "l2 (%) ↓", "PSNR (dB) ↑"]
    assert sum("−" in head.text for head in table.heads) == len(differences)
    cell = column(table, "PSNR (dB) ↑", "ours − published, hole only")["DeepFill v1"]
    assert float(cell.text) == pytest.approx(value("deepfill-v1", "psnr_hole") - 18.91, abs=0.005)
    assert "stand-in" not in table.caption
    assert {head.text for head in table.heads if head.text.startswith("ours on")} == {
        text.replace("bundled-photos", "places2") for text in (IN_HOLE, WHOLE, f"{WHOLE}: relative TV (%)")
    }
    assert not any(term == "Smoke run" for term, _ in table.notes)


def test_an_infinite_and_an_undefined_value_are_told_apart(fake):
    fake.write("patchmatch", psnr=math.inf, tv_percent=math.nan)
    assert fake.measured.aggregate("patchmatch", "rectangle", "tv_percent").undefined == 24
    cell = column(table_one(fake), "PSNR (dB) ↑", WHOLE)["PatchMatch"]
    assert (cell.text, cell.mark) == ("∞", "best")
    cell = column(table_one(fake), "TV (%)", WHOLE)["PatchMatch"]
    assert (cell.text, cell.mark) == ("undefined", "")


def test_several_seeds_print_their_deviation_and_rank_by_their_mean(fake):
    fake.write("deepfill-v1", seeds=(1, 2, 3))
    table = table_one(fake)
    cells = column(table, "PSNR (dB) ↑", IN_HOLE)
    assert cells["DeepFill v1"].text == f"{value('deepfill-v1', 'psnr_hole'):.2f} ± {SEED_STEP:.2f}"
    assert (cells["DeepFill v1"].mark, cells["DeepFill v1"].number) == ("second", value("deepfill-v1", "psnr_hole"))
    assert cells["DeepFill v1"].about.endswith("mean of 24 pictures, 3 seeds")
    assert "±" not in cells["PatchMatch"].text and cells["PatchMatch"].about.endswith("mean of 24 pictures")
    (note,) = [text for term, text in table.notes if term == "Seeds"]
    assert note.startswith("mean ± standard deviation over trainings with the seeds 1, 2 and 3;")
    assert rf"{SEED_STEP:.2f}" in FORMATS["tex"](table) and r"$\pm$" in FORMATS["tex"](table)
    assert not any(term == "Seeds" for term, _ in all_tables(fake.measured)[-1].notes)


def test_the_notes_say_what_was_measured_and_how(fake):
    notes = table_one(fake).notes
    text = "\n".join(f"{term}: {line}" for term, line in notes)
    assert "24 test pictures of 64 × 64 px from 2 photographs; profile tiny" in text
    assert "rectangle holes, a fixed one for each picture, 24 in all" in text
    assert "deepfill-v1 aaaaaaaaaaaa" in text and "commit" not in text
    shown = ("l1_hole_percent", "psnr", "tv_relative_percent")
    assert all(read_metrics()[metric].definition in text for metric in shown)
    assert notes[0][0] == "Smoke run"


def test_results_on_other_pictures_are_not_put_in_one_table(fake):
    fake.write("patchmatch", dataset="other-photos")
    with pytest.raises(InputError, match=r"found test pictures of 'scenes'.*accepted: one of them"):
        table_one(fake)


def test_parameters_stand_beside_the_papers_claim(fake):
    table = all_tables(fake.measured)[2]
    assert table.key == "deepfill-v1-parameters"
    assert dict(table.rows)["DeepFill v1"][0].text == "2.9 M"
    assert dict(table.rows)["DeepFill v1"][1].text == "2,896,454"


def every_metric(fake):
    return all_tables(fake.measured)[1]


def test_every_metric_has_a_row_and_a_definition(fake):
    table, explained = every_metric(fake), read_metrics()
    assert table.key == "deepfill-v1-1-every-metric"
    assert sorted(cells[1].text for _, cells in table.rows) == sorted(explained)
    assert [head.text for head in table.heads[2:]] == METHODS
    notes = dict(table.notes)
    for name, metric in explained.items():
        if metric.of != "raw output":
            assert notes[name] == metric.definition
    for label, (region, name, *cells) in table.rows:
        assert label == explained[name.text].head and region.text == {
            "picture": "whole picture", "hole": "hole only", "raw output": "raw output", "set": "whole set"
        }[explained[name.text].of]  # fmt: skip
        if name.text != "fid":
            digits = explained[name.text].digits
            assert [cell.text for cell in cells] == [f"{value(run, name.text):.{digits}f}" for run in RUNS]


def test_a_metric_without_its_network_is_missing_with_the_reason(fake):
    (row,) = [cells for _, cells in every_metric(fake).rows if cells[1].text == "fid"]
    assert {cell.text for cell in row[2:]} == {"missing"}
    assert all("its weights are at home" in cell.about for cell in row[2:])
    assert dict(every_metric(fake).notes)["Missing fid"] == "its weights are at home."


def test_the_best_of_a_row_follows_the_metrics_direction(fake):
    marks = {cells[1].text: [cell.mark for cell in cells[2:]] for _, cells in every_metric(fake).rows}
    assert marks["psnr"] == marks["ncc_raw"] == ["", "", "second", "best"]
    assert marks["lpips_alex"] == marks["fd_vgg16"] == ["best", "second", "", ""]


def test_an_interval_is_there_on_demand_with_its_count(fake):
    table = every_metric(fake)
    (row,) = [cells for _, cells in table.rows if cells[1].text == "psnr"]
    found = fake.measured.aggregate("deepfill-v1", "rectangle", "psnr")
    half = 1.96 * SPREAD * math.sqrt((24**2 - 1) / 12) / math.sqrt(24)  # the normal approximation
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert found.low < value("deepfill-v1", "psnr") < found.high
    assert row[4].interval == f"[{found.low:.2f}, {found.high:.2f}] n = 24"
    page = to_html(table)
    assert f'<small class="interval">{row[4].interval}</small>' in page and 'type="checkbox"' in page
    (whole,) = [cells for _, cells in table.rows if cells[1].text == "fd_vgg16"]
    assert whole[4].interval == "n = 24" and "one number for a set of 24 pictures" in whole[4].about
    assert "checkbox" not in to_html(all_tables(fake.measured)[2])


def test_external_results_are_rows_of_their_own_and_marked(fake):
    fake.external("theirs", "Their method")
    table, wide = all_tables(fake.measured)[:2]
    assert [label for label, _ in table.rows] == [*METHODS, "Their method (external)"]
    ours = column(table, "PSNR (dB) ↑", IN_HOLE)
    cell = ours["Their method (external)"]
    assert (cell.text, cell.status) == (f"{value('theirs', 'psnr_hole'):.2f}", "external")
    assert "external results theirs (their page, model of 2027)" in cell.about
    assert column(table, "PSNR (dB) ↑", PUBLISHED)["Their method (external)"].text == "–"
    assert ("External", "Their method: their page, model of 2027.") in table.notes
    assert wide.heads[-1].text == "Their method (external)"
    compared = {table.key: [label for label, _ in table.rows] for table in all_tables(fake.measured)}
    assert "Their method (external)" in compared["tmad-III"]
    for ablation in ("tmad-IV", "tmad-V"):
        assert "Their method (external)" not in compared[ablation]
    fake.write("theirs", settings="c" * 64)
    assert [label for label, _ in table_one(fake).rows] == METHODS


def test_a_released_network_stands_beneath_its_method_with_the_published_numbers_that_are_its_own(fake):
    for run in RUNS:
        fake.write(run, dataset="places2", profile="paper")
    on_places2 = {"dataset": "places2", "profile": "paper"}
    fake.released("theirs", "DeepFill v1, released", "deepfill-v1", True, **on_places2, psnr_hole=18.9)
    fake.released("ported", "DeepFill v1, ported", "deepfill-v1", False, **on_places2)
    fake.released("newer", "LaMa", "", False, **on_places2)
    table = table_one(fake)
    labels = [label for label, _ in table.rows]
    place = labels.index("DeepFill v1")
    assert labels[place : place + 3] == ["DeepFill v1", "DeepFill v1, released", "DeepFill v1, ported"]
    assert labels[-1] == "LaMa"
    published = column(table, "PSNR (dB) ↑", PUBLISHED)
    assert published["DeepFill v1, released"].text == published["DeepFill v1"].text == "18.91"
    assert published["DeepFill v1, ported"].text == published["LaMa"].text == "–"

    compared = all_tables(fake.measured)[-1]
    assert compared.key == "released" and {label for label, _ in compared.rows} == {"DeepFill v1, released"}
    (row,) = [row for _, row in compared.rows if row[3].text == "PSNR (dB) ↑" and row[1].text == "Places2"]
    assert [cell.text for cell in row[4:7]] == ["18.91", "18.90", "-0.01"]
    found = fake.measured.aggregate("theirs", "rectangle", "psnr_hole")
    assert row[7].text == ("yes" if found.low <= 18.91 <= found.high else "no")


def test_without_released_results_on_the_papers_data_there_is_no_such_table(fake):
    fake.released("theirs", "DeepFill v1, released", "deepfill-v1", True)
    assert "released" not in {table.key for table in all_tables(fake.measured)}
