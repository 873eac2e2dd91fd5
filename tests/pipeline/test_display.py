"""What is shown of a reproduction, on a terminal and elsewhere."""

import io
import time

from rich.console import Console

from palimpsest.pipeline import display
from palimpsest.pipeline.display import Display
from palimpsest.pipeline.worker import Outcome


def shown(terminal: bool) -> Display:
    made = Display(3, lambda: 80.0)
    made.console = Console(file=io.StringIO(), force_terminal=terminal, width=70)
    return made


def test_a_terminal_has_a_line_for_each_running_stage_and_one_for_all():
    screen = shown(terminal=True)
    screen.start("train@crfill")
    screen.start("evaluate@tmad")
    screen.line("train@crfill", "45/100: l1 0.031; 2.1 it/s, 26 s left")
    screen.line("train@gone", "a word that comes after its end")
    with screen.console.capture() as drawn:
        screen.console.print(screen.drawn())
    first, second, last = drawn.get().splitlines()
    assert "train@crfill" in first and "45/100: l1 0.031; 2.1 it/s, 26 s left" in first
    assert second.split()[:3] == ["evaluate@tmad", "0", "s"]
    assert "0/3 stages" in last and "about 1 min 20 s left" in last
    assert screen.console.file.getvalue() == ""


def test_elsewhere_a_line_is_printed_when_a_stage_ends_and_now_and_then_while_it_goes_on(monkeypatch):
    lines = shown(terminal=False)
    lines.start("train@a")
    lines.line("train@a", "1/9: soon")
    monkeypatch.setattr(display, "BETWEEN", 0.01)
    time.sleep(0.02)
    lines.line("train@a", "2/9: later")
    lines.end(Outcome("train@a", 12.3, ran=True))
    lines.start("train@b")
    lines.end(Outcome("train@b", 0.9, ran=False))
    lines.end(Outcome("train@c", 3.0, ran=True, error="the loss l1 is nan"))
    assert lines.console.file.getvalue().splitlines() == [
        "train@a: 2/9: later",
        "1/3 train@a: 12 s; about 1 min 20 s left",
        "2/3 train@b: as in the cache; about 1 min 20 s left",
        "3/3 train@c: error: the loss l1 is nan",
    ]
