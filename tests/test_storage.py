import subprocess
import sys

import pytest

from palimpsest.storage import replacing, write_text

FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from palimpsest.config import stage
from palimpsest.storage import write_text
stage(lambda: write_text(sys.argv[1], "x" * 100_000))
"""


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


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path):
    target = tmp_path / "file.txt"
    write_text(target, "one")
    run = subprocess.run([sys.executable, "-c", FULL_DISK, target], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: no room to write {target}")
    assert run.stderr.count("\n") == 1
    assert target.read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1
