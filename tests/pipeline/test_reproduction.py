"""`python -m palimpsest repro` against `dvc repro`, undisturbed and killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from palimpsest.commands.reproducing import IN_USE
from pipeline.toy import NAMES, Toy

pytestmark = pytest.mark.slow


@pytest.fixture
def toy(tmp_path) -> Iterator[Toy]:
    toy = Toy(tmp_path / "a toy")
    yield toy
    assert processes(toy) == []


def processes(toy: Toy) -> list[psutil.Process]:
    """Those that work for the toy, found by their folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(toy.root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            pass
    return found


def wait_for(condition, seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def logged(toy: Toy) -> set[str]:
    """The stages that workers took up."""
    return {path.stem for path in (toy.root / "scratch" / "logs").glob("*.log")}


def test_it_makes_the_bytes_and_the_lock_of_dvc_and_then_nothing_is_left_to_do(toy, expected):
    run = toy.parallel()
    assert toy.made() == expected
    assert "10/10 report" in run.stderr and "left" in run.stderr
    assert toy.repro() == set()
    assert toy.parallel().stdout == "nothing has changed\n"
    assert not (toy.root / "scratch" / "dvc.lock").exists()


def test_the_sources_alone_run_without_git(toy, expected):
    shutil.rmtree(toy.root / ".git")
    refused = toy.parallel(check=False)
    assert refused.returncode == 1 and "`dvc config --local core.no_scm true`" in refused.stderr
    toy.call("dvc", "config", "--local", "core.no_scm", "true")
    refused = toy.parallel("--scheduler", "tcp://127.0.0.1:1", check=False)
    assert refused.returncode == 1 and "asked for a commit of Git that workers can clone, found none" in refused.stderr
    toy.parallel()
    assert toy.made() == expected


def test_only_what_changed_runs_again_and_the_lock_keeps_its_order(toy):
    toy.parallel("double@a", "count@c")
    assert logged(toy) == {"check", "count@a", "double@a", "count@c"}
    toy.call("dvc", "repro", "-q")
    before = toy.made()
    (toy.root / "scratch" / "logs").rename(toy.root / "scratch" / "first")
    settings = toy.settings()
    toy.set({**settings, "b": {"steps": 5, "factor": 7}})
    plan = [line.split(maxsplit=3) for line in toy.parallel("--plan").stdout.splitlines()]
    why = {name: words[-1] for name, *words in filter(None, plan) if name in ("count@b", "double@b", "report")}
    assert why == {
        "count@b": "steps 20 → 5; factor 4 → 7",
        "double@b": "after count@b",
        "report": "after double@b",
    }
    toy.parallel()
    assert logged(toy) == {"count@b", "double@b", "report"}
    toy.set(settings)
    run = toy.parallel()
    assert toy.made() == before
    assert "count@b: as in the cache" in run.stderr


def test_a_plan_beside_dvc_names_the_process_in_one_line_and_otherwise_says_what_it_does(tmp_path):
    toy = Toy(tmp_path / "toy", steps=300)
    toy.call("dvc", "repro", "check")
    other = toy.start("dvc", "repro", "count@a")
    wait_for(lambda: gone(toy.root / "scratch" / "a.json") >= 1)
    refused = toy.parallel("--plan", check=False)
    assert refused.returncode == 1 and f"repro count@a` (process {other.pid}) at work" in refused.stderr
    assert refused.stderr.count("error:") == 1 and "rwlock" not in refused.stderr
    settings = toy.settings()
    toy.set({**settings, "b": {"steps": 5, "factor": 7}})  # so that `check` would run first
    assert toy.parallel("--plan", check=False).stderr.splitlines()[-1] == refused.stderr.splitlines()[-1]
    toy.set(settings)
    assert other.wait(60) == 0
    plan = toy.parallel("--plan")
    assert "8 stages would run" in plan.stdout
    assert "comparing 10 stages with what dvc.lock says of them" in plan.stderr


def test_a_plan_is_of_its_targets_and_what_cannot_be_asked_for_is_refused_at_once(toy):
    plan = toy.parallel("--plan", "double@a").stdout
    assert "All stages that lead to double@a, profile tiny, as measured here or on record" in plan
    assert "All stages, " not in plan and "not made here yet, or no longer in the cache; after count@a" in plan
    refused = toy.parallel("double@aa", check=False)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "dvc.yaml: asked for double@aa, found neither such a stage nor such an output; accepted: double@a" in (
        refused.stderr
    )
    refused = toy.parallel("--workers", "-3", check=False)
    assert (refused.returncode, refused.stderr) == (1, "error: --workers: found -3; accepted: 1 or more\n")


def test_a_failed_stage_takes_with_it_what_depends_on_it_and_ends_in_one_line(toy, expected):
    settings = toy.settings()
    toy.set({**settings, "b": {**settings["b"], "fails": 7}})
    run = toy.parallel(check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == "error: count@b: b fails at 7; left out, as it comes after: 2 stages"
    assert "Traceback" not in run.stderr
    assert set(toy.files("results")) == {"results/a", "results/c", "results/d"}
    toy.set(settings)
    toy.parallel()
    assert toy.made() == expected
    assert toy.starts("b") == [0, 7] and toy.starts("a") == [0]


def begun(toy: Toy, *arguments: str) -> subprocess.Popen:
    """The command, once a count has gone three steps."""
    started = toy.start(*toy.command(*arguments))
    progress = [toy.root / "scratch" / f"{name}.json" for name in NAMES]
    wait_for(lambda: any(gone(path) >= 3 for path in progress))
    return started


def gone(progress: Path) -> int:
    try:
        return json.loads(progress.read_text())[0]
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_ends_in_seconds_and_goes_on_from_there(tmp_path, expected, number):
    toy = Toy(tmp_path / "toy")
    started = begun(toy)
    asked = time.monotonic()
    os.killpg(started.pid, number) if number == signal.SIGINT else started.send_signal(number)
    output, _ = started.communicate(timeout=20)
    assert time.monotonic() - asked < 10
    assert started.returncode == 128 + number
    assert output.splitlines()[-1].startswith("stopped; what was made is kept") and "Traceback" not in output
    wait_for(lambda: processes(toy) == [], 5)
    left = {name: gone(toy.root / "scratch" / f"{name}.json") for name in NAMES}
    toy.parallel()
    assert toy.made() == expected
    assert all(toy.starts(name)[1] == steps for name, steps in left.items() if steps)


def test_stopped_while_its_workers_start_it_ends_in_one_line(toy):
    started = toy.start(*toy.command())
    wait_for(lambda: any("multiprocessing.spawn" in " ".join(each.cmdline()) for each in processes(toy)))
    os.killpg(started.pid, signal.SIGINT)
    output, _ = started.communicate(timeout=20)
    assert started.returncode == 130
    assert output.splitlines()[-1].startswith("stopped; ") and "Traceback" not in output and "Exception" not in output


def test_two_commands_in_one_folder_do_not_disturb_each_other(toy, expected):
    started = begun(toy)
    run = toy.parallel(check=False)
    assert run.returncode == 1
    assert run.stderr == f"error: {IN_USE}\n"
    output, _ = started.communicate(timeout=60)
    assert started.returncode == 0, output
    assert toy.made() == expected


def test_queued_experiments_run_side_by_side(toy):
    """As DVC's own queue does: each in a copy of the project."""
    toy.parallel()
    for steps in (3, 5):
        toy.call("dvc", "exp", "run", "--queue", "--name", f"steps-{steps}", "-S", f"settings.json:a.steps={steps}")
    toy.call("dvc", "queue", "start", "-j", "2")
    wait_for(lambda: toy.call("dvc", "queue", "status").stdout.count("Success") == 2, 60)
    assert len(toy.call("dvc", "exp", "list", "--name-only").stdout.split()) == 2
    wait_for(lambda: processes(toy) == [])


def worker(command: int) -> psutil.Process:
    """The one that runs a stage, and so has most processes below it."""
    children = psutil.Process(command).children(recursive=True)
    workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
    return max(workers, key=lambda each: len(each.children(recursive=True)))


def test_a_stage_goes_on_elsewhere_when_its_worker_is_killed(toy, expected):
    started = begun(toy)
    worker(started.pid).kill()
    (toy.root / ".dvc" / "tmp" / "rwlock").write_text("")  # as a kill can leave it, while other workers go on
    output, _ = started.communicate(timeout=60)
    assert started.returncode == 0, output
    assert toy.made() == expected
    assert any(len(toy.starts(name)) == 2 and toy.starts(name)[1] >= 3 for name in NAMES)


def test_a_killed_command_leaves_no_process_and_the_next_mends_what_was_half_written(toy, expected):
    started = begun(toy)
    started.kill()
    started.communicate()
    wait_for(lambda: processes(toy) == [], 10)
    (toy.root / ".dvc" / "tmp" / "rwlock").write_text("")
    (toy.root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  check:\n    cmd: pyt")
    toy.parallel()
    assert toy.made() == expected


def test_random_kills_end_in_the_same_bytes(tmp_path, expected):
    """Of the command, of workers, of the processes that serve them and of stages' own."""
    toy, chance = Toy(tmp_path / "toy"), random.Random(1)
    killed, kills = 0, int(os.environ.get("KILLS", 4))
    while killed < kills:
        started = toy.start(*toy.command())
        time.sleep(chance.uniform(1.5, 4.0))
        while started.poll() is None and killed < kills:
            victims = [started.pid, *(process.pid for process in processes(toy))]
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
            time.sleep(chance.uniform(0.3, 1.5))
        started.kill()
        started.communicate()
        wait_for(lambda: processes(toy) == [], 10)
        if (toy.root / "report.txt").exists():
            (toy.root / "report.txt").unlink()
    toy.parallel()
    assert toy.made() == expected
