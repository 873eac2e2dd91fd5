"""`python` as a warm interpreter serves it, against `python` itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from palimpsest.pipeline import interpreter

PROBE = """
import os, sys, json
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ["GREETING"], os.environ["PATH"], __name__, __spec__.name]))
print(sys.path[0])
print("said on standard error", file=sys.stderr)
print(sys.stdin.read())
sys.exit(int(sys.argv[1]))
"""
SLEEP = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""


class Warm:
    """A server, and the environment in which `python` is a fork of it."""

    def __init__(self, folder: Path, programs: Path):
        serve = [sys.executable, interpreter.__file__, str(programs)]
        self.folder, self.server = folder, subprocess.Popen(serve, stdin=subprocess.PIPE)
        self.path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "GREETING": "hello", "PATH": f"{programs}{os.pathsep}{self.path}"}
        until(lambda: os.access(programs / "python", os.X_OK))

    def start(self, *command: str) -> subprocess.Popen:
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL)


def until(condition, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def lives(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def warm(tmp_path, tmp_path_factory) -> Iterator[Warm]:
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "sleeping.py").write_text(SLEEP)
    warm = Warm(tmp_path, tmp_path_factory.mktemp("programs"))
    yield warm
    warm.server.stdin.close()
    assert warm.server.wait(10) is not None


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_sees_and_says_what_it_does_in_a_fresh_interpreter(warm, status):
    def run(environment):
        command = ["python", "-m", "probe", str(status), "two words"]
        return subprocess.run(
            command, cwd=warm.folder, env=environment, input="typed", capture_output=True, text=True, check=False
        )

    fresh, *others = run(warm.environment | {"PATH": warm.path}), run(warm.environment), run(warm.environment)
    assert fresh.returncode == status and "typed" in fresh.stdout and "two words" in fresh.stdout
    for other in others:
        assert (other.returncode, other.stdout, other.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_libraries_are_there_before_a_second_command_needs_them(warm):
    (warm.folder / "loaded.py").write_text("import sys; print('torch' in sys.modules)")

    def torch_is_loaded():
        command = ["python", "-m", "loaded"]
        return (
            "True"
            in subprocess.run(command, cwd=warm.folder, env=warm.environment, capture_output=True, text=True).stdout
        )

    assert not torch_is_loaded()
    until(torch_is_loaded, 60)


def test_another_form_of_command_gets_an_interpreter_of_its_own(warm):
    command = ["python", "-c", "import os, sys; print(os.getppid()); sys.exit(5)"]
    run = subprocess.run(command, env=warm.environment, capture_output=True, text=True, check=False)
    assert run.returncode == 5 and int(run.stdout) == os.getpid()


def test_a_command_without_a_server_gets_an_interpreter_of_its_own(warm):
    warm.server.kill()
    warm.server.wait()
    command = ["python", "-m", "probe", "0"]
    run = subprocess.run(
        command, cwd=warm.folder, env=warm.environment, input="", capture_output=True, text=True, check=False
    )
    assert run.returncode == 0 and "hello" in run.stdout


@pytest.mark.parametrize("variable", ["PYTHONPATH", "OMP_NUM_THREADS"])
def test_a_command_with_variables_that_a_fork_would_not_read_gets_an_interpreter_of_its_own(warm, variable):
    (warm.folder / "lib").mkdir()
    (warm.folder / "lib" / "apart.py").write_text("import os; print(os.getppid())")
    environment = warm.environment | {"PYTHONPATH": "lib", variable: "lib" if variable == "PYTHONPATH" else "7"}
    command = ["python", "-m", "apart"]
    run = subprocess.run(command, cwd=warm.folder, env=environment, capture_output=True, text=True, check=True)
    assert int(run.stdout) == os.getpid()


def test_two_commands_in_a_pipe_do_not_wait_for_each_other(warm):
    (warm.folder / "much.py").write_text("print('x' * 1_000_000)")
    (warm.folder / "length.py").write_text("import sys; print(len(sys.stdin.read()))")
    command = "python -m much | python -m length"
    run = subprocess.run(
        command, shell=True, cwd=warm.folder, env=warm.environment, capture_output=True, text=True, timeout=30
    )
    assert run.stdout == "1000001\n"


CLEAN = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.3)
    pathlib.Path("left").write_text("what to go on from")
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
pathlib.Path("begun").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("dies", ["caller", "worker"])
def test_a_stage_has_time_to_leave_what_it_can_go_on_from(warm, dies):
    (warm.folder / "clean.py").write_text(CLEAN)
    caller = warm.start("python", "-m", "clean")
    until((warm.folder / "begun").exists)
    caller.kill() if dies == "caller" else warm.server.stdin.close()
    until((warm.folder / "left").exists)
    assert caller.wait(10) == {"caller": -9, "worker": 7}[dies]


@pytest.mark.slow
def test_a_stage_that_does_not_end_when_it_is_asked_to_is_ended(warm):
    text = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('begun', 'w'); time.sleep(60)"
    (warm.folder / "deaf.py").write_text(text)
    caller = warm.start("python", "-m", "deaf")
    until((warm.folder / "begun").exists)
    warm.server.stdin.close()
    assert caller.wait(interpreter.GRACE + 10) == 128 + 9


@pytest.mark.parametrize("dies", ["caller", "worker", "server", "stage"])
def test_a_stage_ends_with_its_caller_and_with_its_worker(warm, dies):
    """The worker holds the server's standard input."""
    caller = warm.start("python", "-m", "sleeping")
    pids = warm.folder / "pids"
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    stage, child = map(int, pids.read_text().split())
    match dies:
        case "caller":
            caller.kill()
        case "worker":
            warm.server.stdin.close()
        case "server":
            warm.server.kill()
        case "stage":
            os.kill(stage, signal.SIGTERM)
    until(lambda: not lives(stage))
    assert caller.wait(10) == {"caller": -9, "worker": 128 + 15, "server": 1, "stage": 128 + 15}[dies]
    if dies != "server":
        until(lambda: not lives(child))
    else:
        os.kill(child, signal.SIGKILL)
