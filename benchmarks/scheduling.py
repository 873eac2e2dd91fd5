"""What it costs to schedule a stage: 200 stages of `sleep 0.1` on 8 workers, against `dvc repro`.

python benchmarks/scheduling.py [STAGES] [WORKERS]
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

STAGE = """
stages:
  sleep:
    foreach: {names}
    do:
      cmd: sleep 0.1 && mkdir -p made && echo ${{item}} > made/${{item}}
      deps: [start]
      outs: ["made/${{item}}"]
"""
ROOT = Path(__file__).parents[1]


def main(stages: int = 200, workers: int = 8) -> None:
    side_by_side = [sys.executable, "-m", "palimpsest", "repro", "--workers", str(workers)]
    for command, ideal in ((side_by_side, stages * 0.1 / workers), (["dvc", "repro", "-q"], stages * 0.1)):
        with TemporaryDirectory() as folder:
            project = Path(folder)
            (project / "dvc.yaml").write_text(STAGE.format(names=[f"s{number}" for number in range(stages)]))
            (project / "start").write_text("")
            (project / "params.yaml").write_text("profile: tiny\n")
            (project / "runtime.yaml").write_text((ROOT / "runtime.yaml").read_text())
            (project / ".gitignore").write_text("/made/\n/scratch/\n")
            for setup in (["git", "init", "-q"], ["dvc", "init", "-q"]):
                subprocess.run(setup, cwd=project, check=True)
            start = time.perf_counter()
            subprocess.run(command, cwd=project, check=True, capture_output=True)
            took = time.perf_counter() - start
            beyond = (took - ideal) / stages * 1000
            print(f"{' '.join(command[-4:])}: {took:.1f} s, {beyond:.0f} ms a stage beyond sleeping")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
