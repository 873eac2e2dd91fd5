"""What GM-SRM's tables and figures ask of the report: wide tables, stand-ins, illegible cells, hole ratios, sheets."""

import re

import pytest

from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.tables.html import to_html
from palimpsest.tables.latex import to_tex
from reported import RUNS, block, column, table, value

BINS = ["20-30%", "30-40%", "40-50%", "50-60%"]
IRREGULAR = tuple(f"irregular-{low}-{low + 10}-any" for low in (20, 30, 40, 50))
CENTRE = ("centre-25", "centre-50")
METHODS = ["PConv", "DeepFill v2", "EdgeConnect", "LISK", "LBAM", "E2I", "CTSDG", "MEDFE", "Lahiri et al."]
METHODS += ["GM-SRM", "Constant fill (reference)"]
METRICS = {
    "PSNR (dB) ↑": "psnr_channels",
    "SSIM ↑": "ssim_uniform",
    "NCC ↑": "ncc",
    "LMSE ↓": "lmse",
    "LPIPS ↓": "lpips_alex",
}
DATA = ["Paris Street View", "CelebA-HQ", "Places2"]
OURS = "ours on bundled-photos"


@pytest.fixture
def scenes(fake):
    """GM-SRM and DeepFill v2 on the stand-in, with holes of every kind."""
    fake.add("gm-srm", kinds=(*IRREGULAR, *CENTRE))
    fake.add("deepfill-v2", kinds=(*IRREGULAR, *CENTRE), psnr_channels=40.0, lmse=9.0)
    return fake


@pytest.mark.parametrize(("key", "bins"), [("gm-srm-I", BINS), ("gm-srm-II", ["25%", "50%"])])
def test_blocks_and_columns_stand_in_the_papers_order(scenes, key, bins):
    found = table(scenes, key)
    assert found.blocks == [(metric, len(METHODS)) for metric in METRICS]
    assert [label for label, _ in found.rows] == METHODS * len(METRICS)
    beside = [*(f"published on {data}" for data in DATA), OURS]
    expected = [(f"{text} holes", data) for text in bins for data in beside]
    assert [(head.group, head.text) for head in found.heads] == expected
    assert "bundled-photos (a stand-in)" in found.caption
    assert [text for term, text in found.notes if term == "Stand-in"] == [
        f"bundled-photos stands in for the paper's data, {data}: no difference is computed." for data in DATA
    ]


def test_published_numbers_stand_in_their_blocks(scenes):
    found = table(scenes, "gm-srm-I")

    def published(metric, data, text):
        return column(block(found, metric), f"{text} holes", f"published on {data}")

    assert published("PSNR (dB) ↑", "Paris Street View", "20-30%")["GM-SRM"].text == "29.04"
    assert published("SSIM ↑", "CelebA-HQ", "30-40%")["CTSDG"].text == "0.889"
    assert published("LPIPS ↓", "Places2", "50-60%")["GM-SRM"].text == "0.234"
    assert published("NCC ↑", "Places2", "50-60%")["Constant fill (reference)"].text == "–"
    centre = block(table(scenes, "gm-srm-II"), "LPIPS ↓")
    assert column(centre, "50% holes", "published on CelebA-HQ")["PConv"].text == "0.341"


def test_ours_stand_once_and_are_those_of_their_metric(scenes):
    found = table(scenes, "gm-srm-I")
    for metric, name in METRICS.items():
        ours = column(block(found, metric), "40-50% holes", OURS)
        digits = read_metrics()[name].digits
        assert ours["GM-SRM"].text == f"{value('gm-srm', name):.{digits}f}"
        assert "run gm-srm on bundled-photos, irregular holes of 40 to 50 %" in ours["GM-SRM"].about
        assert (ours["PConv"].text, ours["PConv"].number) == ("not yet run", None)
    assert sum(head.text == OURS for head in found.heads) == len(BINS)


def test_the_best_is_the_best_of_its_block(scenes):
    found = table(scenes, "gm-srm-I")
    for metric, best, second in [
        ("PSNR (dB) ↑", "DeepFill v2", "GM-SRM"),
        ("LMSE ↓", "DeepFill v2", "GM-SRM"),
    ]:
        marks = {
            label: cell.mark for label, cell in column(block(found, metric), "20-30% holes", OURS).items() if cell.mark
        }
        assert marks == {best: "best", second: "second"}
    published = column(block(found, "SSIM ↑"), "20-30% holes", "published on CelebA-HQ")
    assert {label: cell.mark for label, cell in published.items() if cell.mark} == {
        "LISK": "best",
        "GM-SRM": "second",
    }
    assert "within its block" in found.legend


def test_illegible_numbers_are_neither_shown_nor_ranked(scenes):
    scrambled = {"LISK", "LBAM", "E2I", "CTSDG", "MEDFE", "Lahiri et al."}
    found = column(block(table(scenes, "gm-srm-I"), "LMSE ↓"), "30-40% holes", "published on Paris Street View")
    assert {label for label, cell in found.items() if cell.text == "illegible"} == scrambled
    assert all(found[label].number is None and not found[label].mark for label in scrambled)
    assert "scrambled" in found["LISK"].about and "0.016" not in found["LISK"].about
    assert found["PConv"].number == 0.025
    assert not any(cell.mark for cell in found.values())  # one that cannot be read may be better


@pytest.fixture
def faces(fake):
    """Every result on GM-SRM's split of CelebA-HQ, as in profile `paper-faces`."""
    own = {"dataset": "celeba-hq-gm-srm", "profile": "paper-faces"}
    for run in RUNS:
        fake.write(run, **own)
    fake.add("gm-srm", kinds=(*IRREGULAR, *CENTRE), psnr_channels=31.0, **own)
    fake.add("gm-srm-base", kinds=CENTRE, **own)
    return fake


def test_illegible_numbers_of_the_ablation_are_not_compared(faces):
    found = table(faces, "gm-srm-IV")
    cells = zip(found.heads, dict(found.rows)["GM-SRM base model"], strict=True)
    assert [cell.text for head, cell in cells if head.text == "published on CelebA-HQ"] == [
        "illegible",
        "illegible",
        "illegible",
        "0.032",
        "0.235",
    ]
    less = column(found, "PSNR (dB) ↑", "ours − published, whole picture")
    assert (less["GM-SRM base model"].text, less["GM-SRM base model"].number) == ("illegible", None)
    assert float(less["GM-SRM"].text) == pytest.approx(31 - 21.75, abs=0.005)
    assert less["GM-BM"].text == "not yet run"
    assert [label for label, _ in found.rows][-1] == "GM-SRM, plain noise (figure 5)"


def test_ours_on_the_papers_own_data_are_compared_with_its_numbers_there_alone(faces):
    found = table(faces, "gm-srm-I")
    beside = [*(f"published on {data}" for data in DATA), "ours on celeba-hq-gm-srm", "ours − published, CelebA-HQ"]
    assert [(head.group, head.text) for head in found.heads] == [
        (f"{text} holes", data) for text in BINS for data in beside
    ]
    psnr, lpips = block(found, "PSNR (dB) ↑"), block(found, "LPIPS ↓")
    assert column(psnr, "20-30% holes", "ours on celeba-hq-gm-srm")["GM-SRM"].text == "31.00"
    less = column(psnr, "20-30% holes", "ours − published, CelebA-HQ")
    assert float(less["GM-SRM"].text) == pytest.approx(31 - 30.23)
    unlike = column(lpips, "20-30% holes", "ours − published, CelebA-HQ")["GM-SRM"]
    assert (unlike.text, unlike.number) == ("–", None) and "does not say which network its LPIPS" in unlike.about
    lmse = column(block(found, "LMSE ↓"), "20-30% holes", "ours − published, CelebA-HQ")
    assert float(lmse["GM-SRM"].text) == pytest.approx(value("gm-srm", "lmse") - 0.004, abs=5e-5)


def test_results_on_other_pictures_are_not_these(scenes):
    scenes.add("pconv", kinds=IRREGULAR, slot="unseen", dataset="bundled-science")
    psnr = block(table(scenes, "gm-srm-I"), "PSNR (dB) ↑")
    elsewhere = column(psnr, "20-30% holes", OURS)["PConv"]
    assert (elsewhere.text, elsewhere.about) == ("–", "no run on bundled-photos")


@pytest.mark.parametrize(("dataset", "same"), [("places2", False), ("places2-pair", True)])
def test_all_of_places2_is_not_the_two_categories(fake, dataset, same):
    for run in (*RUNS, "gm-srm"):
        fake.add(run, kinds=IRREGULAR, dataset=dataset)
    heads = [head.text for head in table(fake, "gm-srm-I").heads]
    assert ("ours − published, Places2" in heads) == same
    assert heads[heads.index("published on Places2") + 1] == f"ours on {dataset}"


def test_results_from_elsewhere_are_the_last_row_of_each_block(scenes):
    scenes.external("theirs", "Their method", kinds=IRREGULAR)
    found = table(scenes, "gm-srm-I")
    assert [rows[-1][0] for _, rows in found.bodies] == ["Their method (external)"] * len(METRICS)
    ours = column(block(found, "NCC ↑"), "30-40% holes", OURS)["Their method (external)"]
    assert (ours.text, ours.status) == (f"{value('theirs', 'ncc'):.3f}", "external")


def test_the_page_keeps_blocks_apart_under_heads_that_stay(scenes):
    wide, short = to_html(table(scenes, "gm-srm-I")), to_html(table(scenes, "gm-srm-IV"))
    columns = len(table(scenes, "gm-srm-I").heads) + 1
    heads = re.findall(r'<tbody>\n<tr class="block"><th scope="rowgroup" colspan="(\d+)"><span>(.*?)</span>', wide)
    assert heads == [(str(columns), metric) for metric in METRICS]
    assert 'class="scroll tall"' in wide and 'class="scroll"' in short and "rowgroup" not in short


def environments(text):
    """Every environment and group is closed by what opened it."""
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    braces = re.sub(r"\\[{}]", "", text)
    return not opened and braces.count("{") == braces.count("}")


def test_latex_is_balanced_and_its_rows_are_full(scenes):
    text = to_tex(table(scenes, "gm-srm-II"))
    assert environments(text) and text.count(r"\begin{table}") == 1
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    rows = [
        line for line in text.split(r"\toprule")[1].splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]
    assert len(rows) == 1 + len(METHODS) * len(METRICS)
    assert {line.count("&") for line in rows} == {len(columns) - 1}
    assert text.count(r"\rotatebox") == len(METRICS) and text.count(r"\midrule") == len(METRICS)


def test_latex_continues_a_table_that_no_page_holds(scenes):
    text = to_tex(table(scenes, "gm-srm-I"))
    assert environments(text)
    columns = re.findall(r"\\begin\{tabular\}\{ll([lr]+)\}", text)
    assert [len(each) for each in columns] == [2 * (len(DATA) + 1)] * 2  # two bins a page
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:gm-srm-I", "tab:gm-srm-I-2"]
    assert text.count(", continued.}") == 1


def test_heads_in_latex_are_no_wider_than_their_columns(scenes):
    heads = re.findall(r"\\begin\{tabular\}\[b\].*?\\end\{tabular\}", to_tex(table(scenes, "gm-srm-II")))
    assert heads[1] == r"\begin{tabular}[b]{@{}r@{}}published \\ on \\ CelebA-HQ\end{tabular}"


def test_two_measured_metrics_of_one_published_are_two_blocks(scenes, monkeypatch):
    papers = {name: paper.model_copy(deep=True) for name, paper in read_papers().items()}
    columns = papers["gm-srm"].tables["I"].measured[0].columns
    columns.append(columns[-1].model_copy(update={"metric": "lpips_vgg"}))
    monkeypatch.setattr("palimpsest.tables.tables.read_papers", lambda: papers)
    found = table(scenes, "gm-srm-I")
    (*_, (_, first), (_, second)) = found.bodies
    ours = [next(cells for label, cells in rows if label == "GM-SRM")[-1].text for rows in (first, second)]
    assert ours == [f"{value('gm-srm', name):.3f}" for name in ("lpips_alex", "lpips_vgg")]
    assert "LPIPS: LPIPS (AlexNet); LPIPS: LPIPS (VGG16)" in dict(found.notes)["Blocks"]
