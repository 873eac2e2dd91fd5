import subprocess

from palimpsest.page.commit import commit


def test_commit_is_the_last_that_touched_code(tmp_path):
    assert commit(tmp_path) == "unknown"

    def git(*words):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        return subprocess.run(
            ["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "params.yaml").write_text("a: 1\n")
    git("add", "-A")
    git("commit", "-qm", "code")
    first = git("log", "-1", "--format=%h")
    (tmp_path / "README.md").write_text("words\n")
    git("add", "-A")
    git("commit", "-qm", "words")
    assert commit(tmp_path) == first
    (tmp_path / "params.yaml").write_text("a: 2\n")
    assert commit(tmp_path) == f"{first} + uncommitted changes"
