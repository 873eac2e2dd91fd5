"""A pipeline that takes seconds: counts that can be killed and go on, what is made of them, and a report."""

import json
import shutil
from pathlib import Path

from project import Project

ROOT = Path(__file__).parents[2]
NAMES = "abcd"
TOY = """
import json, os, sys, time
from pathlib import Path

scratch = Path(os.environ.get("PALIMPSEST_SCRATCH", "scratch"))


def check():
    for name, settings in json.loads(Path("settings.json").read_text()).items():
        write(Path("resolved", name), json.dumps(settings))


def count(name):
    settings = json.loads(Path("resolved", name).read_text())
    progress = scratch / f"{name}.json"
    start, total = json.loads(progress.read_text()) if progress.exists() else (0, 1)
    scratch.mkdir(exist_ok=True)
    (scratch / "project").write_text(os.environ.get("PROJECT_FOLDER", "its own"))
    with (scratch / f"{name}.starts").open("a") as starts:
        print(start, file=starts)
    for step in range(start, settings["steps"]):
        if step == settings.get("fails"):
            sys.exit(f"error: {name} fails at {step}")
        time.sleep(0.05)
        total = total * settings["factor"] % 1_000_003
        write(progress, json.dumps([step + 1, total]))
        print(f"{step + 1}/{settings['steps']}: total {total}", flush=True)
    write(Path("runs", name), str(total))
    progress.unlink(missing_ok=True)


def double(name):
    write(Path("results", name), str(2 * int(Path("runs", name).read_text())))


def report():
    write(Path("report.txt"), "\\n".join(path.read_text() for path in sorted(Path("results").iterdir())))


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
"""
STAGES = """
stages:
  check:
    cmd: python -m toy check
    deps: [settings.json, toy.py]
    outs: [resolved]
  count:
    foreach: [a, b, c, d]
    do:
      cmd: python -m toy count ${item}
      meta: {needs: {gpu: true}}
      deps: ["resolved/${item}"]
      outs: ["runs/${item}"]
  double:
    foreach: [a, b, c, d]
    do:
      cmd: python -m toy double ${item}
      deps: ["runs/${item}"]
      outs: ["results/${item}"]
  report:
    cmd: python -m toy report
    meta: {needs: {alone: true}}
    deps: [results]
    outs: [report.txt]
"""


class Toy(Project):
    """The toy pipeline in a Git and DVC repository, committed; `steps` of each count take 50 ms."""

    def __init__(self, root: Path, steps: int = 20):
        super().__init__(root)
        self.environment |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
        root.mkdir(parents=True)
        (root / "toy.py").write_text(TOY.lstrip())
        (root / "dvc.yaml").write_text(STAGES.lstrip())
        (root / "params.yaml").write_text("profile: tiny\n")
        (root / ".gitignore").write_text("/scratch/\n/resolved/\n/runs/\n/results/\n/report.txt\n__pycache__/\n")
        shutil.copy(ROOT / "runtime.yaml", root)
        shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
        self.set({name: {"steps": steps, "factor": 3 + place} for place, name in enumerate(NAMES)})
        self.call("git", "init", "-q")
        self.commit()

    def set(self, settings: dict) -> None:
        (self.root / "settings.json").write_text(json.dumps(settings))

    def settings(self) -> dict:
        return json.loads((self.root / "settings.json").read_text())

    def parallel(self, *arguments: str, check: bool = True):
        """`repro` of the command line, on two workers if nothing else is said."""
        return self.call(*self.command(*arguments), check=check)

    @staticmethod
    def command(*arguments: str) -> list[str]:
        pool = [] if any(word.startswith("--") for word in arguments) else ["--workers", "2"]
        return ["python", "-m", "palimpsest", "repro", *pool, *arguments]

    def made(self) -> dict[str, bytes]:
        """All that the pipeline has made, and dvc.lock."""
        files = {**self.files("resolved"), **self.files("runs"), **self.files("results")}
        return files | {name: (self.root / name).read_bytes() for name in ("report.txt", "dvc.lock")}

    def starts(self, name: str) -> list[int]:
        """The steps at which a count began."""
        path = self.root / "scratch" / f"{name}.starts"
        return [int(line) for line in path.read_text().split()] if path.exists() else []
