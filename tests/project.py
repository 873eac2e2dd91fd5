"""A project in a folder of its own, as its users run it: real `git`, real `dvc`, the command line in real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML


class Project:
    """A clone with its own settings; `repro` returns the stages that ran."""

    def __init__(self, root: Path):
        self.root = root
        names = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "PALIMPSEST_DEVICE": "cpu",
            **dict.fromkeys(names, "test@example.org"),
        }

    def call(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        run = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    def start(self, *command: str) -> subprocess.Popen:
        """A command in a process group of its own, whose output can be read while it runs."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def repro(self, *arguments: str) -> set[str]:
        return ran(self.call("dvc", "repro", *arguments).stdout)

    def settings(self) -> dict:
        return YAML(typ="safe").load((self.root / "params.yaml").read_text())

    def write(self, settings: dict) -> None:
        YAML().dump(settings, self.root / "params.yaml")

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def commit(self) -> None:
        self.call("git", "add", "-A")
        self.call("git", "commit", "-qm", "as it is", "--allow-empty")

    def outputs(self) -> dict[str, str]:
        """{path: hash} of every output in dvc.lock."""
        lock = YAML(typ="safe").load((self.root / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}

    def files(self, folder: str) -> dict[str, bytes]:
        """{path: content} of all files in a folder."""
        found = (path for path in sorted((self.root / folder).rglob("*")) if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def psnr(self, run: str = "constant-fill") -> float:
        metrics = json.loads((self.root / "results" / run / "metrics.json").read_text())
        return metrics["holes"]["rectangle"]["psnr"]


def ran(output: str) -> set[str]:
    """The stages that `dvc repro` says it runs."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
