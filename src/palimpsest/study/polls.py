"""The papers' user studies as they are built now, and the votes on them."""

from dataclasses import dataclass
from functools import cached_property, partial

from palimpsest.config.words import number_of
from palimpsest.papers.metrics import Metric
from palimpsest.papers.paper import read_papers
from palimpsest.papers.tables import Condition, Study
from palimpsest.results.measured import Measured, runs_shown
from palimpsest.study.tally import Tally, tally
from palimpsest.study.tally import Vote as Cast
from palimpsest.study.trials import Key, read_key
from palimpsest.study.votes import read_votes, votes_on
from palimpsest.workspace import Workspace

of_votes = partial(Metric, direction="higher", of="set", raw=False)
SHARE = of_votes(label="share of the vote", unit="%", digits=2, definition="The votes for a method among all votes.")
WINS = of_votes(
    label="winning samples",
    unit="",
    digits=0,
    definition="The pictures on which a method has strictly most votes; those on which several have are counted apart.",
)
MEASURES = {"vote_share_percent": SHARE, "winning_samples": WINS}


@dataclass(frozen=True)
class Poll:
    """A study as it is built now, and its votes."""

    name: str
    study: Study
    measured: Measured
    key: Key | None  # none where it is not built
    cast: dict[tuple[str, str], list[Cast]]  # by slot and kind of hole
    others: int  # votes on the study as it was built before
    outdated: bool = False  # whether it shows results that have been remade since

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
        return self.tally(*self.study.conditions)

    @property
    def datasets(self) -> str:
        return " and ".join(dict.fromkeys(self.measured.pictures(c.slot).dataset for c in self.study.conditions))

    def same(self, condition: Condition) -> bool:
        """Whether our votes are on the paper's data."""
        return condition.own in {self.measured.pictures(c.slot).dataset for c in self.study.conditions}

    @property
    def why(self) -> str:
        """Why there are no votes."""
        if self.outdated:
            return "results have been remade since the study was built; `dvc repro study` builds it anew"
        if self.key is None:
            return f"the study is not built: {Workspace().reports.study / self.name}.html says why"
        if self.others:
            return f"all votes ({self.others}) were given on other pictures or results, before the study was built anew"
        return f"nobody has voted yet on {Workspace().reports.study / self.name}.html"


def read_polls(measured: Measured) -> dict[str, Poll]:
    """{paper-table: poll} of every study of every paper."""
    papers = read_papers()
    studies = {f"{name}-{number}": study for name, paper in papers.items() for number, study in paper.studies.items()}
    return {name: read_poll(measured, name, study) for name, study in studies.items()}


def read_poll(measured: Measured, name: str, study: Study) -> Poll:
    """A study, its key and its votes; InputError where the votes cannot be read."""
    key, rows = read_key(measured.root, name), read_votes(measured.root, name)
    made = {run: result.settings for run, result in measured.results.items()}
    if key and not key.methods.items() <= made.items():
        return Poll(name, study, measured, None, {}, len(rows), outdated=True)
    others = sum(row.identity != key.identity for row in rows) if key else len(rows)
    return Poll(name, study, measured, key, votes_on(key, rows) if key else {}, others)


def counted(on: str, found: Tally) -> str:
    """A tally in one sentence; `on` says of what."""
    cast = f"{number_of(found.votes, 'vote')} of {number_of(found.raters, 'rater')}"
    ties = f"{found.ties} of them without a winner"
    return f"{on}: {cast} on {number_of(found.pictures, 'picture')}, {ties}; kappa {found.agreement}."


def to_text(poll: Poll) -> str:
    """A tally for a terminal."""
    conditions = poll.study.conditions if len(poll.study.conditions) > 1 else []
    tallies = [(f"{c.slot}, {c.hole} holes", poll.tally(c)) for c in conditions]
    lines = []
    for on, found in [*tallies, ("in all", poll.whole)]:
        if found is None:
            lines.append(f"{poll.name}, {on}: no votes, {poll.why}")
            continue
        lines.append(f"{poll.name}, {counted(on, found)}")
        for label, (votes, share, low, high) in found.shares.items():
            shares = [SHARE.printed(100 * each) for each in (share, low, high)]
            numbers = "{:>11} {:>6} % [{:>6}, {:>6}]".format(number_of(votes, "vote"), *shares)
            lines.append(f"  {label:<30}{numbers} {number_of(found.wins[label], 'win'):>9}")
    return "\n".join(lines)
