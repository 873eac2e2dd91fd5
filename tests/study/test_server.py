"""Many raters over one database: in browsers, over plain HTTP, and after the server was killed."""

import http.client
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.study.server import OURS, TABLES, Urn
from palimpsest.workspace import Workspace
from reported import OF_THIS_TREE
from study.conftest import STUDY, command, study
from study.test_page import at, begin

CLEAN = {"Content-Type": "application/json"}


class Served:
    """`study serve` in a process of its own."""

    def __init__(self, root, prepare: Callable[[], object] | None = None):
        self.root, self.port = root, 0
        self.start(prepare)

    def start(self, prepare=None):
        words = command("serve", "--study", STUDY, "--database", "votes.sqlite", "--port", self.port)
        said = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(words, cwd=self.root, env=OF_THIS_TREE, preexec_fn=prepare, **said)
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/ ", self.process.stdout.readline())[1])

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.communicate(timeout=10)

    def ask(self, method, path, body=None, headers=CLEAN):
        """Status and answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers)
            response = connection.getresponse()
            text = response.read()
            kind = response.getheader("Content-Type")
            return response.status, json.loads(text) if kind == "application/json" else text.decode()
        finally:
            connection.close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def stored(self):
        with sqlite3.connect(self.root / "votes.sqlite") as database:
            return database.execute("SELECT rater, trial, choice FROM votes ORDER BY 1, 2").fetchall()


@pytest.fixture
def served(root):
    served = Served(root)
    yield served
    if served.process.poll() is None:
        served.stop(signal.SIGKILL)


@pytest.fixture
def rater(served):
    return served.ask("POST", "/raters", {"name": "Ada"})[1]["token"]


@pytest.fixture(scope="module")
def standing(held, tmp_path_factory):
    """A server that takes much junk, and the token of its only rater."""
    served = Served(shutil.copytree(held, tmp_path_factory.mktemp("standing") / "project", symlinks=True))
    yield served, served.ask("POST", "/raters", {"name": "Ada"})[1]["token"]
    assert served.stop() == ("stopped; every confirmed vote is kept\n", "")
    assert served.process.returncode == 0


def a_vote(key, trial=0, choice=0):
    name, shown = list(key.trials.items())[trial]
    return {"trial": name, "choice": list(shown.codes)[choice], "seconds": 2.0}


@pytest.mark.slow
def test_browsers_vote_through_a_killed_server_and_the_database_is_tallied(served, chromium, key):
    pages = [chromium.new_context().new_page() for _ in range(3)]
    for name, page in zip(("Ada", "Eve", "Zoe"), pages, strict=True):
        page.goto(served.address)
        begin(page, name)
        assert not page.get_by_role("spinbutton").is_visible()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        at(page, 2, 1)
    served.stop(signal.SIGKILL)
    ada, eve, zoe = pages
    ada.keyboard.press("2")
    ada.keyboard.press("Enter")
    ada.get_by_text("The server does not answer. Your votes so far are kept").wait_for()
    served.start()
    ada.keyboard.press("Enter")
    at(ada, 3, 2)
    assert not ada.get_by_role("alert").is_visible()
    eve.reload()
    eve.get_by_text("Welcome back, Eve. 1 of 9 pictures are done. They are kept by the server.").wait_for()
    eve.keyboard.press("Enter")
    for page, done in ((eve, 1), (zoe, 1), (ada, 2)):
        for number in range(done, 9):
            at(page, number + 1, number)
            page.keyboard.press("3")
            page.keyboard.press("Enter")
        page.get_by_role("heading", name="Thank you").wait_for()
        page.context.close()
    assert len(served.stored()) == 27
    served.stop()
    run = study(served.root, "tally", "votes.sqlite")
    assert run.returncode == 0 and "crfill-1, in all: 27 votes of 3 raters on 9 pictures" in run.stdout
    lines = Workspace(served.root).votes(STUDY).read_text().splitlines()
    assert len(lines) == 1 + 27 and {line.split(",")[1] for line in lines[1:]} == {"Ada", "Eve", "Zoe"}


@pytest.mark.slow
def test_a_vote_is_final_in_every_window_of_a_rater(served, chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served.address)
    begin(page)
    other = context.new_page()
    other.goto(served.address)
    other.get_by_text("Welcome back").wait_for()
    other.keyboard.press("Enter")
    at(other, 1, 0)
    for window, choice in ((page, "1"), (other, "2")):
        window.keyboard.press(choice)
        window.keyboard.press("Enter")
        at(window, 2, 1)
    assert "Your first vote on this picture counts." in other.get_by_role("alert").text_content()
    other.keyboard.press("Backspace")
    assert other.get_by_role("radio").first.is_checked() and other.get_by_role("radio").last.is_disabled()
    assert other.get_by_text("a vote is final").is_visible()
    assert len(served.stored()) == 1
    context.close()


def test_a_vote_counts_once_and_the_first_stands(served, rater, key):
    path, vote = f"/raters/{rater}/votes", a_vote(key)
    assert served.ask("POST", path, vote) == (201, {"choice": vote["choice"]})
    assert served.ask("POST", path, {**vote, "seconds": 9}) == (200, {"choice": vote["choice"]})
    status, answer = served.ask("POST", path, a_vote(key, choice=1))
    assert (status, answer["choice"]) == (409, vote["choice"])
    assert served.stored() == [(0, vote["trial"], vote["choice"])]
    state = served.ask("GET", f"/raters/{rater}")
    assert state == (200, {"name": "Ada", "number": 0, "votes": {vote["trial"]: vote["choice"]}})


def test_raters_who_come_at_once_have_numbers_of_their_own_and_a_double_click_is_one_vote(served, key):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda i: served.ask("POST", "/raters", {"name": f"rater {i}"}), range(16)))
        assert sorted(answer["number"] for _, answer in found) == list(range(16))
        path = f"/raters/{found[0][1]['token']}/votes"
        statuses = pool.map(lambda i: served.ask("POST", path, a_vote(key, choice=i % 3))[0], range(16))
    assert sorted(statuses).count(201) == 1 and len(served.stored()) == 1
    assert served.ask("POST", "/raters", {"name": "rater 3"})[0] == 409


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/raters/TOKEN/votes", b"{", CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", b"\xff", CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", b"[" * 4000, CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", b"[]", CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", b"x" * 5000, CLEAN, 413),
        ("POST", "/raters/TOKEN/votes", b"x" * 70_000, {**CLEAN, "Content-Length": "9" * 30}, 413),
        ("POST", "/raters/TOKEN/votes", b"", {**CLEAN, "Content-Length": "-1"}, 411),
        ("POST", "/raters/TOKEN/votes", b"{}", {"Content-Type": "text/plain"}, 415),
        ("POST", "/raters/TOKEN/votes", {"trial": "x", "choice": "y", "seconds": 1}, CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", {"trial": ["x"], "choice": "y", "seconds": 1}, CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", {"trial": "\ud800", "choice": "\ud800", "seconds": 1}, CLEAN, 400),
        ("POST", "/raters/TOKEN/votes", b'{"trial": "x", "choice": "y", "seconds": NaN}', CLEAN, 400),
        ("POST", "/raters/nobody/votes", {"trial": "x", "choice": "y", "seconds": 1}, CLEAN, 404),
        ("POST", "/raters", {"name": "=1+1"}, CLEAN, 400),
        ("POST", "/raters", {"name": "a" * 41}, CLEAN, 400),
        ("POST", "/raters", {"name": "Ada"}, CLEAN, 409),
        ("POST", "/", {"name": "Ada"}, CLEAN, 404),
        ("GET", "/raters/nobody", None, {}, 404),
        ("GET", "/raters/' OR 1=1 --".replace(" ", "%20"), None, {}, 404),
        ("GET", "/../votes.sqlite", None, {}, 404),
        ("GET", "/..%2f..%2fetc/passwd", None, {}, 404),
        ("GET", f"/{STUDY}.key.json", None, {}, 404),
        ("PUT", "/raters", {"name": "Eve"}, CLEAN, 405),
        ("DELETE", "/raters/TOKEN", None, {}, 405),
        ("BREW", "/", None, {}, 405),
    ],
)
def test_junk_is_refused_with_a_sentence_and_nothing_is_kept(standing, method, path, body, headers, status):
    served, rater = standing
    found, answer = served.ask(method, path.replace("TOKEN", rater), body, headers)
    assert found == status and answer["error"].strip()
    assert served.stored() == []
    assert served.ask("GET", "/")[0] == 200


def test_another_trials_choice_is_no_choice(served, rater, key):
    mixed = {**a_vote(key), "choice": a_vote(key, trial=1)["choice"]}
    assert served.ask("POST", f"/raters/{rater}/votes", mixed) == (400, {"error": "This trial has no such choice."})


def test_bytes_that_are_no_http_and_clients_that_hang_up_harm_nobody(served):
    for sent in (b"\x00\xff\r\n\r\n", b"POST /raters HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b""):
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as client:
            client.sendall(sent)
    assert served.ask("GET", "/")[0] == 200
    _, said = served.stop()
    assert said == ""


def test_an_interrupt_stops_it_well(served):
    said, complaints = served.stop()
    assert said == "stopped; every confirmed vote is kept\n" and complaints == ""
    assert served.process.returncode == 0


def test_an_interrupt_stops_it_where_it_was_started_with_interrupts_ignored(root):
    """As a shell starts its background jobs."""
    served = Served(root, lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert served.stop() == ("stopped; every confirmed vote is kept\n", "")
    assert served.process.returncode == 0


def foreign(database):
    database.execute("CREATE TABLE votes (a)")


def foreign_with_journal(database):
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE other (a)")


def foreign_without_tables(database):
    database.execute("PRAGMA user_version = 3")


def foreign_without_anything(database):
    database.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (foreign, "its tables are votes"),
        (foreign_with_journal, "its tables are other"),
        (foreign_without_tables, "it has no tables"),
        (foreign_without_anything, "it has no tables"),
    ],
)
def test_a_database_of_something_else_is_left_as_it_is(key, tmp_path, make, said):
    path = tmp_path / "votes.sqlite"
    with closing(sqlite3.connect(path)) as database:
        make(database)
    assert path.stat().st_size > 0
    assert_left_as_it_is(path, key, f"{said}, and no server of a study made it")


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_server_that_was_killed_at_its_start_can_start_again(key, tmp_path, steps):
    path = tmp_path / "votes.sqlite"
    path.touch()
    with closing(sqlite3.connect(path)) as database:
        for script in [f"PRAGMA application_id = {OURS}", TABLES][:steps]:
            database.executescript(script)
    Urn(path, key).prepare()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT identity FROM study").fetchall() == [(key.identity,)]


@pytest.mark.parametrize("damage", [lambda whole: whole[:-5000], lambda whole: whole[:4099] + b"!!" + whole[4101:]])
def test_a_database_that_is_damaged_is_left_as_it_is(key, tmp_path, damage):
    path = tmp_path / "votes.sqlite"
    Urn(path, key).prepare()
    Urn(path, key).prepare()
    path.write_bytes(damage(path.read_bytes()))
    assert_left_as_it_is(path, key, "malformed|btreeInitPage")


def assert_left_as_it_is(path, key, said):
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"votes.sqlite: asked for a database of votes, .*({said})") as error:
        Urn(path, key).prepare()
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_study_that_is_not_there_a_database_of_another_and_a_taken_port_are_refused(served, root):
    run = study(root, "serve", "--study", "../crfill-1", "--database", "x.sqlite")
    assert run.stderr == "error: --study: found '../crfill-1'; accepted: crfill-1, gm-srm-III\n"
    run = study(root, "serve", "--study", "gm-srm-III", "--database", "votes.sqlite")
    assert run.returncode == 1 and "votes.sqlite: holds votes on study" in run.stderr
    (root / "text").write_text("no database, and longer than the head of one. " * 9)
    run = study(root, "serve", "--study", STUDY, "--database", "text")
    assert run.returncode == 1 and "text: asked for a database of votes, found none that can be used" in run.stderr
    run = study(root, "serve", "--study", STUDY, "--database", "other.sqlite", "--port", served.port)
    assert run.returncode == 1 and "asked to listen there, cannot" in run.stderr
    assert run.stderr.count("\n") == 1
