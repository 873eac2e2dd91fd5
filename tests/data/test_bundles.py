"""Qt's resource bundles, and zips."""

import struct
import zlib

import pytest

from data import Everything, make_zip
from palimpsest.config.yaml import InputError
from palimpsest.data import bundles

TREE = {"activities": {"erase": {"horse.webp": b"horse" * 9, "ü.webp": b""}, "cat.webp": b"cat"}, "z.txt": b"z"}
INSIDE = {
    "activities/erase/horse.webp": b"horse" * 9,
    "activities/erase/ü.webp": b"",
    "activities/cat.webp": b"cat",
    "z.txt": b"z",
}
versions = pytest.mark.parametrize("version", [1, 2, 3])


def stored(contents, flags):
    return struct.pack(">I", len(contents)) + zlib.compress(contents) if flags & bundles.COMPRESSED else contents


def rcc(tree, version=2, flags=0, stored=stored):
    """A Qt resource bundle of {name: contents or folder}: header, tree, contents, names."""
    nodes, names, data = [], b"", b""
    waiting, free = [("", tree)], 1
    while waiting:
        name, contents = waiting.pop(0)
        start = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        if isinstance(contents, dict):
            node = struct.pack(">IHII", start, bundles.FOLDER, len(contents), free)
            waiting += contents.items()
            free += len(contents)
        else:
            node = struct.pack(">IHHHI", start, flags, 0, 0, len(data))
            packed = stored(contents, flags)
            data += struct.pack(">I", len(packed)) + packed
        nodes.append(node + bytes(0 if version == 1 else 8))
    header = 24 if version == 3 else 20
    middle = b"".join(nodes)
    offsets = (header, header + len(middle), header + len(middle) + len(data))
    return (b"qres" + struct.pack(">4I", version, *offsets)).ljust(header, b"\0") + middle + data + names


@versions
@pytest.mark.parametrize("flags", [0, bundles.COMPRESSED])
def test_a_bundle_gives_back_what_was_put_in(version, flags):
    bundle = rcc(TREE, version, flags)
    assert list(bundles.stream(bundle, Everything())) == list(INSIDE.items())
    assert list(bundles.stream(bundle, {"z.txt", "absent"})) == [("z.txt", b"z")]


@versions
def test_a_bundle_that_is_cut_short_is_refused_wherever_it_is_cut(version):
    bundle = rcc(TREE, version)
    for length in range(len(bundle)):
        with pytest.raises(InputError, match="cut short or damaged"):
            list(bundles.stream(bundle[:length], Everything()))


def test_what_is_no_bundle_is_refused():
    with pytest.raises(InputError, match="it begins with b'<!DOCTYPE html>'"):
        list(bundles.stream(b"<!DOCTYPE html><html></html>", Everything()))


@pytest.mark.parametrize(
    ("count", "first"),
    [(1, 0), (3, 0), (2, 1000), (2**32 - 1, 1), (1, 2)],
    ids=["itself", "root", "out", "many", "shared"],
)
def test_a_bundle_whose_folders_form_no_tree_is_refused(count, first):
    bundle = bytearray(rcc({"a": {"b": b""}, "c": b""}))
    struct.pack_into(">II", bundle, 20 + 22 + 6, count, first)
    with pytest.raises(InputError, match="its folders form no tree"):
        list(bundles.stream(bytes(bundle), Everything()))


@pytest.mark.parametrize("place", [0, 10], ids=["name", "contents"])
def test_an_offset_out_of_a_bundle_is_refused(place):
    bundle = bytearray(rcc({"a": b"x"}))
    struct.pack_into(">I", bundle, 20 + 22 + place, 2**31)
    with pytest.raises(InputError, match="cut short or damaged"):
        list(bundles.stream(bytes(bundle), Everything()))


@pytest.mark.parametrize("name", ["..", "/etc", "a\\b", "a\0b"])
def test_a_bundle_s_path_that_could_leave_its_folder_is_refused(name):
    with pytest.raises(InputError, match="asked for a Qt resource bundle, found"):
        list(bundles.stream(rcc({name: b""}), Everything()))


def test_zstd_in_a_bundle_is_refused_only_where_it_is_wanted():
    bundle = rcc({"a.txt": b"x"}, flags=bundles.ZSTD)
    assert list(bundles.stream(bundle, {"b.txt"})) == []
    with pytest.raises(InputError, match=r"a\.txt: found it compressed with zstd; accepted: zlib or nothing"):
        list(bundles.stream(bundle, {"a.txt"}))


@pytest.mark.parametrize("length", [0, 4, 6, 2**32 - 1])
def test_a_bundle_s_file_of_another_length_than_told_is_refused(length):
    bundle = rcc(
        {"a.txt": b"12345"},
        flags=bundles.COMPRESSED,
        stored=lambda contents, _: struct.pack(">I", length) + zlib.compress(contents),
    )
    with pytest.raises(InputError, match=r"a\.txt"):
        list(bundles.stream(bundle, Everything()))


def test_a_zip_gives_back_what_was_put_in(tmp_path):
    files = {"textures/wall.png": b"wall" * 9, "textures/floor.png": b"floor"}
    bundle = make_zip(tmp_path / "0textures.pk3", files).read_bytes()
    assert dict(bundles.stream(bundle, Everything())) == files
    assert list(bundles.stream(bundle, {"textures/floor.png", "absent"})) == [("textures/floor.png", b"floor")]
    with pytest.raises(InputError, match="cut short, damaged"):
        list(bundles.stream(bundle[:-30], Everything()))
