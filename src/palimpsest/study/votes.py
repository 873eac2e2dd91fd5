"""The vote files that raters send, and records/votes/<study>.csv, which holds all votes.

Every vote file is checked against the key of its study before a row is written.
"""

import csv
import io
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, NonNegativeInt

from palimpsest.config.yaml import InputError, Settings, build, choices, spelt
from palimpsest.storage import plain, read_rows, write_text
from palimpsest.study.tally import Vote
from palimpsest.study.trials import Key
from palimpsest.workspace import Workspace

LARGEST = 2**20  # bytes of a vote file
SQLITE = b"SQLite format 3\0"

RaterName = spelt(r"\w[\w .'-]{0,39}", "1 to 40 letters, digits, spaces and . ' - _, the first a letter or digit")
Seconds = Annotated[float, Field(ge=0, le=86400)]


class Choice(Settings):
    """What a rater chose on one trial."""

    choice: str  # code
    seconds: Seconds  # for which the trial was on the screen


class Ballot(Settings):
    """One rater's votes, as the page saves them."""

    identity: str  # of the study
    rater: RaterName
    number: NonNegativeInt  # of the rater, which fixed the orders
    votes: dict[str, Choice]  # by trial


class Row(NamedTuple):
    """One line of records/votes/<study>.csv."""

    identity: str
    rater: str
    trial: str
    slot: str
    hole: str
    picture: str
    method: str  # run
    seconds: str


def read_ballots(path: Path) -> list[Ballot]:
    """The ballot of a vote file, or all of a server's database; InputError for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: asked for votes, found no file that can be read ({plain(error)})") from error
    if head.startswith(SQLITE):
        return list(_in_database(path))
    if len(head) > LARGEST:
        raise InputError(f"{path}: found more than {LARGEST} bytes; accepted: a vote file, or a server's database")
    try:
        tree = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: asked for votes as the page saves them, found no JSON ({plain(error)})") from error
    return [build(Ballot, tree, "", str(path))]


def _in_database(path: Path) -> Iterator[Ballot]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            if (study := database.execute("SELECT identity FROM study").fetchone()) is None:
                raise sqlite3.DatabaseError("it names no study")
            (identity,) = study
            for number, name in database.execute("SELECT number, name FROM raters ORDER BY number").fetchall():
                found = database.execute("SELECT trial, choice, seconds FROM votes WHERE rater = ?", (number,))
                votes = {trial: {"choice": choice, "seconds": seconds} for trial, choice, seconds in found}
                ballot = {"identity": identity, "rater": name, "number": number, "votes": votes}
                yield build(Ballot, ballot, f"rater {number}", str(path))
    except sqlite3.Error as error:
        raise InputError(f"{path}: asked for the database of `study serve`, found another ({error})") from error


def key_of(ballot: Ballot, keys: dict[str, Key], source: str) -> Key:
    """The key of the study that a ballot belongs to; InputError for a study that is not built."""
    for key in keys.values():
        if key.identity == ballot.identity:
            return key
    built = ", ".join(f"{name} ({key.identity[:12]})" for name, key in keys.items())
    raise InputError(
        f"{source}: votes on study {ballot.identity[:12]}, of other pictures, methods or settings than those "
        f"that are built; accepted: {built}"
    )


def rows_of(ballot: Ballot, key: Key, source: str) -> list[Row]:
    """A ballot's votes on methods; InputError for a trial or code that its study does not have."""
    rows = []
    for name, vote in ballot.votes.items():
        if (trial := key.trials.get(name)) is None:
            raise InputError(f"{source}: found a vote on trial {name!r}, which {key.study} does not have")
        if vote.choice not in trial.codes:
            found = f"found choice {vote.choice!r} on trial {name}"
            raise InputError(f"{source}: {found}; accepted: {choices(sorted(trial.codes), vote.choice)}")
        seen = (trial.slot, trial.hole, trial.picture, trial.codes[vote.choice])
        rows.append(Row(key.identity, ballot.rater, name, *seen, f"{vote.seconds:.1f}"))
    return rows


def read_votes(root: Path, study: str) -> list[Row]:
    """The recorded votes on a study; [] where there are none yet."""
    path = Workspace(root).votes(study)
    if not path.is_file():
        return []
    _, *lines = read_rows(path, "votes", Row._fields)
    return list(merged([(Row(*line), str(path)) for line in lines]))


def merged(found: Iterable[tuple[Row, str]]) -> list[Row]:
    """Sorted rows without duplicates, out of (row, source); InputError where a rater voted twice on a trial."""
    kept: dict[tuple[str, str, str], tuple[Row, str]] = {}
    for row, source in found:
        first, origin = kept.setdefault(row[:3], (row, source))
        if first != row:
            raise InputError(
                f"{origin} and {source}: rater {row.rater!r} voted twice on trial {row.trial}, differently; "
                "accepted: one vote a rater and trial, and a name for each rater"
            )
    return sorted(row for row, _ in kept.values())


def add(root: Path, keys: dict[str, Key], paths: Iterable[Path]) -> list[str]:
    """Merges vote files into records/votes and returns the studies they are on; none is written if one is wrong."""
    new: dict[str, list[tuple[Row, str]]] = {}
    for path in paths:
        for ballot in read_ballots(path):
            key = key_of(ballot, keys, str(path))
            new.setdefault(key.study, []).extend((row, str(path)) for row in rows_of(ballot, key, str(path)))
    rows = {}
    for study, found in new.items():
        path = Workspace(root).votes(study)
        rows[study] = merged([*((row, str(path)) for row in read_votes(root, study)), *found])
    for study, lines in rows.items():
        write_text(Workspace(root).votes(study), to_csv(lines))
    return sorted(rows)


def to_csv(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue()


def votes_on(key: Key, rows: Iterable[Row]) -> dict[tuple[str, str], list[Vote]]:
    """{(slot, kind of hole): the votes on a study as it is built}, each trial checked against its key."""
    votes: dict[tuple[str, str], list[Vote]] = {}
    for row in rows:
        if row.identity != key.identity:
            continue
        trial = key.trials.get(row.trial)
        if trial is None or row.method not in trial.codes.values():
            raise InputError(f"{Workspace().votes(key.study)}: {row.rater} on {row.trial}: not a vote on this study")
        votes.setdefault((trial.slot, trial.hole), []).append(Vote(row.rater, row.trial, row.method))
    return votes
