"""The page in a browser, from the first click to the tallied table."""

import json

import pytest

from palimpsest.workspace import Workspace
from study.conftest import STUDY, study

pytestmark = pytest.mark.slow

COUNT = 9  # pictures of the study
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def context(chromium):
    """A browser without a past, whose console stays empty."""
    context, said = chromium.new_context(), []
    context.on("console", lambda message: said.append(message.text))
    context.on("weberror", lambda error: said.append(str(error.error)))
    yield context
    context.close()
    assert said == []


@pytest.fixture
def page(context, held):
    page = context.new_page()
    page.goto(f"{(Workspace(held).reports.study / STUDY).as_uri()}.html?rater=4")
    return page


def at(page, number, done):
    """Waits until a picture is on the screen."""
    page.get_by_text(f"picture {number} of {COUNT}, {done} done").wait_for()


def begin(page, name="Ada"):
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    at(page, 1, 0)


def results(page):
    """The choices on the screen, from left to right."""
    return page.get_by_role("radio").evaluate_all("radios => radios.map(radio => radio.value)")


def download(page, button="Save the votes"):
    with page.expect_download() as started:
        page.get_by_role("button", name=button).click()
    return json.loads(started.value.path().read_text()), started.value


def test_from_the_first_click_to_the_tallied_table(page, root, key):
    assert page.get_by_role("spinbutton").input_value() == "4"
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_role("button", name="Begin").click()
    for number in range(COUNT):
        at(page, number + 1, number)
        assert page.get_by_role("button", name="Next").is_disabled()
        page.get_by_role("radio", name=f"Result {'ABC'[number % 3]}").click()
        page.get_by_role("button", name="Next").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    votes, file = download(page)
    assert file.suggested_filename == f"votes-{key.identity[:8]}-Ada-Lovelace.json"
    file.save_as(root / "votes.json")
    assert (votes["identity"], votes["rater"], votes["number"]) == (key.identity, "Ada Lovelace", 4)
    assert votes["votes"].keys() == key.trials.keys()
    run = study(root, "tally", "votes.json")
    assert (run.returncode, run.stderr) == (0, "")
    chosen = [key.trials[name].codes[vote["choice"]] for name, vote in votes["votes"].items()]
    for run_name, label in {"deepfill-v2": "DeepFill v2", "medfe": "Rethink (MEDFE)", "crfill": "CRFill"}.items():
        (line,) = [line for line in run.stdout.splitlines() if line.strip().startswith(label) and "wins" in line][-1:]
        assert f" {chosen.count(run_name)} votes" in line
    assert len(Workspace(root).votes(STUDY).read_text().splitlines()) == 1 + COUNT


def test_the_keyboard_alone_is_enough(page):
    begin(page)
    for number in range(COUNT):
        at(page, number + 1, number)
        page.keyboard.press("2")
        focused = page.evaluate("[document.activeElement.getAttribute('aria-label'), document.activeElement.checked]")
        assert focused == ["Result B", True]
        if number == 4:
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Backspace")
            at(page, 4, 4)
            page.keyboard.press("1")
            page.keyboard.press("Enter")
            at(page, 5, 4)
            page.keyboard.press("9")
            page.keyboard.press("Enter")
            at(page, 5, 4)
            page.keyboard.press("3")
            page.keyboard.press("p")
            page.get_by_role("heading", name="Paused").wait_for()
            page.keyboard.press("1")
            page.keyboard.press("p")
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thank you").wait_for()
    votes, _ = download(page)
    assert len(votes["votes"]) == COUNT


def test_the_state_survives_a_reload_and_a_closed_page(page, context):
    begin(page)
    first = results(page)
    for _ in range(3):
        page.keyboard.press("1")
        page.keyboard.press("Enter")
    at(page, 4, 3)
    before, address = results(page), page.url
    page.close()
    page = context.new_page()
    page.goto(address)
    page.get_by_text("Welcome back, Ada. 3 of 9 pictures are done.").wait_for()
    assert not page.get_by_role("radio").count()
    page.keyboard.press("Enter")
    at(page, 4, 3)
    assert results(page) == before
    for _ in range(3):
        page.keyboard.press("Backspace")
    assert results(page) == first
    assert page.get_by_role("button", name="Back").is_disabled() and page.get_by_role("radio").first.is_checked()


def test_a_pause_hides_the_pictures_and_its_time_does_not_count(page):
    begin(page)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("heading", name="Paused").wait_for()
    assert not page.get_by_role("img").count()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Continue").click()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.keyboard.press("p")
    votes, _ = download(page, "Save the votes so far")
    ((_, vote),) = votes["votes"].items()
    assert 0 <= vote["seconds"] < 1.4


def test_raters_of_other_numbers_see_other_orders(context, held, key):
    seen = []
    for number in (0, 1):
        page = context.browser.new_context().new_page()
        page.goto(f"{(Workspace(held).reports.study / STUDY).as_uri()}.html?rater={number}")
        begin(page)
        found = []
        for _ in range(COUNT):
            found.append(tuple(results(page)))
            page.keyboard.press("1")
            page.keyboard.press("Enter")
        seen.append(found)
        page.context.close()
    assert set(map(frozenset, seen[0])) == set(map(frozenset, seen[1])) and seen[0] != seen[1]
    of_code = {code: trial.codes[code] for trial in key.trials.values() for code in trial.codes}
    for found in seen:
        for place in range(3):
            methods = [of_code[codes[place]] for codes in found]
            assert {methods.count(run) for run in key.methods} == {3}


def test_another_rater_begins_anew(page):
    begin(page)
    page.keyboard.press("p")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Another rater").click()
    assert page.get_by_label("Your name").input_value() == ""
    page.reload()
    assert page.get_by_label("Your name").is_visible()


@pytest.mark.parametrize("name", ["", "=1+1", "-"])
def test_a_name_that_a_table_cannot_hold_is_refused(page, name):
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Begin").click()
    assert page.get_by_label("Your name").is_visible()
    begin(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 320, "height": 568}, {"width": 1400, "height": 900}])
def test_nothing_is_wider_than_the_window(page, scheme, size):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)

    def wide():
        return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    assert not wide()
    begin(page)
    assert not wide()
    page.keyboard.press("p")
    assert not wide()


def test_a_screen_reader_hears_what_happens(page):
    begin(page)
    said = page.get_by_role("status")
    assert said.text_content() == "Picture 1 of 9."
    page.keyboard.press("2")
    assert said.text_content() == "Result B chosen."
    assert page.get_by_role("img", name="The picture with its missing part hatched").count() == 1
    assert page.get_by_role("group", name="Which one result is best?").count() == 1
    page.keyboard.press("Enter")
    bar = page.get_by_role("progressbar")
    assert (bar.get_attribute("aria-valuenow"), bar.get_attribute("aria-valuemax")) == ("1", "9")


def test_without_storage_the_page_says_so_and_works(context, held):
    context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})")
    page = context.new_page()
    page.goto(f"{(Workspace(held).reports.study / STUDY).as_uri()}.html?rater=0")
    begin(page)
    assert "do not close the page" in page.get_by_role("alert").text_content()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    at(page, 2, 1)
