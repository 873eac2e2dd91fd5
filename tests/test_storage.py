import subprocess
import sys
from pathlib import Path

import pytest

from palimpsest.storage import replacing, write_text

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import torch
from palimpsest.config import runs
from palimpsest.config.entry import in_one_line
from palimpsest.config.yaml import read_yaml
from palimpsest.data import shards
from palimpsest.models import create
from palimpsest.storage import write_text
from palimpsest.training import checkpoints, resume

target = Path(sys.argv[2])
run = runs.resolve(read_yaml(sys.argv[3]), "deepfill-v1")
model = create(run, 64)
write = {
    "text": lambda: write_text(target, "x" * 100_000),
    "shard.npy": lambda: shards.write_index(target, [("a", "b", 8, 8, 0, "0" * 64)] * 100),
    "weights.safetensors": lambda: checkpoints.save(target, model, checkpoints.Origin(run, "bundled-photos", 64, "")),
    "state.pt": lambda: resume.ResumePoint(target.parent, model).save(resume.Progress()),
}[target.name]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
in_one_line(write)
"""
ROOT = Path(__file__).parents[1]


def test_a_file_is_replaced_whole(tmp_path):
    write_text(tmp_path / "new" / "file.txt", "one")
    write_text(tmp_path / "new" / "file.txt", "two")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.txt"]
    assert (tmp_path / "new" / "file.txt").read_text() == "two"


def test_a_failure_keeps_what_was_there(tmp_path):
    write_text(tmp_path / "file.txt", "one")
    with pytest.raises(KeyError), replacing(tmp_path / "file.txt") as temporary:
        temporary.write_text("half of")
        raise KeyError
    assert (tmp_path / "file.txt").read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["text", "shard.npy", "weights.safetensors", "state.pt"])
def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path, name):
    target = tmp_path / name
    write_text(target, "one")
    command = [sys.executable, "-c", FULL_DISK, name, target, ROOT / "params.yaml"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: no room to write {target}")
    assert run.stderr.count("\n") == 1
    assert target.read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1
