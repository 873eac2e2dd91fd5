"""The votes of the papers' user studies as tables: published beside ours, and why ours are missing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from palimpsest.papers.metrics import Metric
from palimpsest.papers.paper import read_papers
from palimpsest.papers.tables import Condition, Row, Study
from palimpsest.papers.values import Place, Values
from palimpsest.results.measured import Measured, runs_shown, shown_conditions
from palimpsest.study.tally import FEW, RESAMPLES, Tally, tally
from palimpsest.study.tally import Vote as Cast
from palimpsest.study.trials import Key, read_key
from palimpsest.study.votes import read_rows, votes_on
from palimpsest.tables.formats import NOTHING, Cell, Head, printed
from palimpsest.workspace import Workspace

SHARE = Metric(
    label="share of the vote",
    unit="%",
    direction="higher",
    digits=2,
    of="set",
    raw=False,
    definition="The votes for a method among all votes.",
)
WINS = Metric(
    label="winning samples",
    unit="",
    direction="higher",
    digits=0,
    of="set",
    raw=False,
    definition="The pictures on which a method has strictly most votes; those on which several have are counted apart.",
)
MEASURES = {"vote_share_percent": SHARE, "winning_samples": WINS}
Column = tuple[Head, Callable[[Row], Cell], Metric]


@dataclass(frozen=True)
class Poll:
    """A study as it is built now, and the votes on it."""

    name: str
    study: Study
    measured: Measured
    key: Key | None  # none where it is not built
    cast: dict[tuple[str, str], list[Cast]]  # by slot and kind of hole
    others: int  # votes on the study as it was built before
    outdated: bool = False  # whether what is built shows results that are no more

    @property
    def conditions(self) -> list[Condition]:
        return shown_conditions(self.study, self.measured)

    def methods(self, condition: Condition) -> dict[str, str]:
        """{run: label} of what raters see of one condition."""
        seen = self.key.methods if self.key else {}
        runs = runs_shown(self.study, condition, self.measured)
        return {run: label for label, run in runs.items() if run in seen}

    def tally(self, *conditions: Condition) -> Tally | None:
        """By label, of the pictures of some conditions; none without votes."""
        votes, labels = [], {}
        for condition in conditions:
            methods = self.methods(condition)
            labels |= dict.fromkeys(methods.values())
            cast = self.cast.get((condition.slot, condition.hole), [])
            votes += [vote._replace(method=methods[vote.method]) for vote in cast]
        return tally(votes, list(labels)) if votes else None

    @cached_property
    def whole(self) -> Tally | None:
        """Of all pictures."""
        return self.tally(*self.conditions)

    @property
    def datasets(self) -> str:
        return " and ".join(dict.fromkeys(self.measured.pictures(c.slot).dataset for c in self.conditions))

    @property
    def stand_in(self) -> str:
        """Says in a caption that the pictures are not the paper's."""
        return " (a stand-in)" if any(_other(self, condition) for condition in self.study.data) else ""

    @property
    def why(self) -> str:
        """Why there are no votes."""
        if self.outdated:
            return "the study shows results that were made anew since; `dvc repro study` builds it anew"
        if self.key is None:
            return f"the study is not built: {Workspace().reports.study / self.name}.html says why"
        if self.others:
            return f"all {self.others} votes were given on other pictures or results; the study was built anew since"
        return f"nobody has voted yet on {Workspace().reports.study / self.name}.html"


def read_polls(measured: Measured) -> dict[str, Poll]:
    """{paper-table: poll} of every study of every paper."""
    papers = read_papers()
    studies = {f"{name}-{number}": study for name, paper in papers.items() for number, study in paper.studies.items()}
    return {name: read_poll(measured, name, study) for name, study in studies.items()}


def read_poll(measured: Measured, name: str, study: Study) -> Poll:
    """A study's key and its votes; InputError where the votes cannot be read."""
    key, rows = read_key(measured.root, name), read_rows(measured.root, name)
    made = {run: result.settings for run, result in measured.results.items()}
    if key and not key.methods.items() <= made.items():
        return Poll(name, study, measured, None, {}, len(rows), outdated=True)
    others = sum(row.identity != key.identity for row in rows) if key else len(rows)
    return Poll(name, study, measured, key, votes_on(key, rows) if key else {}, others)


def _ours(poll: Poll, found: Tally | None, conditions: list[Condition], what: str, row: Row) -> Cell:
    """A method's votes, share of the vote or winning samples under some conditions."""
    runs = {row.run_on(condition): None for condition in conditions}
    if not (present := [run for run in runs if run in poll.measured.results]):
        about = ", ".join(f"run {run}: {poll.measured.absent.get(run, 'not in params.yaml')}" for run in runs if run)
        return Cell("not yet run", "missing", about=about)
    if found is None or row.label not in found.shares:
        why = poll.why if found is None else f"{row.label} is not in the study as it is built"
        return Cell("no votes", "missing", about=why)
    votes, share, low, high = found.shares[row.label]
    about = (
        f"run {' and '.join(present)}: {votes} of {found.votes} votes, {found.raters} raters, {found.pictures} pictures"
    )
    bounds = f"[{printed(100 * low, SHARE.digits)}, {printed(100 * high, SHARE.digits)}]"
    text, number, interval = {
        "votes": (str(votes), votes, f"{bounds} % n = {found.votes}"),
        "vote_share_percent": (printed(100 * share, SHARE.digits), 100 * share, f"{bounds} n = {found.votes}"),
        "winning_samples": (str(found.wins[row.label]), found.wins[row.label], ""),
    }[what]
    about += f", {found.ties} without a winner" if what == "winning_samples" else ""
    return Cell(text, "measured", number, about=about, interval=interval, provenance="studies")


def study_columns(key: str, number: str, poll: Poll, values: Values) -> Iterator[Column]:
    """A paper's table of votes: of each measure published, then ours, in its order of data."""
    for name in poll.study.published:
        metric = MEASURES[name]
        for condition in {c.dataset: c for c in poll.study.data}.values():
            head = Head(f"published{_other(poll, condition)}, {metric.head}", condition.label)
            yield head, partial(published_votes, values, (key, number, condition.dataset, "", ""), name), metric
        for condition in poll.conditions:
            head = Head(f"ours, {metric.head}", poll.measured.pictures(condition.slot).dataset)
            yield head, partial(_ours, poll, poll.tally(condition), [condition], name), metric


def _other(poll: Poll, condition: Condition) -> str:
    """Says where ours are not of the paper's data."""
    ours = {poll.measured.pictures(c.slot).dataset for c in poll.conditions}
    return "" if condition.own in ours else " (other data)"


def published_votes(values: Values, at: tuple[str, ...], metric: str, row: Row) -> Cell:
    """A method's published votes; `at` is their place up to the method."""
    if (value := values.get(Place(*at, row.method, metric))) is None:
        return NOTHING
    if not value.legible:
        return Cell("illegible", "illegible", about=value.note)
    return Cell(value.text, "published", value.number, about="published")


def study_notes(poll: Poll) -> Iterator[tuple[str, str]]:
    """The notes of a table of votes alone."""
    for condition in poll.conditions:
        pictures = poll.measured.pictures(condition.slot)
        yield "Data", f"{pictures}; {condition.hole} holes; profile {poll.measured.profile}."
    for condition in poll.study.data:
        if _other(poll, condition):
            text = f"{poll.datasets} stands in for the paper's data, {condition.label}: no difference is computed."
            yield "Stand-in", text
    yield "Protocol", " ".join(poll.study.protocol)
    yield from vote_notes(poll)


def vote_notes(poll: Poll) -> Iterator[tuple[str, str]]:
    """What stands behind our votes."""
    paper = f"the paper had {poll.study.raters} raters and {poll.study.pictures} pictures of each kind"
    if poll.whole is None:
        yield "Votes", f"no votes: {poll.why}; {paper}."
        return
    for condition in poll.conditions if len(poll.conditions) > 1 else []:
        if found := poll.tally(condition):
            on = f"{poll.measured.pictures(condition.slot).dataset}, {condition.hole} holes"
            yield "Votes", _counted(on, found)
    shown = dict.fromkeys(label for condition in poll.conditions for label in poll.methods(condition).values())
    yield "Votes", f"{_counted('in all', poll.whole)} Shown: {', '.join(shown)}; {paper}."
    if poll.others:
        yield "Votes", f"{poll.others} more, on the study as it was built before, do not count."
    for metric in (SHARE, WINS):
        yield metric.label.capitalize(), metric.definition
    yield "Agreement", KAPPA
    yield "Interval of votes", INTERVAL


KAPPA = (
    "Fleiss' kappa: 1 where raters always agree, 0 where no more often than by chance; pictures may have "
    "unequal numbers of raters."
)
INTERVAL = (
    f"95 % of the shares of {RESAMPLES} sets of raters drawn with replacement lie in it (percentile bootstrap, fixed "
    f"seed); of fewer than {FEW} raters' votes it is Wilson's, as if each vote were given alone."
)


def _counted(on: str, found: Tally) -> str:
    raters = f"{found.raters} rater{'s' if found.raters != 1 else ''}"
    ties = f"{found.ties} of them without a winner"
    return f"{on}: {found.votes} votes of {raters} on {found.pictures} pictures, {ties}; kappa {found.agreement}."


def votes_column(poll: Poll) -> tuple[Head, Callable[[Row], Cell]]:
    """Our votes of a study, all its pictures together, for a table of other things."""
    labels = {row.label for row in poll.study.rows}
    ours = partial(_ours, poll, poll.whole, poll.conditions, "votes")
    head = Head("user study", f"votes, ours on {poll.datasets}")
    return head, lambda row: ours(row) if row.label in labels else NOTHING


def to_text(poll: Poll) -> str:
    """A tally for a terminal."""
    tallies = [(f"{c.slot}, {c.hole} holes", poll.tally(c)) for c in poll.conditions if len(poll.conditions) > 1]
    lines = []
    for on, found in [*tallies, ("in all", poll.whole)]:
        if found is None:
            lines.append(f"{poll.name}, {on}: no votes, {poll.why}")
            continue
        lines.append(f"{poll.name}, {_counted(on, found)}")
        for label, (votes, share, low, high) in found.shares.items():
            shares = [printed(100 * each, SHARE.digits) for each in (share, low, high)]
            numbers = "{:>5} votes {:>6} % [{:>6}, {:>6}]".format(votes, *shares)
            lines.append(f"  {label:<30}{numbers} {found.wins[label]:>4} wins")
    return "\n".join(lines)
