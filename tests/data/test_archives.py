"""Archives made on the spot: each kind read whole, each hostile or damaged one refused."""

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from data import Everything
from palimpsest.config.yaml import InputError
from palimpsest.data import archives

FILES = {
    "val_256/Places365_val_00000001.jpg": b"one" * 500,
    "val_256/empty.txt": b"",
    "val_256/one-block.bin": bytes(range(256)) * 2,
    "ü.txt": "ü".encode(),
    "deep/" + "long/" * 60 + "name.txt": b"long",
}


def tar(files, form=tarfile.PAX_FORMAT, **header):
    """A tar of (name, contents); `header` changes the entries' attributes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, contents in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(contents)
            for attribute, value in header.items():
                setattr(entry, attribute, value)
            archive.addfile(entry, io.BytesIO(contents))
    return out.getvalue()


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, contents in files:
            archive.writestr(name, contents)
    return out.getvalue()


def ar(*members):
    out = b"!<arch>\n"
    for name, contents in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(contents):<10}`\n".encode() + contents
        out += b"\n" * (len(contents) % 2)
    return out


def deb(data, name="data.tar.xz"):
    return ar(("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, data))


KINDS = {
    "gnu.tar": lambda files: tar(files, tarfile.GNU_FORMAT),
    "pax.tar": lambda files: tar(files, tarfile.PAX_FORMAT),
    "tar.gz": lambda files: gzip.compress(tar(files)),
    "tar.xz": lambda files: lzma.compress(tar(files)),
    "tar.bz2": lambda files: bz2.compress(tar(files)),
    "zip": zipped,
    "stored.zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "xz.deb": lambda files: deb(lzma.compress(tar(files))),
    "gz.deb": lambda files: deb(gzip.compress(tar(files)), "data.tar.gz"),
    "plain.deb": lambda files: deb(tar(files), "data.tar/"),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def put(tmp_path):
    def put(contents, name="archive"):
        (tmp_path / name).write_bytes(contents)
        return tmp_path / name

    return put


def filled(folder, files):
    for name, contents in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)
    return folder


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def refused(path, match):
    """That listing, reading and unpacking all refuse it, and unpacking leaves nothing behind."""
    with pytest.raises(InputError, match=match):
        list(archives.names(path))
    with pytest.raises(InputError, match=match):
        list(archives.stream(path, Everything()))
    before = set(path.parent.iterdir())
    with pytest.raises(InputError, match=match):
        archives.unpack(path, path.parent / "unpacked")
    assert set(path.parent.iterdir()) == before


@kinds
def test_an_archive_gives_back_what_was_put_in(put, tmp_path, kind):
    path = put(KINDS[kind](FILES.items()))
    assert list(archives.names(path)) == list(FILES)
    assert list(archives.stream(path, Everything())) == list(FILES.items())
    wanted = {"ü.txt", "val_256/one-block.bin", "absent"}
    assert list(archives.stream(path, wanted)) == [(name, FILES[name]) for name in FILES if name in wanted]
    assert archives.read(path, "ü.txt") == FILES["ü.txt"]
    with pytest.raises(InputError, match="asked for 'absent', found no such file"):
        archives.read(path, "absent")
    archives.unpack(path, tmp_path / "new" / "unpacked")
    assert files_of(tmp_path / "new" / "unpacked") == FILES
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["unpacked"]


def test_a_folder_is_read_like_an_archive_in_sorted_order(tmp_path):
    folder = filled(tmp_path / "folder", FILES | {"a.b": b"", "a/x": b""})
    assert list(archives.names(folder)) == sorted([*FILES, "a.b", "a/x"])
    assert archives.read(folder, "ü.txt") == FILES["ü.txt"]
    archives.unpack(folder, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(folder)


@kinds
def test_a_leading_dot_is_no_part_of_a_name_and_a_mac_s_own_files_are_passed_over(put, kind):
    files = {"./a/b.jpg": b"b", "__MACOSX/a/._b.jpg": b"x", "a/.DS_Store": b"x", "a/c.jpg": b"c"}
    path = put(KINDS[kind](files.items()))
    assert list(archives.stream(path, Everything())) == [("a/b.jpg", b"b"), ("a/c.jpg", b"c")]


def test_folders_in_an_archive_are_no_files(put):
    assert list(archives.names(put(tar([("./", b""), ("a", b"")], type=tarfile.DIRTYPE)))) == []
    assert list(archives.names(put(zipped([("a/", b""), ("a/b", b"")])))) == ["a/b"]


@pytest.mark.parametrize("kind", ["gnu.tar", "pax.tar", "tar.gz", "zip", "xz.deb"])
@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../out", "a/../../out", "a/..", "a\\b", "C:/x", "C:x", "a\nb", "a\x1bb", "a" * 200 + "/../b"],
)
def test_a_name_that_leaves_the_folder_is_refused(put, kind, name):
    refused(put(KINDS[kind]([("fine", b""), (name, b"x")])), "a name that could leave its folder")


def test_a_nul_in_a_name_is_refused(put):
    refused(put(zipped([("~", b"")]).replace(b"~", b"\0")), "a name that could leave its folder")
    refused(put(zipped([("a.jpg~.exe", b"")]).replace(b"~", b"\0")), "a name that could leave its folder")
    refused(
        put(tar([("a" * 120 + "~b", b"")], tarfile.GNU_FORMAT).replace(b"~", b"\0")),
        "a name that could leave its folder",
    )


def test_a_name_that_is_no_utf8_is_refused(put):
    refused(
        put(tar([("caf\udce9.jpg", b"")], tarfile.GNU_FORMAT)), "a name that could leave its folder or that not every"
    )


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "neither file nor folder"),
        (tarfile.BLKTYPE, "neither file nor folder"),
        (tarfile.FIFOTYPE, "neither file nor folder"),
        (tarfile.GNUTYPE_SPARSE, "neither file nor folder"),
    ],
)
def test_links_and_devices_are_refused(put, kind, fault):
    refused(put(tar([("a", b"")], tarfile.GNU_FORMAT, type=kind, linkname="/etc/passwd")), f"found 'a', {fault}")


def test_a_sparse_file_of_the_newer_kind_is_refused(put):
    refused(put(tar([("a", b"x")], pax_headers={"GNU.sparse.major": "1"})), "neither file nor folder")


@pytest.mark.parametrize(("mode", "fault"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "neither file nor folder")])
def test_links_and_pipes_in_a_zip_are_refused(put, mode, fault):
    entry = zipfile.ZipInfo("a")
    entry.external_attr = (mode | 0o777) << 16
    refused(put(zipped([(entry, b"/etc/passwd")])), f"found 'a', {fault}")


def test_what_is_no_file_in_a_folder_is_refused(tmp_path):
    folder = filled(tmp_path / "folder", {"a": b""})
    (folder / "b").symlink_to(folder)
    assert list(archives.names(folder)) == ["a"]
    (folder / "b").unlink()
    (folder / "b").symlink_to("nowhere")
    refused(folder, "found 'b', a link that leads nowhere")
    (folder / "b").unlink()
    os.mkfifo(folder / "b")
    refused(folder, "found 'b', neither file nor folder")


def test_links_in_a_deb_are_passed_over_and_devices_are_not(put):
    inner = tar([("./usr/a.jpg", b"a")])[:1024] + tar([("./usr/b.jpg", b"")], type=tarfile.SYMTYPE, linkname="a.jpg")
    assert list(archives.names(put(deb(lzma.compress(inner))))) == ["usr/a.jpg"]
    refused(put(deb(lzma.compress(tar([("null", b"")], type=tarfile.CHRTYPE)))), "neither file nor folder")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@kinds
def test_a_name_that_stands_twice_is_refused(put, kind):
    refused(put(KINDS[kind]([("a/b", b"1"), ("./a//b", b"2")])), "found './a//b', a second of that name")


@pytest.mark.parametrize("name", ["", ".", "./."])
def test_a_file_without_a_name_is_refused(put, name):
    refused(put(tar([(name, b"")], tarfile.GNU_FORMAT)), "a second of that name")


@kinds
def test_a_file_that_is_a_folder_too_cannot_be_unpacked(put, tmp_path, kind):
    for names in [("a", "a/b"), ("a/b", "a")]:
        path = put(KINDS[kind]([(name, b"") for name in names]))
        with pytest.raises(InputError, match="both as a file and as a folder"):
            archives.unpack(path, tmp_path / "unpacked")
        assert not (tmp_path / "unpacked").exists()


def test_an_encrypted_file_is_refused(put):
    contents = bytearray(zipped([("a", b"x")]))
    contents[6] |= 1
    contents[contents.index(b"PK\x01\x02") + 8] |= 1
    refused(put(contents), "found 'a', encrypted")


@kinds
def test_a_file_past_the_largest_size_is_refused(put, monkeypatch, kind):
    monkeypatch.setattr(archives, "LARGEST", 1000)
    refused(put(KINDS[kind]([("fits", bytes(1000)), ("bomb", bytes(1001))])), "found 'bomb', of 1001 bytes")


def test_a_size_that_is_only_declared_is_refused_before_it_is_read(put):
    for size in (archives.LARGEST + 1, -1):
        block = tarfile.TarInfo("bomb")
        block.size = size
        refused(put(block.tobuf(tarfile.GNU_FORMAT)), f"found 'bomb', of {size} bytes")


def test_a_large_file_in_a_folder_is_refused_only_when_it_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 1000)
    folder = filled(tmp_path / "folder", {"archive.tar": bytes(1001), "a": b"a"})
    assert list(archives.names(folder)) == ["a", "archive.tar"]
    with pytest.raises(InputError, match=r"found 'archive\.tar', of 1001 bytes or more"):
        archives.read(folder, "archive.tar")


def test_a_file_of_a_zip_that_grows_too_much_is_refused(put):
    refused(put(zipped([("bomb", bytes(2**21))])), "found 'bomb', which grows from [0-9]+ to 2097152 bytes")
    assert archives.read(put(zipped([("small", bytes(2**20))])), "small") == bytes(2**20)


def test_a_zip_that_holds_more_than_it_declares_is_refused(put):
    contents = zipped([("a", bytes(5000))]).replace(struct.pack("<I", 5000), struct.pack("<I", 50))
    with pytest.raises(InputError, match="CRC"):
        archives.read(put(contents), "a")


def test_a_header_of_a_tar_cannot_be_a_bomb(put):
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, archives.EXTENSION + 1
    refused(put(gzip.compress(header.tobuf() + bytes(2**21))), "a header of 1048577 bytes")
    nested = tar([("a", b"")], pax_headers={"comment": "x"})[:1024] * 5000 + tar([("a", b"")])
    assert list(archives.names(put(nested))) == ["a"]


@pytest.mark.parametrize("record", [b"0 path=x\n", b"9 path=", b"path=x\n\n", b"-9 path=x", b"99 path=x"])
def test_a_header_whose_lengths_do_not_add_up_is_refused(put, record):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    refused(put(header.tobuf() + record.ljust(512, b"\0") + tar([("a", b"")])), "from its first bytes on")


def test_what_an_archive_unpacks_to_is_bounded(put, tmp_path, monkeypatch):
    path = put(tar([("a", bytes(600)), ("b", bytes(600))]))
    monkeypatch.setattr(archives, "UNPACKED", 1199)
    with pytest.raises(InputError, match="found more than 1199 bytes by 'b'"):
        archives.unpack(path, tmp_path / "unpacked")
    monkeypatch.setattr(archives, "UNPACKED", 1200)
    archives.unpack(path, tmp_path / "unpacked")


@kinds
def test_an_archive_that_is_cut_short_is_refused_wherever_it_is_cut(put, kind):
    whole = KINDS[kind]([("first", b"1" * 700), ("second", os.urandom(1300)), ("third", b"")])
    needed = len(whole.rstrip(b"\n"))  # without what makes the length of a .deb even
    if kind.endswith(".tar"):
        needed = 4096 + 512  # headers, contents and the first block of the end mark; zeros follow
    for length in {*range(0, needed, 97), needed - 1}:
        path = put(whole[:length])
        with pytest.raises(InputError, match="cut short, damaged or of another kind"):
            list(archives.names(path))
        with pytest.raises(InputError, match="cut short, damaged or of another kind"):
            list(archives.stream(path, {"second"}))
    assert len(list(archives.names(put(whole[: needed + 1])))) == 3


@pytest.mark.parametrize("wanted", [set(), Everything()])
def test_the_last_whole_file_is_named(put, wanted):
    whole = tar([("first", b"1" * 700), ("second", b"2" * 1300)], tarfile.GNU_FORMAT)
    for length, last in [
        (512, "from its first bytes"),
        (1200, "from its"),
        (1536, "after 'first'"),
        (2500, "after 'first'"),
        (3584, "after 'second'"),
    ]:
        with pytest.raises(InputError, match=last):
            list(archives.stream(put(whole[:length]), wanted))


def test_a_damaged_header_is_not_the_end_of_a_tar(put):
    whole = bytearray(tar([("first", b""), ("second", b""), ("third", b"")], tarfile.GNU_FORMAT))
    whole[512 + 148] ^= 1
    refused(put(whole), "damaged or of another kind after 'first'")


def test_a_wrong_checksum_is_refused(put):
    contents = zipped([("fine", b"fine"), ("a", b"photograph")], zipfile.ZIP_STORED).replace(
        b"photograph", b"phot0graph"
    )
    path = put(contents)
    assert archives.read(path, "fine") == b"fine"
    with pytest.raises(InputError, match=r"after 'fine' \(Bad CRC-32"):
        archives.read(path, "a")
    packed = bytearray(gzip.compress(tar([("a", b"x")])))
    packed[-8] ^= 1
    refused(put(packed), "after 'a' .*CRC")


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"<!DOCTYPE html><html>Quota exceeded</html>" * 30,
        b"x" * 5000,
        b"\x1f\x8b" + b"x" * 50,
        b"PK\x03\x04" + b"x" * 50,
        gzip.compress(b"a picture" * 100, mtime=0),
        ar(("a.o", b"object")),
    ],
)
def test_what_is_no_archive_is_refused(put, contents):
    refused(put(contents), "from its first bytes on")


def test_the_first_bytes_of_what_is_no_archive_are_shown(put):
    refused(put(b"<!DOCTYPE html>" + b" " * 600), "<!DOCTYPE html>")


def test_a_path_with_nothing_there_is_refused(tmp_path):
    refused(tmp_path / "absent.tar", "asked for an archive or a folder, found none there")


def test_a_deb_that_python_cannot_decompress_is_refused(put):
    refused(
        put(deb(b"\x28\xb5\x2f\xfd", "data.tar.zst")), r"found data\.tar\.zst.*accepted: \.xz, \.gz, \.bz2 or plain"
    )


@pytest.mark.parametrize("size", [b"-60       ", b"x         "])
def test_an_ar_header_with_an_impossible_size_is_refused(put, size):
    refused(put(ar(("debian-binary", b"")).replace(b"0         `", size + b"`")), "a damaged ar header")


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_streaming_holds_one_file_at_a_time(put, compress):
    count, size = 40, 2**20
    path = put(compress(tar([(f"{number}.bin", bytes(size)) for number in range(count)])))
    tracemalloc.start()
    total = sum(len(contents) for _, contents in archives.stream(path, Everything()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == count * size
    assert peak < 16 * size  # of which xz takes 8 MiB for itself


class Counted(io.FileIO):
    total = 0

    def read(self, size=-1):
        data = super().read(size)
        Counted.total += len(data)
        return data


class Watched(type(Path())):
    def open(self, mode="r", buffering=-1, **_):
        return Counted(self) if buffering == 0 else super().open(mode, buffering)


def test_a_plain_tar_is_listed_by_its_headers(put):
    path = Watched(put(tar([(f"{number}.bin", bytes(100_000)) for number in range(50)])))
    assert len(list(archives.names(path))) == 50
    assert 50 * 512 < Counted.total < 50 * 520 + 1024


def test_an_existing_folder_is_not_unpacked_into(put, tmp_path):
    path = put(tar(FILES.items()))
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(InputError, match="found it there already"):
        archives.unpack(path, tmp_path / "unpacked")
    assert not files_of(tmp_path / "unpacked")


KILLED = """
import os, sys
from pathlib import Path
from palimpsest.data import archives
write = archives._write
def killed(path, folder, name, contents):
    write(path, folder, name, contents)
    if name == "b":
        os._exit(9)
archives._write = killed
archives.unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_unpacking_that_is_killed_leaves_nothing_and_starts_anew(put, tmp_path):
    path, folder = put(tar([("a", b"a"), ("b", b"b"), ("c", b"c")])), tmp_path / "unpacked"
    run = subprocess.run(
        [sys.executable, "-c", KILLED, path, folder], check=False, env=os.environ | {"PYTHONPATH": "src"}
    )
    assert run.returncode == 9
    assert not folder.exists()
    filled(tmp_path / ".unpacked.unpacking", {"stale": b""})
    archives.unpack(path, folder)
    assert files_of(folder) == {"a": b"a", "b": b"b", "c": b"c"}
    assert set(tmp_path.iterdir()) == {path, folder}


def test_a_full_disk_leaves_nothing(put, tmp_path, monkeypatch):
    path = put(tar([("a", b"a"), ("b", b"b")]))
    write = archives._write

    def full(path, folder, name, contents):
        if name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, folder, name, contents)

    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        archives.unpack(path, tmp_path / "unpacked")
    assert set(tmp_path.iterdir()) == {path}
