"""Folders as a person has them: links, names of other systems and tools."""

import os
import unicodedata

import pytest
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.data.folders import NAME, Pattern, files_below, pair, pictures_below


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (1, 1)).save(folder / name, "PNG")
    return folder


@pytest.mark.parametrize(
    ("pattern", "file", "name"),
    [
        ("{name}", "a.png", "a"),
        ("{name}", "sub/a.b.JPG", "sub/a.b"),
        ("{name}_fake", "sub/a_fake.jpg", "sub/a"),
        ("{name}_fake", "a.jpg", None),
        ("mask_{name}", "sub/mask_a.png", "sub/a"),
        ("{name}.jpg_out", "a.jpg_out.png", "a"),
        ("{name}.png", "a.png", "a"),
        ("{name}.png", "a.jpg", None),
        ("latest/{name}_B", "latest/sub/a_B.png", "sub/a"),
        ("latest/{name}_B", "a_B.png", None),
        ("{name}/out", "sub/a/out.png", "sub/a"),
        ("{name}+[1]", "a+[1].png", "a"),
        ("{name}", unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é")),
    ],
)
def test_a_pattern_tells_whose_a_file_is(pattern, file, name):
    assert Pattern(pattern).name(file) == name


@pytest.mark.parametrize("text", ["fake", "{name}{name}", "", "{Name}"])
def test_a_pattern_without_a_name_is_refused(text):
    with pytest.raises(InputError, match=r"asked for files named .*; accepted: \{name\} once, as in \{name\}_fake"):
        Pattern(text)


def test_links_are_followed_and_each_folder_is_visited_once(tmp_path):
    far = fill(tmp_path / "far", "a.png", "sub/b.png")
    near = tmp_path / "near"
    near.mkdir()
    (near / "a.png").symlink_to(far / "a.png")
    (near / "sub").symlink_to(far / "sub")
    (near / "gone.png").symlink_to("nowhere")
    (near / "itself").symlink_to("itself")
    (tmp_path / "link").symlink_to(near)
    assert [name for name, _ in files_below(tmp_path / "link")] == ["a.png", "gone.png", "itself", "sub/b.png"]
    (near / "again").symlink_to(far / "sub")
    (far / "sub" / "up").symlink_to(near)
    (far / "sub" / "here").symlink_to(".")
    (near / "above").symlink_to("..")
    assert [name for name, _ in files_below(near)] == ["a.png", "again/b.png", "gone.png", "itself"]


def test_a_folder_below_goes_by_its_own_name_and_not_by_that_of_a_link(tmp_path):
    folder = fill(tmp_path / "pictures", "z/deep/a.png", "z/b.png", "m.png")
    (folder / "a").symlink_to("z/deep")
    (folder / "z" / "deep" / "round").symlink_to("../..")
    assert [name for name, _ in files_below(folder)] == ["m.png", "z/b.png", "z/deep/a.png"]
    assert sorted(pictures_below(folder, NAME).files) == ["m", "z/b", "z/deep/a"]


def test_paths_are_in_the_order_of_their_letters(tmp_path):
    names = ["a-b/x", "a.png", "a/b", "a/b.c/d", "a0", "b"]
    assert [name for name, _ in files_below(fill(tmp_path, *reversed(names)))] == names


def test_what_lies_there_under_another_ending_is_named(tmp_path):
    fill(tmp_path, "a.heic", "b.heic", ".hidden.png")
    with pytest.raises(InputError, match=r"found 2 other files, such as 'a\.heic'; accepted: a picture by its ending"):
        pictures_below(tmp_path, NAME)
    fill(tmp_path, "b.png", "c.png", "c.JPG")
    found = pictures_below(tmp_path, NAME)
    assert found.one("b") == tmp_path / "b.png"
    for name, said in {"a": r"a\.heic; accepted: a picture by", "c": r"c\.JPG and c\.png", "d": "none"}.items():
        with pytest.raises(InputError, match=f"{name}: asked for one picture of this name, found {said}"):
            found.one(name)


def test_one_folder_holds_pictures_and_masks(tmp_path):
    """As for LaMa's own script."""
    folder = fill(tmp_path, "a.png", "a_mask001.png", "b.jpg", "b_mask001.png")
    found, names = pair({"images": (folder, NAME), "holes": (folder, Pattern("{name}_mask001"))})
    assert names == ["a", "b"] and found["holes"].one("b") == folder / "b_mask001.png"


@pytest.mark.parametrize(
    ("result", "accepted"),
    [
        ("0001_fake_B.png", "--pattern results='{name}_fake_B'"),
        ("images/0001.png", "--pattern results='images/{name}'"),
        ("another.png", "the same path below each folder, whatever its ending, or --pattern"),
    ],
)
def test_where_nothing_pairs_a_pattern_is_offered(tmp_path, result, accepted):
    results, images = fill(tmp_path / "results", result), fill(tmp_path / "images", "1.png", "0001.png")
    with pytest.raises(InputError) as error:
        pair({"results": (results, NAME), "images": (images, NAME)})
    assert str(error.value).endswith(f"accepted: {accepted}")


def test_the_pattern_that_is_offered_fits_the_most_pictures(tmp_path):
    results = fill(tmp_path / "results", *(f"pre_{name}_fake.png" for name in "abc"))
    images = fill(tmp_path / "images", "a.png", "b.png", "c.png")
    with pytest.raises(InputError, match=r"accepted: --pattern results='pre_\{name\}_fake'$"):
        pair({"results": (results, NAME), "images": (images, NAME)})


@pytest.mark.parametrize("given", ["{name}_fake", "latest/{name}", "{name}"])
def test_a_pattern_is_offered_whole_whatever_part_of_it_was_given(tmp_path, given):
    results, images = fill(tmp_path / "results", "latest/1_fake.png"), fill(tmp_path / "images", "1.png")
    with pytest.raises(InputError, match=r"accepted: --pattern results='latest/\{name\}_fake'$"):
        pair({"results": (results, Pattern(given)), "images": (images, NAME)})


def test_a_pattern_is_offered_for_images_whose_names_are_longer(tmp_path):
    images, holes = fill(tmp_path / "images", "1_real.png", "1_fake.png"), fill(tmp_path / "holes", "1.png")
    with pytest.raises(InputError, match=r"accepted: --pattern images='\{name\}_(fake|real)'$"):
        pair({"holes": (holes, NAME), "images": (images, NAME)})


def test_a_name_in_no_encoding_is_found(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"")
    assert len(pictures_below(tmp_path, NAME).files) == 1
