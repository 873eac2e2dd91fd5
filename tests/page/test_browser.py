"""The page as a reader uses it, in headless Chromium, from the file system."""

import json

import numpy as np
import pytest

from palimpsest.holes.bank import read_bank
from palimpsest.papers.metrics import read_metrics
from palimpsest.workspace import Workspace
from reported import CODE, RUNS, SAMPLES, SPREAD, value

pytestmark = pytest.mark.slow

WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


class Reader:
    """An open page, and all that it asked for or complained of."""

    def __init__(self, browser, root, size=WIDE, hash_="", **options):
        self.page = browser.new_page(viewport=size, **options)
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"file://{root}/reports/index.html{hash_}")

    def go(self, hash_):
        self.page.evaluate("hash => { location.hash = hash }", hash_)

    @property
    def cards(self):
        return self.page.locator(".card h3").all_text_contents()


@pytest.fixture
def reader(chromium, reported):
    opened = Reader(chromium, reported)
    yield opened
    opened.page.close()
    assert opened.complaints == []


def test_the_first_view_is_small_and_asks_for_nothing_beyond_the_report(reader, reported):
    reader.page.wait_for_timeout(500)
    assert all(url.startswith(f"file://{reported}/reports/") for url in reader.asked)
    sizes = reader.page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    files = {url.split("#")[0].removeprefix("file://") for url in [*reader.asked, *sizes]}
    assert sum((reported / name).stat().st_size for name in files) < 3_000_000


def test_a_number_leads_to_its_provenance(reader, reported):
    cell = reader.page.locator(
        "#deepfill-v1-1 td.measured a[href='#provenance/deepfill-v1/rectangle/l1_hole_percent']"
    ).first
    mean = value("deepfill-v1", "l1_hole_percent")
    assert cell.inner_text() == f"{mean:.2f}"
    cell.click()
    dialog = reader.page.locator("#dialog[open]")
    text = dialog.inner_text()
    bank = json.loads((Workspace(reported).slot("scenes").holes / "index.json").read_text())["rectangle"]
    assert f"{mean:.2f}" in text and "a" * 64 in text and bank["sha256"] in text and "24 fixed holes" in text
    assert "the present code" in text and CODE in text
    assert "dvc repro evaluate@deepfill-v1" in dialog.locator("#commands").inner_text()
    assert "name: deepfill-v1" in dialog.locator("details pre").last.text_content()
    assert "generator" in dialog.locator("details pre").first.text_content()
    assert dialog.locator(".histogram rect").count() == 16
    worst = dialog.locator("li .value").all_inner_texts()
    assert worst == [f"{mean + SPREAD * (i - 11.5):.2f}" for i in range(23, 17, -1)]
    reader.page.keyboard.press("Escape")
    assert not reader.page.locator("#dialog").is_visible() and "provenance" not in reader.page.url


def test_a_provenance_page_has_an_address_of_its_own(chromium, reported):
    reader = Reader(chromium, reported, hash_="#provenance/constant-fill/rectangle/psnr")
    reader.page.wait_for_selector("#dialog[open] .histogram")
    assert "PSNR (dB) ↑, rectangle holes, bundled-photos" in reader.page.locator("#dialog-title").inner_text()
    reader.go("provenance/constant-fill/rectangle/nonsense")
    reader.page.wait_for_selector("text=constant-fill has no nonsense with rectangle holes")
    reader.page.close()


def test_the_page_begins_with_pictures_and_a_slider(reader):
    pictures = reader.page.locator(".first img")
    assert pictures.count() == 4 and all(pictures.evaluate_all("nodes => nodes.map(node => node.naturalWidth)"))
    for picture in pictures.all():
        box = picture.bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] < WIDE["height"]
    slider = reader.page.locator("#first-slider")
    slider.press("ArrowLeft")
    cut = reader.page.locator(".first .left").evaluate("node => getComputedStyle(node).clipPath")
    assert slider.input_value() == "49" and slider.get_attribute("aria-label") == (
        "PatchMatch on the left, DeepFill v1, baseline on the right"
    )
    assert cut.startswith("inset(0") and "51%" in cut


def test_tables_fit_or_say_how_many_of_their_columns_are_cut_off(chromium, reported):
    reader = Reader(chromium, reported, {"width": 1440, "height": 900})
    beyond = reader.page.locator("#gm-srm-I .beyond")
    beyond.wait_for()
    boxes = reader.page.evaluate("""() => [...document.querySelectorAll('.table .scroll')]
      .filter((box) => box.offsetParent)
      .map((box) => [box.parentNode.id, box.scrollWidth > box.clientWidth, !box.previousElementSibling.hidden])""")
    assert all(cut == said for _, cut, said in boxes)
    cut = {table for table, cut, _ in boxes if cut}
    assert not cut & {"deepfill-v1-1", "tmad-III", "tmad-IV", "crfill-1", "crfill-4"}
    heads = reader.page.evaluate("""() => { const box = document.querySelector('#gm-srm-I .scroll');
      const edge = box.getBoundingClientRect().right + 1, heads = box.querySelectorAll('thead tr:last-child th');
      return [...heads].filter((head) => head.getBoundingClientRect().right > edge).length }""")
    assert heads > 0 and beyond.inner_text() == f"{heads} more columns →"
    beyond.click()
    reader.page.wait_for_function("document.querySelector('#gm-srm-I .beyond').hidden")
    reader.page.close()


def test_the_large_view_shows_original_and_input_beside_two_results_in_whole_pixels(reader):
    reader.go("view/scenes/rectangle/10/patchmatch/deepfill-v1")
    reader.page.wait_for_selector("#dialog[open] .sides")
    sources = [image.get_attribute("src").split("/")[-2] for image in reader.page.locator(".sides img").all()]
    assert sources == ["original", "input", "deepfill-v1", "patchmatch"]
    widths = [image.bounding_box()["width"] for image in reader.page.locator(".sides img").all()]
    assert len(set(widths)) == 1 and widths[0] % 64 == 0 and widths[0] > 64
    assert reader.page.locator(".sides .ends").inner_text().split() == ["PatchMatch", "DeepFill", "v1"]


def test_the_gallery_opens_with_few_methods_the_papers_own_among_them(reader):
    reader.page.evaluate("REPORT.sets[0].runs.unshift('one', 'two', 'three', 'four', 'five'); offerMethods()")
    ticked = "input => input.map(each => each.value)"
    shown = reader.page.locator("#methods input:checked")
    assert shown.evaluate_all(ticked) == ["one", "two", "three", "DeepFill v1"]
    reader.page.evaluate("REPORT.sets[0].runs.splice(0, 5); offerMethods()")
    reader.go("gallery")
    reader.page.locator("#methods input[value=PatchMatch]").uncheck()
    reader.page.locator("#all").click()
    assert len(shown.evaluate_all(ticked)) == len(RUNS)


def test_a_slider_compares_two_methods_by_keyboard(reader):
    reader.go("view/scenes/rectangle/10/original/deepfill-v1")
    slider = reader.page.locator("#slider")
    assert slider.evaluate("node => node === document.activeElement")
    shown = [image.get_attribute("src") for image in reader.page.locator("#dialog .compare img").all()]
    assert shown == ["gallery/scenes/rectangle/deepfill-v1/10.png", "gallery/scenes/original/10.png"]
    assert all(
        reader.page.evaluate("[...document.querySelectorAll('#dialog .compare img')].map(each => each.naturalWidth)")
    )
    at = "getComputedStyle(document.querySelector('#dialog .compare')).getPropertyValue('--at').trim()"
    assert reader.page.evaluate(at) == "50%"
    for _ in range(3):
        reader.page.keyboard.press("ArrowRight")
    assert reader.page.evaluate(at) == "53%"
    reader.page.locator("#left").select_option("patchmatch")
    reader.page.wait_for_url("**#view/scenes/rectangle/10/patchmatch/deepfill-v1")
    head = reader.page.locator(".values thead th").all_inner_texts()
    assert head == ["metric", "of", "PatchMatch", "DeepFill v1"]
    better = reader.page.locator(".values tr", has_text="PSNR (dB) ↑").first.locator("b").inner_text()
    assert better == f"{value('deepfill-v1', 'psnr') + SPREAD * (10 - 11.5):.2f}"
    reader.page.get_by_text("next picture").click()
    reader.page.wait_for_url("**#view/scenes/rectangle/20/patchmatch/deepfill-v1")


def test_a_pointer_moves_the_slider(reader):
    reader.go("view/scenes/rectangle/10/original/deepfill-v1")
    box = reader.page.locator("#dialog .compare").bounding_box()
    reader.page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 20)
    assert abs(int(reader.page.locator("#slider").input_value()) - 25) <= 1


def test_the_gallery_filters_and_sorts_as_the_values_say(reader, reported):
    reader.go("gallery")
    reader.page.wait_for_selector(".card")
    ratios = read_bank(Workspace(reported).slot("scenes").holes, "rectangle", 24).ratios[SAMPLES]
    assert [card.split(" · ")[-1] for card in reader.cards] == [f"{100 * ratio:.0f} % missing" for ratio in ratios]
    given = reader.cards
    reader.page.locator("select[name=metric]").select_option("psnr")
    reader.page.locator("select[name=order]").select_option(label="best first")
    assert reader.cards == given[::-1]  # the picture after has the larger value of everything
    reader.page.locator("select[name=order]").select_option(label="worst first")
    assert reader.cards == given
    values = reader.page.locator(".card").first.locator(".value").all_inner_texts()
    assert values == [f"{value(run, 'psnr') + SPREAD * (SAMPLES[0] - 11.5):.2f}" for run in RUNS]
    reader.page.locator("#methods input[value=PatchMatch]").uncheck()
    assert reader.page.locator(".card").first.locator(".value").count() == len(RUNS) - 1
    metric = next(name for name, each in read_metrics().items() if each.direction == "none")
    reader.page.locator("select[name=metric]").select_option(metric)
    assert "lowest first" in reader.page.locator("select[name=order]").inner_text()


def test_the_gallery_sorts_by_disagreement_and_filters_by_ratio(reader):
    reader.go("gallery")
    reader.page.wait_for_selector(".card")
    order = reader.page.evaluate("""() => [
      {values: [1, NaN, 4]}, {values: [2, 2.5]}, {values: [NaN]}, {values: [Infinity, 3]}
    ].map((entry) => last(ORDERS.apart(entry)))""")
    assert order == [-3, -0.5, np.inf, -np.inf]
    heads = reader.cards
    inside = [head for head in heads if 10 <= float(head.split("·")[-1].split("%")[0]) < 20]
    reader.page.locator("select[name=ratio]").select_option("10-20")
    assert reader.cards == inside
    reader.page.locator("select[name=ratio]").select_option("60-100")
    reader.page.wait_for_selector("text=0 pictures, filled by 0 methods")


def test_a_figure_opens_large(reader, reported):
    link = reader.page.locator("a[data-figure=deepfill-v1-qualitative]")
    link.scroll_into_view_if_needed()
    link.click()
    reader.page.wait_for_url("**#figure/deepfill-v1-qualitative")
    large = reader.page.locator("#dialog .whole img")
    assert large.get_attribute("src") == "figures/deepfill-v1-qualitative.png"
    reader.page.wait_for_function("document.querySelector('#dialog .whole img').naturalWidth > 0")
    reader.page.get_by_text("next figure").click()
    reader.page.wait_for_function("!location.hash.endsWith('qualitative')")


def test_the_contents_find_a_table(reader):
    reader.page.locator("#find").fill("total variation")
    seen = [link.inner_text() for link in reader.page.locator(".contents a").all() if link.is_visible()]
    assert "Table 1: reconstruction error and total variation" in seen and len(seen) < 6
    reader.page.locator("#find").fill("edgeconnect")
    seen = [link.inner_text() for link in reader.page.locator(".contents a").all() if link.is_visible()]
    assert any(text.startswith("Table III: random rectangles") for text in seen) and "Gallery" not in seen
    reader.page.locator("#find").fill("no such thing")
    assert reader.page.get_by_text("Nothing found.").is_visible()


def test_what_is_not_there_is_said_with_what_is(reader):
    for address, words in {
        "view/scenes/rectangle/10/nonsense/deepfill-v1": "nonsense did not keep picture 10",
        "view/scenes/rectangle/11/input/deepfill-v1": "kept: 0, 10, 20",
        "view/scenes/star/10/input/deepfill-v1": "there are scenes/rectangle",
        "provenance/nobody/rectangle/psnr": "there are patchmatch, deepfill-v1-baseline",
        "provenance/%E0%A4%A/rectangle/psnr": "There is no run %E0%A4%A",
        "figure/none": "there are deepfill-v1-ledger",
    }.items():
        reader.go(address)
        reader.page.wait_for_function("words => dialog.open && dialog.innerText.includes(words)", arg=words)


def test_a_picture_that_a_method_did_not_keep_counts_in_the_order_all_the_same(reader):
    found = reader.page.evaluate("""() => {
      const data = {places: [1, 2], ids: ["a", "b"], ratios: [0.2, 0.2], kept: {one: [1, 2], two: [2]},
                    values: {one: {psnr: [10, 20]}, two: {psnr: [30, 2]}}};
      const scene = {slot: "s", holes: "h", runs: ["one", "two"]};
      return entries(scene, data, new Set(["one", "two"]), "psnr", [0, 100])
        .map((entry) => [entry.id, ORDERS.low(entry), ORDERS.apart(entry), entry.shown]);
    }""")
    assert found == [["a", 20, -20, [10]], ["b", 11, -18, [20, 2]]]


def test_the_back_button_leaves_the_dialog_behind(reader):
    reader.go("gallery")
    reader.page.wait_for_selector(".card")
    reader.page.locator(".row a").nth(3).click()
    reader.page.locator("#step1").click()
    assert reader.page.evaluate("document.activeElement.id") == "step1"
    reader.page.keyboard.press("Escape")
    reader.page.go_back()
    assert not reader.page.locator("#dialog").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_nothing_is_wider_than_the_window_and_text_can_be_read(chromium, reported, size, scheme):
    reader = Reader(chromium, reported, size, color_scheme=scheme)
    for hash_ in (
        "claims",
        "overview",
        "gallery",
        "provenance/deepfill-v1/rectangle/psnr",
        "view/scenes/rectangle/10/input/deepfill-v1",
    ):
        reader.go(hash_)
        reader.page.wait_for_timeout(100)
        assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert reader.page.evaluate("(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(dialog)")
    ink, paper = reader.page.evaluate(
        "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
    )
    assert abs(np.mean(ink) - np.mean(paper)) > 150
    assert (np.mean(paper) < 100) == (scheme == "dark")
    reader.page.close()


def test_all_can_be_reached_by_keyboard_and_has_a_name(reader):
    reader.page.keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.className") == "skip"
    nameless = reader.page.evaluate("""() => {
      const words = (node) => node.textContent || node.alt || node.title || node.getAttribute('aria-label');
      const named = (node) => words(node) || words(node.labels?.[0] ?? node) || node.querySelector('img')?.alt;
      const nodes = [...document.querySelectorAll('a, button, input, select, img, [tabindex]')];
      return nodes.filter((node) => !named(node)).map((node) => node.outerHTML.slice(0, 90));
    }""")
    assert nameless == []
    levels = reader.page.evaluate("[...document.querySelectorAll('main h2, main h3')].map(node => +node.tagName[1])")
    assert levels[0] == 2 and set(levels) == {2, 3}


def test_without_javascript_tables_and_figures_are_there(chromium, reported):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{reported}/reports/index.html")
    assert page.locator("#deepfill-v1-1 td.measured").count() > 10
    rows = page.locator("#claims-deepfill-v1-text tbody tr")
    seen = [row.is_visible() for row in rows.all()]
    assert seen == [True] * 8
    page.locator(".show input.not-run").uncheck()
    assert [row.is_visible() for row in rows.all()] == [
        "not-run" not in row.get_attribute("class") for row in rows.all()
    ]
    assert not all(row.is_visible() for row in rows.all())
    page.locator("#claims-deepfill-v1-1 summary").click()
    assert page.locator("#claims-deepfill-v1-1 tbody tr.undecided").count() == 9
    assert page.locator("noscript p").is_visible()
    left, right = (page.locator(f".first .{side}").bounding_box() for side in ("left", "right"))
    assert left["width"] > 50 and abs(left["x"] - right["x"]) >= left["width"]  # beside each other
    context.close()
