"""Fetching from a real server that misbehaves as real ones do, and from a person's folders."""

import hashlib
import os
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO, StringIO
from itertools import count
from pathlib import Path
from time import sleep

import pytest

from palimpsest.config.yaml import InputError, build
from palimpsest.data import downloading, fetching
from palimpsest.data.downloading import CHUNK, TRIES, NotThereError
from palimpsest.data.fetching import Fetched, Remote, fetch
from server import CONTENT, NAME, Site


def make_tar() -> bytes:
    """One small file in a tar."""
    file, info = BytesIO(), tarfile.TarInfo("a.txt")
    info.size = 5
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(info, BytesIO(b"hello"))
    return file.getvalue()[:2048]


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """The seconds that would have been waited."""
    waited = []
    monkeypatch.setattr(downloading, "sleep", waited.append)
    return waited


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def remote(site: Site | None, hash: str | None = sha256(CONTENT), size: int | None = len(CONTENT)) -> Remote:
    if site is None:
        return Remote(url=None, bytes=size, hash=hash, how="ask its authors")
    return Remote(url=site.url, bytes=size, hash=hash, how=None)


def visible(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir() if not path.name.startswith("."))


def hidden(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir() if path.name.startswith("."))


PART = [f".{NAME}.lock", f".{NAME}.part", f".{NAME}.part.json"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"how": "ask"}, "one of them, the other null"),
        ({"url": None}, "one of them, the other null"),
        ({"hash": "sha256:abc"}, "hash is 'sha256:abc'"),
        ({"hash": "crc32:00000000"}, "hash is 'crc32:00000000'"),
        ({"bytes": 0}, "bytes is 0"),
    ],
)
def test_a_remote_says_where_it_comes_from_and_what_it_is(change, message):
    good = {"url": "http://host/x.tar", "bytes": None, "hash": "md5:" + "0" * 32, "how": None}
    assert build(Remote, good, "").bytes is None
    with pytest.raises(InputError, match=message):
        build(Remote, good | change, "")


@pytest.mark.parametrize("hash", [sha256(CONTENT), f"md5:{hashlib.md5(CONTENT).hexdigest()}"])
def test_a_file_is_downloaded_once_and_checked(tmp_path, site, hash):
    wanted = Fetched(NAME, tmp_path / NAME, len(CONTENT), sha256(CONTENT)[7:], "published")
    assert fetch(NAME, remote(site, hash), tmp_path, None) == wanted
    assert fetch(NAME, remote(site, hash), tmp_path, None) == wanted
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.ranges_asked == [None]
    assert visible(tmp_path) == [NAME]
    assert hidden(tmp_path) == [f".{NAME}.lock"]


def test_a_cut_connection_goes_on_where_it_was_cut(tmp_path, site, waits):
    site.cut = len(CONTENT) // 10
    fetch(NAME, remote(site), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.ranges_asked == [None, *(f"bytes={tries * site.cut}-" for tries in range(1, 11))]
    assert len(site.asked) > TRIES  # as each brought something new
    assert set(waits) == {downloading.FIRST_WAIT}


def test_a_server_without_ranges_is_asked_for_the_whole_again(tmp_path, site):
    site.ranges, site.cut = False, 100_000
    with pytest.raises(
        InputError, match=rf"asked for {NAME}, found a cut connection .* as the last of {TRIES} failures"
    ):
        fetch(NAME, remote(site), tmp_path, None)
    assert len(site.asked) == TRIES
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART)
    site.cut = None
    fetch(NAME, remote(site), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_sends_less_than_the_range_is_asked_for_the_rest(tmp_path, site):
    site.cut, site.most = 100_000, 100_000
    fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked == [None, *(f"bytes={start}-" for start in range(100_000, 600_000, 100_000))]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_without_a_validator_nothing_is_pieced_together(tmp_path, site):
    site.tag, site.cut = 'W/"weak"', 100_000
    with pytest.raises(InputError, match="failures in a row"):
        fetch(NAME, remote(site), tmp_path, None)
    assert set(site.ranges_asked) == {None}


def test_a_date_is_a_validator_where_the_tag_is_weak(tmp_path, site):
    site.tag, site.cut = "Mon, 01 Jan 2024 00:00:00 GMT", 300_000
    site.headers = {"ETag": 'W/"weak"', "Last-Modified": site.tag}
    fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked == [None, "bytes=300000-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_changed_between_tries_begins_anew(tmp_path, site):
    site.cut = 100_000
    site.ranges = False
    with pytest.raises(InputError):
        fetch(NAME, remote(site, None, None), tmp_path, None)
    changed = CONTENT[::-1]
    site.content, site.tag, site.ranges, site.cut = changed, '"second"', True, None
    fetch(NAME, remote(site, None, None), tmp_path, None)
    assert site.ranges_asked[-1] == "bytes=100000-"
    assert (tmp_path / NAME).read_bytes() == changed


@pytest.mark.parametrize("fault", ["shift", "surplus"])
def test_another_range_than_the_one_asked_for_is_not_appended(tmp_path, site, fault):
    setattr(site, fault, 1)
    site.cut = 300_000
    site.first = [(200, {"ETag": site.tag}, CONTENT)]
    with pytest.raises(InputError, match="another range than that from byte 300,000 on"):
        fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked == [None, "bytes=300000-"] * (TRIES // 2)
    assert visible(tmp_path) == []
    site.cut = None
    fetch(NAME, remote(site), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_falls_silent_is_asked_for_the_rest(tmp_path, site, monkeypatch):
    monkeypatch.setattr(downloading, "PATIENCE", 0.2)
    site.stall = 4 * CHUNK
    fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked == [None, f"bytes={4 * CHUNK}-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_whole_part_is_checked_without_another_byte(tmp_path, site, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(fetching, "_measure", lambda *arguments: sys.exit())
        with pytest.raises(SystemExit):
            fetch(NAME, remote(site), tmp_path, None)
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART)
    fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked == [None, f"bytes={len(CONTENT)}-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_continued(tmp_path, site):
    site.cut, site.ranges = 100_000, False
    with pytest.raises(InputError):
        fetch(NAME, remote(site), tmp_path, None)
    site.cut, site.ranges = None, True
    fetch(NAME, remote(site), tmp_path, site.url.replace("127.0.0.1", "localhost").removesuffix(f"/{NAME}"))
    assert site.ranges_asked[-1] is None
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_body_of_unannounced_length(tmp_path, site, size):
    site.chunked = True
    fetch(NAME, remote(site, None, size), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_an_archive_that_the_server_calls_an_encoding_is_not_unpacked(tmp_path, site):
    site.headers = {"Content-Encoding": "gzip"}
    fetch(NAME, remote(site), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "header, waited",
    [
        ({}, [1.0, 2.0]),
        ({"Retry-After": "7"}, [7.0, 7.0]),
        ({"Retry-After": "86400"}, [downloading.LONGEST_WAIT] * 2),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)}, [120.0, 120.0]),
        ({"Retry-After": "soon"}, [1.0, 2.0]),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(tmp_path, site, waits, status, header, waited):
    site.first = [(status, header, b"busy")] * 2
    fetch(NAME, remote(site), tmp_path, None)
    assert waits == waited
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_busy_server_is_given_up_after_some_tries(tmp_path, site, waits):
    site.first = [(503, {}, b"busy")] * 100
    with pytest.raises(
        InputError,
        match=rf"{site.url}: asked for .* found status 503 as the last of {TRIES} failures in a row.*accepted",
    ):
        fetch(NAME, remote(site), tmp_path, None)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART[:1])


@pytest.mark.parametrize("status, kind", [(404, NotThereError), (403, InputError), (401, InputError)])
def test_a_server_that_refuses_is_not_asked_again(tmp_path, site, status, kind):
    site.first = [(status, {}, b"no")]
    with pytest.raises(kind, match=f"asked for {NAME}, found no answer with it .status {status}.*accepted"):
        fetch(NAME, remote(site), tmp_path, None)
    assert len(site.asked) == 1
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART[:1])


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "no address"])
def test_an_address_of_another_kind_is_refused_at_once(tmp_path, waits, url):
    with pytest.raises(InputError, match="an http address"):
        fetch(NAME, Remote(url=url, bytes=None, hash=None, how=None), tmp_path, None)
    assert waits == []


@pytest.mark.parametrize(
    "kind, body",
    [
        ("text/html; charset=utf-8", b"quota reached"),
        ("application/octet-stream", b"\n <!DOCTYPE html><title>Sign in</title>"),
        ("application/x-tar", b"\xef\xbb\xbf<HTML>quota reached"),
    ],
)
def test_a_page_in_place_of_an_archive_is_refused(tmp_path, site, kind, body):
    site.content, site.headers = body, {"Content-Type": kind}
    with pytest.raises(InputError, match="found a page of HTML; many hosts answer so when a quota is reached"):
        fetch(NAME, remote(site, None, None), tmp_path, None)
    assert len(site.asked) == 1
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART[:1])


def test_a_page_leaves_an_earlier_part_as_it_is(tmp_path, site):
    site.cut, site.ranges = 100_000, False
    with pytest.raises(InputError):
        fetch(NAME, remote(site), tmp_path, None)
    site.cut, site.ranges = None, True
    site.first = [(200, {"Content-Type": "text/html"}, b"quota reached")]
    with pytest.raises(InputError, match="a page of HTML"):
        fetch(NAME, remote(site), tmp_path, None)
    fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked[-1] == "bytes=100000-"
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_page_is_what_a_page_is_asked_for(tmp_path, site):
    site.first = [(200, {"Content-Type": "text/html"}, b"<html>terms</html>")]
    fetch("terms.html", remote(site, None, None), tmp_path, None)
    assert (tmp_path / "terms.html").read_bytes() == b"<html>terms</html>"


@pytest.mark.parametrize("hash", [sha256(b"other"), f"md5:{hashlib.md5(b'other').hexdigest()}"])
def test_a_download_with_another_hash_is_removed(tmp_path, site, hash):
    algorithm, _, digest = hash.partition(":")
    with pytest.raises(
        InputError, match=f"asked for {algorithm} {digest}, .*found .*removed, the next run begins anew"
    ):
        fetch(NAME, remote(site, hash), tmp_path, None)
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART[:1])


def test_a_file_of_another_size_is_refused_before_it_is_downloaded(tmp_path, site):
    with pytest.raises(InputError, match="found 524,288 bytes in place of 1,000"):
        fetch(NAME, remote(site, size=1000), tmp_path, None)
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART[:1])


def test_a_disk_without_room_for_what_is_missing_is_said_beforehand(tmp_path, site, monkeypatch):
    def free(size: int) -> None:
        usage = downloading.shutil.disk_usage(tmp_path)._replace(free=size)
        monkeypatch.setattr(downloading.shutil, "disk_usage", lambda folder: usage)

    free(1000)
    with pytest.raises(InputError, match=f"room for 524,288 bytes of {NAME}, found 1,000 bytes free"):
        fetch(NAME, remote(site), tmp_path, None)
    free(600_000)
    site.cut, site.ranges = 300_000, False
    with pytest.raises(InputError, match="cut connection"):
        fetch(NAME, remote(site), tmp_path, None)
    assert visible(tmp_path) == []
    free(300_000)
    site.cut, site.ranges = None, True
    fetch(NAME, remote(site), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


FETCH = """
import sys
from pathlib import Path
from palimpsest.config.entry import in_one_line
from palimpsest.data.fetching import Remote, fetch

if sys.argv[3:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
print("ready", flush=True)
remote = Remote(url=sys.argv[1], bytes=None, hash=None, how=None)
in_one_line(lambda: print(fetch("pictures.bin", remote, Path(sys.argv[2]), None).checked, flush=True))
"""


def process(site: Site, store: Path, *limit: str) -> subprocess.Popen:
    command = [sys.executable, "-c", FETCH, site.url, str(store), *limit]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(true) -> None:
    for _ in range(3000):
        if true():
            return
        sleep(0.01)
    pytest.fail("waited in vain")


def test_a_killed_download_goes_on_and_ends_in_the_same_bytes(tmp_path, site):
    site.stall = 3 * CHUNK
    part = tmp_path / PART[1]
    with process(site, tmp_path) as killed:
        wait_until(lambda: part.exists() and part.stat().st_size == site.stall)
        killed.kill()
    assert killed.returncode < 0
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART)
    site.stall = None
    assert fetch(NAME, remote(site), tmp_path, None).checked == "published"
    assert site.ranges_asked == [None, f"bytes={3 * CHUNK}-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


STEPS = [(os, "fsync"), (Path, "replace"), (Path, "unlink")]  # each for the part's origin, the pin and the file itself


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_end_between_any_two_steps_leaves_whole_files_or_none(tmp_path, site, monkeypatch, step, call):
    original, calls = getattr(*step), count(1)

    def end(*arguments, **named):
        if next(calls) == call:
            raise KeyboardInterrupt
        return original(*arguments, **named)

    with monkeypatch.context() as ending:
        ending.setattr(*step, end)
        with pytest.raises(KeyboardInterrupt):
            fetch(NAME, remote(site, None), tmp_path, None)
    if NAME in visible(tmp_path):
        assert (tmp_path / NAME).read_bytes() == CONTENT
    fetch(NAME, remote(site, None), tmp_path, None)
    assert visible(tmp_path) == [NAME, f"{NAME}.sha256"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(tmp_path, site):
    limit = 200_000
    with process(site, tmp_path, str(limit)) as full:
        said = full.communicate()[1]
    assert full.returncode == 1
    assert said.startswith(f"error: no room to write {tmp_path / PART[1]}") and said.count("\n") == 1
    assert (visible(tmp_path), hidden(tmp_path)) == ([], PART)
    fetch(NAME, remote(site), tmp_path, None)
    assert site.ranges_asked == [None, f"bytes={limit}-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_of_two_processes_one_downloads_and_the_other_finds(tmp_path, site):
    site.stall = CHUNK
    with process(site, tmp_path) as one:
        wait_until(lambda: site.asked)
        with process(site, tmp_path) as two:
            assert two.stdout.readline() == "ready\n"
            sleep(0.2)  # in which a second download would begin
            site.resume.set()
            answers = [each.communicate()[0].splitlines()[-1] for each in (one, two)]
    assert answers == ["pinned", "pinned"]
    assert site.ranges_asked == [None]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_without_an_address_a_person_is_told_where_to_place_it(tmp_path):
    with pytest.raises(InputError, match=rf"found none in {tmp_path}; place {NAME} in {tmp_path}: ask its authors"):
        fetch(NAME, remote(None), tmp_path, None)
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch(NAME, remote(None), tmp_path, None).checked == "published"


@pytest.mark.parametrize(
    "wanted, found",
    [({"size": 5}, "asked for 5 bytes, found 524,288"), ({"hash": sha256(b"other")}, "asked for sha256 .* found")],
)
def test_a_placed_file_that_is_another_stays(tmp_path, wanted, found):
    (tmp_path / NAME).write_bytes(CONTENT)
    with pytest.raises(InputError, match=f"{tmp_path / NAME}: {found}.*accepted"):
        fetch(NAME, remote(None, **wanted), tmp_path, None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_hash_that_no_one_publishes_is_pinned_on_first_use(tmp_path, site, capsys):
    assert fetch(NAME, remote(site, None), tmp_path, None).checked == "pinned"
    assert "publishes no hash" in capsys.readouterr().out
    run = subprocess.run(["sha256sum", "-c", f"{NAME}.sha256"], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0
    assert fetch(NAME, remote(site, None), tmp_path, None).checked == "pinned"
    assert capsys.readouterr().out == ""

    (tmp_path / NAME).write_bytes(b"other")
    with pytest.raises(InputError) as refusal:
        fetch(NAME, remote(site, None, None), tmp_path, None)
    for word in (sha256(CONTENT)[7:], sha256(b"other")[7:], f"remove {tmp_path / NAME}.sha256 if the change is meant"):
        assert word in str(refusal.value)
    assert (tmp_path / NAME).read_bytes() == b"other"

    (tmp_path / f"{NAME}.sha256").unlink()
    assert fetch(NAME, remote(site, None, None), tmp_path, None).checked == "pinned"


def test_a_download_that_is_not_as_pinned_is_removed(tmp_path, site):
    (tmp_path / f"{NAME}.sha256").write_text(f"{'0' * 64}  {NAME}\n")
    with pytest.raises(InputError, match=r"asked for sha256 0{64}, as pinned on first use, found .* begins anew"):
        fetch(NAME, remote(site, None), tmp_path, None)
    assert visible(tmp_path) == [f"{NAME}.sha256"]


@pytest.mark.parametrize("text", ["", f"{'0' * 64}", f"{'0' * 63}  {NAME}", f"{'0' * 64}  other.tar", "\xff"])
def test_a_corrupt_pin_is_refused_before_anything_is_asked(tmp_path, site, text):
    (tmp_path / f"{NAME}.sha256").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="asked for a pinned hash, found"):
        fetch(NAME, remote(site, None), tmp_path, None)
    assert site.asked == []


FILES = {name: name.encode() for name in ("b.png", "a/2.png", "a/10.png", "c/d/e.png", "a.png", "a-b.png", "z", "0")}


def unpacked(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["x.tar", "x.zip", "x.tar.gz", "x.tgz"])
def test_an_unpacked_archive_stands_in_and_is_pinned(tmp_path, name):
    folder = unpacked(tmp_path / "x")
    first = fetch(name, remote(None), tmp_path, None)
    assert (first.path, first.bytes, first.checked) == (folder, sum(map(len, FILES)), "pinned")
    lines = [f"{file}\0{len(file)}\0{sha256(content)[7:]}\n" for file, content in sorted(FILES.items())]
    assert first.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert fetch(name, remote(None), tmp_path, None).checked == "pinned"
    (folder / "b.png").rename(folder / "renamed.png")
    with pytest.raises(InputError, match=r"as pinned on first use.*remove .*x\.sha256"):
        fetch(name, remote(None), tmp_path, None)


def test_the_archive_goes_before_its_folder(tmp_path):
    unpacked(tmp_path / "pictures")
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch(NAME, remote(None), tmp_path, None).path == tmp_path / NAME


def test_a_folder_of_links_is_what_they_lead_to(tmp_path):
    folder = unpacked(tmp_path / "pictures")
    plain = fetch("pictures.tar", remote(None), tmp_path, None)
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()
    for path in (tmp_path / "elsewhere").iterdir():
        (folder / path.name).symlink_to(path)
    assert fetch("pictures.tar", remote(None), tmp_path, None).sha256 == plain.sha256


def test_an_empty_folder_is_no_archive(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match="found none in it"):
        fetch("pictures.tar", remote(None), tmp_path, None)


def test_a_mirror_folder_is_used_in_place_and_never_written_to(tmp_path, site):
    store, mirror = tmp_path / "store", tmp_path / "mirror"
    mirror.mkdir()
    (mirror / NAME).write_bytes(CONTENT)
    unpacked(mirror / "x")
    found = fetch(NAME, remote(site, None), store, str(mirror))
    assert (found.path, found.checked) == (mirror / NAME, "pinned")
    assert fetch("x.zip", remote(site), store, str(mirror)).path == mirror / "x"
    assert sorted(path.name for path in mirror.iterdir()) == [NAME, "x"]
    assert visible(store) == [f"{NAME}.sha256", "x.sha256"]
    assert site.asked == []

    (mirror / NAME).unlink()
    assert fetch(NAME, remote(site, None), store, str(mirror)).path == store / NAME
    (store / NAME).unlink()
    with pytest.raises(InputError, match=f"found none in {store} or {mirror}"):
        fetch(NAME, remote(None), store, str(mirror))


def test_a_mirror_that_is_no_folder_is_refused(tmp_path, site):
    with pytest.raises(InputError, match=r"mirror: asked for .*nowhere, found no such folder"):
        fetch(NAME, remote(site), tmp_path, str(tmp_path / "nowhere"))


def test_a_mirror_address_goes_before_the_owners(tmp_path, site):
    address = site.url.removesuffix(f"/{NAME}")
    owner = Remote(url=f"{address}/owner", bytes=None, hash=None, how=None)
    fetch(NAME, owner, tmp_path, f"{address}/")
    assert site.asked == [(f"/{NAME}", None)]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_name_is_quoted_in_an_address(tmp_path, site):
    site.first = [(200, {}, CONTENT)]
    fetch("a b#1.tar", remote(None), tmp_path, site.url.removesuffix(f"/{NAME}"))
    assert site.asked == [("/a%20b%231.tar", None)]


def test_what_a_mirror_address_has_not_comes_from_the_owner(tmp_path, site):
    address = site.url.removesuffix(f"/{NAME}")
    fetch(NAME, remote(site), tmp_path, f"{address}/mirror")
    assert [path for path, _ in site.asked] == [f"/mirror/{NAME}", f"/{NAME}"]
    with pytest.raises(InputError, match=r"place other\.tar in"):
        fetch("other.tar", remote(None), tmp_path, address)


def test_rate_and_time_left_are_said(tmp_path, site, monkeypatch, capsys):
    monkeypatch.setattr(downloading, "REPORT_EVERY", 0)
    fetch(NAME, remote(site), tmp_path, None)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(CONTENT) // CHUNK
    assert lines[3].startswith(f"{NAME}: 50%, ") and "MB/s" in lines[3] and lines[3].endswith(" s left")


def test_a_terminal_shows_a_bar(tmp_path, site, monkeypatch):
    terminal = StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    fetch(NAME, remote(site), tmp_path, None)
    assert f"{NAME}: 100%" in terminal.getvalue() and "B/s" in terminal.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.zip", b"<!DOCTYPE html><html>quota exceeded</html>"),
        ("x.tar", b'{"error": "quota"}' * 100),
        ("x.tar", make_tar()[:-600]),
        ("x.tar", b""),
        ("x.flist", b""),
        ("x.flist", b"  <?xml version='1.0'?><!DOCTYPE html><html></html>"),
    ],
)
@pytest.mark.parametrize("placed", [True, False])
def test_what_cannot_be_the_file_is_never_pinned(tmp_path, site, name, content, placed):
    """Neither one that a person placed nor one that a server sent: the right one is taken afterwards."""
    site.files[name] = content
    if placed:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"found (no|a page)"):
        fetch(name, Remote(url=site.address(name), bytes=None, hash=None, how=None), tmp_path, None)
    assert not (tmp_path / f"{name}.sha256").exists()
    right = make_tar() if name != "x.flist" else b"1.jpg\n"
    site.files[name] = right
    (tmp_path / name).unlink(missing_ok=True)
    found = fetch(name, Remote(url=site.address(name), bytes=None, hash=None, how=None), tmp_path, None)
    assert found.path.read_bytes() == right


def test_a_store_that_cannot_be_written_to_serves_what_is_in_it(tmp_path, monkeypatch):
    (tmp_path / NAME).write_bytes(CONTENT)
    published = Remote(url=None, bytes=None, hash=sha256(CONTENT), how="by hand")
    monkeypatch.setattr(fetching, "alone", lambda path: pytest.fail("a lock was asked for"))
    assert fetch(NAME, published, tmp_path, None).checked == "published"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_files_of_one_name_in_two_folders_have_a_pin_each(tmp_path, site):
    site.files |= {"a.txt": b"one", "b.txt": b"another"}
    for folder, name in (("first", "a.txt"), ("second", "b.txt")):
        entry = Remote(url=site.address(name), bytes=None, hash=None, how=None)
        for _ in range(2):
            assert fetch(f"{folder}/same.txt", entry, tmp_path, None).checked == "pinned"


@pytest.mark.parametrize("hash", [f"sha256:{hashlib.sha256(CONTENT).hexdigest()[:8]}", "git:GIT"])
def test_the_beginning_of_a_hash_and_a_blob_of_git_are_checked(tmp_path, site, hash):
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    good = remote(site, hash.replace("GIT", blob))
    assert fetch(NAME, good, tmp_path, None).checked == "published"
    (tmp_path / NAME).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(InputError, match="which its owner publishes"):
        fetch(NAME, good, tmp_path, None)
