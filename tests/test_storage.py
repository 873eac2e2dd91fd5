import errno
import subprocess
import sys
from pathlib import Path

import pytest

from palimpsest.storage import replacing, write_text

FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
import torch
from palimpsest.config import runs
from palimpsest.config.entry import in_one_line
from palimpsest.config.yaml import read_yaml
from palimpsest.data import shards
from palimpsest.models import create
from palimpsest.storage import write_text
from palimpsest.training import checkpoints, resume

run = runs.resolve(read_yaml(sys.argv[1]), "deepfill-v1")
model = create(run, 64)
write = {
    "text": lambda target: write_text(target, "x" * 100_000),
    "shard.npy": lambda target: shards.write_index(target, [("a", "b", 8, 8, 0, "0" * 64)] * 100),
    "weights.safetensors": lambda target: checkpoints.save(target, model, checkpoints.Origin(run, "photos", 64, "")),
    "state": lambda target: resume.ResumePoint(target.parent, model).save(resume.Progress()),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for target in map(Path, sys.argv[2:]):
    child = os.fork()
    if not child:
        in_one_line(lambda: write[target.name](target))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
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


def test_a_folder_that_cannot_be_written_is_named_with_the_file_that_was_asked_for(tmp_path, monkeypatch):
    def refused(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OSError, match="Read-only file system") as error:
        write_text(tmp_path / "file.txt", "one")
    assert error.value.filename == str(tmp_path / "file.txt")


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path):
    targets = [tmp_path / name / name for name in ("text", "shard.npy", "weights.safetensors", "state")]
    for target in targets:
        write_text(target, "one")
    command = [sys.executable, "-c", FULL_DISK, ROOT / "params.yaml", *targets]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["1"] * len(targets), run.stderr
    for said, target in zip(run.stderr.splitlines(), targets, strict=True):
        assert said.startswith(f"error: no room to write {target}")
        assert target.read_text() == "one"
        assert list(target.parent.iterdir()) == [target]
