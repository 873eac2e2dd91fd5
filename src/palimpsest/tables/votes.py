"""Tables of votes: the published votes of user studies beside ours, and why ours are missing."""

from collections.abc import Iterator, Sequence
from functools import partial

from palimpsest.config.words import number_of
from palimpsest.papers.tables import Condition, Row, StudyTable
from palimpsest.results.measured import with_released
from palimpsest.study.polls import MEASURES, SHARE, WINS, Poll, counted
from palimpsest.study.tally import FEW, RESAMPLES, Tally
from palimpsest.tables.columns import FilledColumn, fill
from palimpsest.tables.context import Context, stand_in
from palimpsest.tables.model import Cell, Head, Table

KAPPA = (
    "Fleiss' kappa: 1 where raters always agree, 0 where they agree no more often than by chance; pictures may have "
    "unequal numbers of raters."
)
INTERVAL = (
    f"95 % of the shares of {RESAMPLES} sets of raters drawn with replacement lie in it (percentile bootstrap, fixed "
    f"seed). With fewer than {FEW} raters it is Wilson's, which takes every vote for independent."
)


def study_table(context: Context) -> Iterator[Table]:
    """A paper's table of votes, and ours."""
    layout, poll = context.layout, context.poll
    columns = list(_columns(context))
    stands_in = " (a stand-in)" if not all(map(poll.same, layout.data)) else ""
    yield Table(
        key=context.name,
        caption=f"{context.title}, held on {poll.datasets}{stands_in}: {layout.title}",
        heads=[column.head for column in columns],
        rows=fill(columns, with_released(layout.rows, layout.data, context.measured)),
        notes=[*context.smoke, *_notes(poll)],
    )


def _columns(context: Context) -> Iterator[FilledColumn]:
    """Of each measure published, then ours, in the paper's order of data."""
    layout: StudyTable = context.layout
    poll = context.poll
    for name in layout.published:
        metric = MEASURES[name]
        for condition in {condition.dataset: condition for condition in layout.data}.values():
            published = partial(_published, context, condition.dataset, name)
            yield FilledColumn(Head(metric.head, f"published on {condition.label}"), published, metric)
        for condition in poll.study.conditions:
            head = Head(metric.head, f"ours on {poll.measured.pictures(condition.slot).dataset}")
            yield FilledColumn(head, partial(_ours, poll, poll.tally(condition), [condition], name), metric)


def votes_table(context: Context) -> Table:
    """Published votes and ours, all pictures together, of a table of other things."""
    poll, votes = context.poll, context.layout.votes
    published = partial(_published, context, votes.dataset, votes.metric)
    ours = partial(_ours, poll, poll.whole, poll.study.conditions, "votes")
    columns = [
        FilledColumn(Head(votes.label, "published"), published),
        FilledColumn(Head(votes.label, f"ours on {poll.datasets}"), ours),
    ]
    return Table(
        key=f"{context.name}-votes",
        caption=f"{context.title}, held on {poll.datasets}: {votes.study.title}",
        heads=[column.head for column in columns],
        rows=fill(columns, with_released(votes.study.rows, votes.study.data, context.measured)),
        notes=[*context.smoke, *_notes(poll)],
    )


def _published(context: Context, dataset: str, metric: str, row: Row) -> Cell:
    return context.published(row.method, metric, (dataset, "", ""))


def _ours(poll: Poll, found: Tally | None, conditions: Sequence[Condition], what: str, row: Row) -> Cell:
    """A method's votes, share of the vote or winning samples under some conditions."""
    runs = {row.run_on(condition): None for condition in conditions}
    if not (present := [run for run in runs if run in poll.measured.results]):
        about = ", ".join(f"run {run}: {poll.measured.why_absent(run)}" for run in runs if run)
        return Cell("not yet run", "missing", about=about)
    if found is None or row.label not in found.shares:
        why = poll.why if found is None else f"{row.label} is not in the study as it is built"
        return Cell("no votes", "missing", about=why)
    votes, share, low, high = found.shares[row.label]
    about = (
        f"run {' and '.join(present)}: {votes} of {number_of(found.votes, 'vote')}, "
        f"{number_of(found.raters, 'rater')}, {number_of(found.pictures, 'picture')}"
    )
    bounds = f"[{SHARE.printed(100 * low)}, {SHARE.printed(100 * high)}]"
    text, number, interval = {
        "votes": (str(votes), votes, f"{bounds} % n = {found.votes}"),
        "vote_share_percent": (SHARE.printed(100 * share), 100 * share, f"{bounds} n = {found.votes}"),
        "winning_samples": (str(found.wins[row.label]), found.wins[row.label], ""),
    }[what]
    about += f", {found.ties} without a winner" if what == "winning_samples" else ""
    return Cell(text, "measured", number, about=about, interval=interval, provenance="studies")


def _notes(poll: Poll) -> Iterator[tuple[str, str]]:
    """The notes of a table of votes alone."""
    for condition in poll.study.conditions:
        pictures = poll.measured.pictures(condition.slot)
        yield "Data", f"{pictures}; {condition.hole} holes; profile {poll.measured.profile}."
    for condition in poll.study.data:
        if not poll.same(condition):
            yield "Stand-in", stand_in(poll.datasets, condition)
    yield "Protocol", " ".join(poll.study.protocol)
    yield from vote_notes(poll)


def vote_notes(poll: Poll) -> Iterator[tuple[str, str]]:
    """What our votes rest on."""
    paper = f"the paper had {poll.study.raters} raters and {poll.study.pictures} pictures of each kind"
    if poll.whole is None:
        yield "Votes", f"no votes: {poll.why}; {paper}."
        return
    for condition in poll.study.conditions if len(poll.study.conditions) > 1 else []:
        if found := poll.tally(condition):
            yield "Votes", counted(f"{poll.measured.pictures(condition.slot).dataset}, {condition.hole} holes", found)
    shown = dict.fromkeys(label for condition in poll.study.conditions for label in poll.methods(condition).values())
    yield "Votes", f"{counted('in all', poll.whole)} Shown: {', '.join(shown)}; {paper}."
    if poll.others:
        yield "Votes", f"{poll.others} more, on the study as it was built before, do not count."
    for metric in (SHARE, WINS):
        yield metric.label.capitalize(), metric.definition
    yield "Agreement", KAPPA
    yield "Interval of votes", INTERVAL
