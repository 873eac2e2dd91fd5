"""A warm interpreter: `python -m MODULE …`, forked from a process that has imported torch instead of started anew.

    python interpreter.py FOLDER

puts a program named `python` into FOLDER and serves it. A shell with FOLDER first in PATH, such as those in which DVC
runs a worker's stages, then runs the same command in the same environment, with the same output and exit status, and
saves the seconds that libraries take to import. No source of the project is imported ahead. A command of another form
gets an interpreter of its own; so does one with other variables for Python or its libraries, one beside another, and
every command once this process is gone.

A command ends, with its process group, when its caller does or when standard input closes: so a stage ends with the
worker that runs it. It is asked first, by SIGTERM, and has some seconds to leave what it can go on from.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

LIBRARIES = ["numpy", "pydantic", "ruamel.yaml", "PIL.Image", "torch", "torch._dynamo"]
LIBRARIES += ["lightning_fabric", "cv2", "scipy.ndimage"]
GRACE = 10.0  # s for a command to end when it is asked to, as a training does with a resume point
PAUSE = 0.02  # s between two looks whether it has
LENGTH = 8  # bytes before a request that say how long it is
LIFE = 0  # standard input: closes when the process that started this one is gone

DECISIVE = ("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "MALLOC_", "LD_")  # variables that are read when a process starts

PROGRAM = """#!/bin/sh
exec {python} -IS {client} "$@"
"""
CLIENT = f"""import json, os, socket, sys

arguments, accepted = sys.argv[1:], b""
decisive = {{{{name: value for name, value in os.environ.items() if name.startswith({DECISIVE})}}}}
server = socket.socket(socket.AF_UNIX)
if arguments[:1] == ["-m"] and decisive == {{decisive}}:
    try:
        server.connect({{address!r}})
        accepted = server.recv(1)
    except OSError:
        pass
if not accepted:
    os.execv({{python!r}}, [{{python!r}}, *arguments])
request = json.dumps([arguments[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(request).to_bytes({LENGTH}, "big")], [0, 1, 2])
server.sendall(request)
ended = server.recv(1)
sys.exit(ended[0] if ended else "error: the interpreter of this worker has died")
"""


@dataclass(frozen=True)
class Command:
    """`python -m MODULE …` as its caller gave it."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    streams: list[int]  # standard input, output and error

    @classmethod
    def receive(cls, caller: socket.socket) -> "Command":
        length, streams, _, _ = socket.recv_fds(caller, LENGTH, 3)
        with caller.makefile("rb") as request:
            (module, *arguments), environment, folder = json.loads(request.read(int.from_bytes(length)))
        return cls(module, arguments, environment, folder, streams)

    def run(self, programs: str) -> None:
        """In a process of its own: what `python -m MODULE …` does."""
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        os.environ["PATH"] = self.environment["PATH"].replace(f"{programs}{os.pathsep}", "")  # it serves no other yet
        sys.path[0] = self.folder
        sys.argv = ["-m", *self.arguments]
        try:
            runpy.run_module(self.module, run_name="__main__", alter_sys=True)
        except SystemExit as error:
            leave(error.code)
        except BaseException:
            traceback.print_exc()
            leave(1)
        leave(None)


class Server:
    """Forks once for each command, and imports libraries while it waits for something to happen."""

    def __init__(self, folder: Path):
        self.process = os.getpid()
        self.awake, self.alarm = socket.socketpair()  # readable when a child ends
        self.listener = socket.socket(socket.AF_UNIX)
        self.missing: list[str] = []  # libraries to import
        address, client, program = folder / "socket", folder / "client.py", folder / "python"
        self.listener.bind(str(address))
        self.listener.listen()
        decisive = {name: value for name, value in os.environ.items() if name.startswith(DECISIVE)}
        client.write_text(CLIENT.format(python=sys.executable, address=str(address), decisive=decisive))
        program.write_text(PROGRAM.format(python=shlex.quote(sys.executable), client=shlex.quote(str(client))))
        program.chmod(0o755)

    def next(self) -> Command:
        """Serves commands one after another; returns in the process that is to run one."""
        self.alarm.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.alarm.fileno(), warn_on_full_buffer=False)
        first = True
        while True:
            if LIFE in self.wait(LIFE, self.listener):
                sys.exit()
            caller, _ = self.listener.accept()
            try:
                caller.sendall(b"y")
                command = Command.receive(caller)
            except (OSError, ValueError):  # it has gone
                caller.close()
                continue
            gc.freeze()  # no collection in a fork touches, and so copies, what is there
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # numpy's threads allow a fork
                child = os.fork()
            if not child:
                self.leave(caller)
                return command
            for stream in command.streams:
                os.close(stream)
            if first:
                self.missing, first = list(LIBRARIES), False
            self.watch(child, caller)

    def wait(self, *sources: int | socket.socket) -> list[int | socket.socket]:
        """Those that can be read, once there are any."""
        while True:
            ready, _, _ = select.select(sources, [], [], 0 if self.missing else None)
            if ready:
                return ready
            with suppress(ImportError):
                importlib.import_module(self.missing.pop(0))

    def watch(self, child: int, caller: socket.socket) -> None:
        """Waits for a command to end, or ends it, and tells its caller how it ended."""
        while not has_ended(child):
            ready = self.wait(LIFE, caller, self.awake, self.listener)
            if LIFE in ready or caller in ready:
                self.ask_to_end(child)
                break
            if self.awake in ready:
                self.awake.recv(1)
            if self.listener in ready:  # another command, which is not accepted beside this one
                self.listener.accept()[0].close()
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # all that it has started
        _, status = os.waitpid(child, 0)
        with suppress(OSError), caller:
            code = os.waitstatus_to_exitcode(status)
            caller.sendall(bytes([code if code >= 0 else 128 - code]))

    def ask_to_end(self, child: int) -> None:
        """Sends SIGTERM to a command and all that it has started, and waits for its end, but not for long."""
        until = time.monotonic() + GRACE
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGTERM)
        while not has_ended(child) and time.monotonic() < until:
            time.sleep(PAUSE)

    def leave(self, caller: socket.socket) -> None:
        """Makes a fork of this process one that no longer serves, and that dies with the one that does."""
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != self.process:
            sys.exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self.listener, self.awake, self.alarm, caller):
            each.close()


def has_ended(child: int) -> bool:
    return bool(os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT))


def leave(code: object) -> NoReturn:
    """Ends a command as `sys.exit(code)` does, but leaves the memory that it shares with the server as it is."""
    if not (code is None or isinstance(code, int)):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    folder = sys.argv[1]
    Server(Path(folder)).next().run(folder)
