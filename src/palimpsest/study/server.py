"""A server that shows a study to many raters and collects their votes in one SQLite file.

    GET  /                        the page
    POST /raters                  {name} → 201 {token, number}
    GET  /raters/TOKEN            → 200 {name, number, votes}
    POST /raters/TOKEN/votes      {trial, choice, seconds} → 201; 200 for the same vote again; 409 for a different one

A vote is in the file before it is confirmed, so the server may stop at any moment and another may take over.
"""

import json
import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from palimpsest.config.yaml import InputError, Settings, Tree, build
from palimpsest.study.trials import Key
from palimpsest.study.votes import RaterName, Seconds

LARGEST = 4096  # bytes of a request's body
DRAINED = 2**16  # bytes of a larger body that are read before it is refused, so that the refusal arrives
PATIENCE = 20  # seconds to wait for a rater's connection, or for the file
TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS study (identity TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS raters (number INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS votes (
  rater INTEGER NOT NULL REFERENCES raters, trial TEXT NOT NULL, choice TEXT NOT NULL, seconds REAL NOT NULL,
  UNIQUE (rater, trial)
);
COMMIT;
"""
OURS = int.from_bytes(b"PLMP")  # what SQLite keeps in the head of a file, to say whose it is
SCHEMA = "SELECT name, sql FROM sqlite_master WHERE type != 'index' ORDER BY name"


class RefusedError(Exception):
    """A request that is refused: the status, and a sentence that says why."""

    def __init__(self, status: HTTPStatus, why: str, **more: Any):
        super().__init__(why)
        self.status, self.answer = status, {"error": why, **more}


class Newcomer(Settings):
    """The body of `POST /raters`."""

    name: RaterName


class Given(Settings):
    """The body of `POST /raters/TOKEN/votes`."""

    trial: str
    choice: str
    seconds: Seconds


@dataclass(frozen=True)
class Urn:
    """The SQLite file that holds raters and votes."""

    path: Path
    key: Key

    def prepare(self) -> None:
        """Creates what is missing; InputError for a file of another kind, or of another study, which stays as it is."""
        try:
            begun = self.path.exists() and self.path.stat().st_size > 0
            if begun:
                self._recognise()
            with self._open() as database:
                if not begun:
                    database.execute(f"PRAGMA application_id = {OURS}")
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(TABLES)
                database.execute("BEGIN IMMEDIATE")
                found = database.execute("SELECT identity FROM study").fetchone()
                if found is None:
                    database.execute("INSERT INTO study VALUES (?)", (self.key.identity,))
        except sqlite3.Error as error:
            found = f"found none that can be used ({error}); accepted: a new file"
            raise InputError(f"{self.path}: asked for a database of votes, {found}") from error
        if found and found[0] != self.key.identity:
            raise InputError(
                f"{self.path}: holds votes on study {found[0][:12]}, {self.key.study} is {self.key.identity[:12]}; "
                "accepted: a new file, or the study that these votes are on"
            )

    def _recognise(self) -> None:
        """sqlite3.Error for a file that is not whole, or that no server of a study made; nothing is written."""
        journal = self.path.with_name(f"{self.path.name}-wal")  # SQLite makes one, and leaves it, unless told not to
        address = f"{self.path.absolute().as_uri()}?mode=ro{'' if journal.exists() else '&immutable=1'}"
        with closing(sqlite3.connect(address, uri=True)) as database:
            (whole,) = database.execute("PRAGMA quick_check(1)").fetchone()
            found = database.execute(SCHEMA).fetchall()
            (maker,) = database.execute("PRAGMA application_id").fetchone()
        with closing(sqlite3.connect(":memory:")) as empty:
            empty.executescript(TABLES)
            accepted = empty.execute(SCHEMA).fetchall()
        if whole != "ok":
            raise sqlite3.DatabaseError(" ".join(whole.split()))
        if found != accepted and (found or maker != OURS):  # a server that was killed at its start leaves no tables
            tables = f"its tables are {', '.join(name for name, _ in found)}" if found else "it has no tables"
            raise sqlite3.DatabaseError(f"{tables}, and no server of a study made it")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread, whose changes are written at the end, all or none."""
        database = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            yield database
            if database.in_transaction:
                database.execute("COMMIT")
        finally:
            database.close()

    def enter(self, name: str) -> Tree:
        """A new rater's token and number; RefusedError for a name that is taken."""
        token = secrets.token_urlsafe(16)
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            if database.execute("SELECT 1 FROM raters WHERE name = ?", (name,)).fetchone():
                raise RefusedError(HTTPStatus.CONFLICT, f"The name {name} is taken; please choose another.")
            (number,) = database.execute("SELECT coalesce(max(number) + 1, 0) FROM raters").fetchone()
            database.execute("INSERT INTO raters VALUES (?, ?, ?)", (number, token, name))
        return {"token": token, "number": number}

    def rater(self, token: str) -> Tree:
        """A rater's name, number and votes."""
        with self._open() as database:
            number, name = self._known(database, token)
            votes = database.execute("SELECT trial, choice FROM votes WHERE rater = ?", (number,)).fetchall()
        return {"name": name, "number": number, "votes": dict(votes)}

    def vote(self, token: str, given: Given) -> HTTPStatus:
        """Stores a vote; RefusedError for a vote on anything else, or one that differs from the rater's first."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            number, _ = self._known(database, token)
            if given.trial not in self.key.trials:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "This study has no such trial.")
            if given.choice not in self.key.trials[given.trial].codes:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "This trial has no such choice.")
            at = (number, given.trial)
            first = database.execute("SELECT choice FROM votes WHERE rater = ? AND trial = ?", at).fetchone()
            if first is None:
                database.execute("INSERT INTO votes VALUES (?, ?, ?, ?)", (*at, given.choice, given.seconds))
                return HTTPStatus.CREATED
        if first[0] != given.choice:
            raise RefusedError(HTTPStatus.CONFLICT, "Your first vote on this picture counts.", choice=first[0])
        return HTTPStatus.OK

    def _known(self, database: sqlite3.Connection, token: str) -> tuple[int, str]:
        found = database.execute("SELECT number, name FROM raters WHERE token = ?", (token,)).fetchone()
        if found is None:
            raise RefusedError(
                HTTPStatus.NOT_FOUND, "This server does not know you; please start again as a new rater."
            )
        return found


class Server(ThreadingHTTPServer):
    """Serves the page of one study and collects the votes on it."""

    daemon_threads = True
    request_queue_size = 128  # raters who come at once

    def __init__(self, address: tuple[str, int], page: str, urn: Urn):
        super().__init__(address, Handler)
        self.page = page.replace('data-server="no"', 'data-server="yes"', 1).encode()
        self.urn = urn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a browser that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    server_version, sys_version = "palimpsest", ""
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def __getattr__(self, name: str) -> Any:
        """`do_PUT` and other methods."""
        if name.startswith("do_"):
            return self._refuse_method
        raise AttributeError(name)

    def _refuse_method(self) -> None:
        why = f"{self.command} is not supported; accepted: GET and POST."
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, {"error": why})

    def _answer(self, made: Callable[[], tuple[HTTPStatus, Tree | bytes]]) -> None:
        try:
            status, answer = made()
        except RefusedError as refused:
            status, answer = refused.status, refused.answer
        except InputError as error:
            status, answer = HTTPStatus.BAD_REQUEST, {"error": str(error)}
        except sqlite3.Error as error:
            status, answer = (
                HTTPStatus.SERVICE_UNAVAILABLE,
                {"error": f"Nothing can be stored right now ({error}); try again."},
            )
        self._send(status, answer)

    def _get(self) -> tuple[HTTPStatus, Tree | bytes]:
        match self.path.partition("?")[0].split("/")[1:]:
            case [""]:
                return HTTPStatus.OK, self.server.page
            case ["raters", token]:
                return HTTPStatus.OK, self.server.urn.rater(token)
        raise RefusedError(HTTPStatus.NOT_FOUND, "There is nothing here; the study is at /.")

    def _post(self) -> tuple[HTTPStatus, Tree]:
        body = self._body()
        match self.path.split("/")[1:]:
            case ["raters"]:
                return HTTPStatus.CREATED, self.server.urn.enter(build(Newcomer, body, "", "request").name)
            case ["raters", token, "votes"]:
                given = build(Given, body, "", "request")
                return self.server.urn.vote(token, given), {"choice": given.choice}
        raise RefusedError(HTTPStatus.NOT_FOUND, "Nothing can be posted here; votes go to /raters/TOKEN/votes.")

    def _body(self) -> Any:
        """The JSON of a request; RefusedError for other content types, which pages of other sites could send."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "A Content-Length is required.")
        body = self.rfile.read(min(int(length[:9]), DRAINED))
        if len(length) > 9 or int(length) > LARGEST:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Too large; accepted: {LARGEST} bytes.")
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Accepted: a body of application/json.")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from error

    def _send(self, status: HTTPStatus, answer: Tree | bytes) -> None:
        page = isinstance(answer, bytes)
        body = answer if page else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status >= HTTPStatus.BAD_REQUEST:
            self.send_header("Connection", "close")  # an unread body would be taken for the next request
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Logs nothing: a path holds a rater's token."""


def serve(page: str, key: Key, database: Path, host: str, port: int) -> None:
    """Runs a study until Ctrl-C; InputError where it cannot listen there."""
    urn = Urn(database, key)
    try:
        server = Server((host, port), page, urn)
    except (OSError, OverflowError) as error:
        raise InputError(f"--host {host} --port {port}: asked to listen there, cannot ({error})") from error
    with server:
        urn.prepare()
        try:
            address = f"http://{host}:{server.server_port}/"
            print(f"{key.study} at {address} , votes in {database}; Ctrl-C stops it", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped; every confirmed vote is kept", flush=True)
