"""What runs next, and how long all of it takes."""

import numpy as np
import pytest

from palimpsest.pipeline.agenda import Agenda, critical_path, forecast, urgency
from palimpsest.pipeline.graph import Needs, Stage, followers


def pipeline(alone: str = "", **after: str) -> dict[str, Stage]:
    """`c="ab"` is a stage that depends on a and b."""
    return {name: Stage(name, frozenset(before), Needs(alone=name in alone)) for name, before in after.items()}


DIAMOND = pipeline(a="", b="a", c="a", d="bc")
SECONDS = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 3.0}


def test_followers_are_all_that_depend_on_a_stage():
    assert followers(DIAMOND, {"b"}) == {"b", "d"}
    assert followers(DIAMOND, {"a"}) == set("abcd")
    assert followers(DIAMOND, set()) == set()


def test_urgency_is_the_longest_way_to_the_end():
    assert urgency(DIAMOND, SECONDS) == {"a": 9, "b": 8, "c": 5, "d": 3}
    assert critical_path(DIAMOND, SECONDS) == ["a", "b", "d"]


def test_an_agenda_gives_out_what_is_ready_and_the_most_urgent_first():
    agenda = Agenda(DIAMOND, DIAMOND, SECONDS)
    assert agenda.ready() == ["a"]
    agenda.start("a")
    assert agenda.ready() == []
    agenda.end("a")
    assert agenda.ready() == ["b", "c"]
    agenda.start("b")
    agenda.skip("c")
    agenda.end("b")
    assert agenda.ready() == ["d"]


def test_what_depends_on_a_failed_stage_is_lost_and_the_rest_goes_on():
    agenda = Agenda(DIAMOND, DIAMOND, SECONDS)
    agenda.skip("a")
    agenda.start("b")
    agenda.fail("b")
    assert agenda.ready() == ["c"] and agenda.lost == {"b", "d"}
    agenda.start("c")
    agenda.end("c")
    assert agenda.ready() == [] and not agenda.waiting


def test_a_stage_that_runs_alone_waits_for_all_others():
    stages = pipeline(alone="b", a="", b="a", c="a", d="c")
    agenda = Agenda(stages, stages, dict.fromkeys(stages, 1.0) | {"b": 100.0})
    agenda.start("a")
    agenda.end("a")
    assert agenda.ready() == ["c"]
    agenda.start("c")
    assert agenda.ready() == []
    agenda.end("c")
    assert agenda.ready() == ["d"]
    agenda.skip("d")
    agenda.start("b")
    assert agenda.ready() == []


def test_a_forecast_in_closed_form():
    assert forecast(DIAMOND, DIAMOND, SECONDS, 1).seconds == 11
    assert forecast(DIAMOND, DIAMOND, SECONDS, 2).seconds == 9
    assert forecast(DIAMOND, ["d"], SECONDS, 2).seconds == 3
    assert forecast(DIAMOND, [], SECONDS, 2).seconds == 0
    assert forecast(DIAMOND, DIAMOND, SECONDS, 2).busy == pytest.approx(11 / 18)


@pytest.mark.parametrize("seed", range(20))
def test_a_forecast_keeps_the_bounds_of_list_scheduling(seed):
    """Graham 1966: between the critical path or the even share of the work and their sum."""
    random = np.random.default_rng(seed)
    names = [f"stage{number}" for number in range(30)]
    before = [random.choice(names[:number], min(number, 2), replace=False) for number in range(30)]
    stages = {name: Stage(name, frozenset(map(str, some)), Needs()) for name, some in zip(names, before, strict=True)}
    seconds = dict(zip(names, random.uniform(1, 9, 30), strict=True))
    longest = sum(seconds[name] for name in critical_path(stages, seconds))
    for workers in (1, 2, 4, 64):
        share = sum(seconds.values()) / workers
        assert max(longest, share) - 1e-9 <= forecast(stages, stages, seconds, workers).seconds <= longest + share
    assert forecast(stages, stages, seconds, 64).seconds == pytest.approx(longest)
