"""Split rules on names alone: the counts of the papers, and what each refuses."""

import re
from itertools import chain

import numpy as np
import pytest

from data import entry
from palimpsest.config.yaml import InputError, build
from palimpsest.data import splits
from palimpsest.data.catalogue import Catalogue, filled_slot
from palimpsest.data.splits import assign

NONE = {"train": None, "val": None, "test": None}
HQ = "CelebAMask-HQ.zip/CelebAMask-HQ/CelebA-HQ-img"


LISTED = {"by": "lists", "train": None, "val": None, "test": "list.txt", "member": "{name}", "shift": 0}
PART = {"by": "partition", "file": "part.txt", "member": "{name}", "train": "0", "val": "1", "test": "2"}
DRAWN = {"by": "category", "of": "{category}/*", "categories": ["a"], "seed": 1, "val": 1, "test": 1}


def nothing(name: str) -> bytes:
    raise AssertionError(f"no rule should read {name}")


def counted(assigned: splits.Assigned) -> dict[str, int]:
    return {split: len(names) for split, names in assigned.splits.items()}


def rule(split: dict, val_of_test: int | None = None, **counts: int) -> splits.Found:
    return build(splits.Found, {"split": split, "val_of_test": val_of_test, "counts": NONE | counts}, "")


def numbered(pattern: str, count: int, start: int = 1) -> list[str]:
    return [pattern % number for number in range(start, start + count)]


def apart(assigned: splits.Assigned, *names: str) -> bool:
    """Whether the splits of these names share no picture."""
    together = [name for split in names for name in assigned.splits[split]]
    return len(set(together)) == len(together)


# ---- the counts of the papers, on names in the official layouts


def places(archive: str, folder: str) -> list[str]:
    """Places365-Standard: 365 categories, from 3,068 to 5,000 pictures each, some a level deeper."""
    each, more = divmod(1_803_460 - 3_068, 364)
    sizes = [3_068, *(each + (number < more) for number in range(364))]
    assert max(sizes) <= 5_000 and sum(sizes) == 1_803_460
    levels = ["a/airfield", "s/swimming_pool/indoor", "s/swimming_pool/outdoor"]
    categories = levels + [f"{'abcdefgh'[number % 8]}/category_{number}" for number in range(362)]
    places = zip(categories, sizes, strict=True)
    return [f"{archive}/{folder}/{category}/{n:08}.jpg" for category, size in places for n in range(1, size + 1)]


@pytest.mark.slow
def test_places2_has_1803460_to_train_and_36500_to_test(catalogue):
    train = places("train_large_places365standard.tar", "data_large")
    test = numbered("val_large.tar/val_large/Places365_val_%08d.jpg", 36_500)
    assigned = assign(entry(catalogue, "places2"), train + test, nothing)
    assert counted(assigned) == {"train": 1_803_460, "test": 36_500, "val": 64}
    assert assigned.splits["train"] == train and assigned.splits["test"] == test
    assert assigned.left_out == {}


def test_the_small_places2_has_the_same_splits(catalogue):
    small = entry(catalogue, "places2-256")
    test = numbered("val_256.tar/val_256/Places365_val_%08d.jpg", 36_500)
    train = numbered("train_256_places365standard.tar/data_256/a/airfield/%08d.jpg", 5)
    with pytest.raises(InputError, match="asked for 1803460 pictures to train, found 5; accepted: the whole set"):
        assign(small, train + test, nothing)
    assigned = assign(entry(catalogue, "places2-256", counts__train=5), train + test, nothing)
    assert counted(assigned) == {"train": 5, "test": 36_500, "val": 64}


def test_the_challenge_trains_on_all_there_is_and_tests_on_the_same_36500(catalogue):
    train = numbered("train_large_places365challenge.tar/data_large/b/beach/%08d.jpg", 70)
    test = numbered("val_large.tar/val_large/Places365_val_%08d.jpg", 36_500)
    assert counted(assign(entry(catalogue, "places2-challenge"), train + test, nothing)) == {
        "train": 70, "test": 36_500, "val": 64,
    }  # fmt: skip


def pair(size: int, *categories: str) -> list[str]:
    archive = "train_large_places365challenge.tar/data_large"
    return [f"{archive}/{category}/{n:08}.jpg" for category in categories for n in range(1, size + 1)]


def test_gm_srms_pair_has_74000_3000_3000(catalogue):
    chosen = entry(catalogue, "places2-pair", split__categories=["b/beach", "/m/mountain"])
    names = pair(40_000, "b/beach", "m/mountain", "z/zoo")
    assigned = assign(chosen, names, nothing)
    assert counted(assigned) == {"train": 74_000, "val": 3_000, "test": 3_000}
    assert apart(assigned, "train", "val", "test")
    for split, each in {"train": 37_000, "val": 1_500, "test": 1_500}.items():
        for category in ("/b/beach/", "/m/mountain/"):
            assert sum(category in name for name in assigned.splits[split]) == each
    assert assigned.left_out == {"in no split": 40_000}


def test_gm_srms_pair_must_be_chosen(catalogue):
    unchosen = {"places2-pair": entry(catalogue, "places2-pair")}
    with pytest.raises(InputError, match=r"^datasets\.yaml: places2-pair\.split\.categories is null; accepted: cat"):
        filled_slot(unchosen, "places2-pair", ["places2-pair"])


def test_a_pair_of_smaller_categories_is_not_the_papers(catalogue):
    chosen = entry(catalogue, "places2-pair", split__categories=["b/beach", "m/mountain"])
    with pytest.raises(InputError, match="asked for 74000 pictures to train, found 73998"):
        assign(chosen, pair(39_999, "b/beach", "m/mountain"), nothing)


@pytest.mark.parametrize(
    "categories, message",
    [
        (["b/beach", "b/beach"], "'b/beach' appears twice; accepted: each value once"),
        (["b/beach", "/b/beach/"], "asked for each picture in one split, found .*/b/beach/.* twice"),
        (["s/pool", "s/pool/indoor"], "asked for each picture in one split, found .*/s/pool/indoor/.* twice"),
        (
            ["b/beach", "q/quay"],
            r"no picture with a name like train_large.*/q/quay/\*; accepted: a pattern",
        ),
    ],
)
def test_categories_share_no_picture_and_exist(catalogue, categories, message):
    names = pair(40, "b/beach", "s/pool/indoor", "s/pool/outdoor")
    with pytest.raises(InputError, match=message):
        chosen = entry(catalogue, "places2-pair", split__categories=categories, split__val=1, split__test=1,
                       counts=NONE)  # fmt: skip
        assign(chosen, names, nothing)


def celeba_hq_lists() -> dict[str, bytes]:
    """In the lists' own form: shuffled numbers from 0, with an ending."""
    shuffled = np.random.default_rng(0).permutation(30_000)
    parts = {"train_shuffled.flist": shuffled[:28_000], "val_shuffled.flist": shuffled[28_000:]}
    return {name: "".join(f"{number}.jpg\n" for number in part).encode() for name, part in parts.items()}


def celeba_hq() -> list[str]:
    """Pictures from 0, as CelebAMask-HQ has them, the masks beside them, and the lists."""
    masks = [f"{HQ.removesuffix('CelebA-HQ-img')}CelebAMask-HQ-mask-anno/0/00000_hair.png"]
    return [*numbered(f"{HQ}/%d.jpg", 30_000, 0), *masks, "train_shuffled.flist", "val_shuffled.flist"]


def test_celeba_hq_has_deepfills_28000_and_2000_by_its_lists(catalogue):
    lists = celeba_hq_lists()
    assigned = assign(entry(catalogue, "celeba-hq"), celeba_hq(), lists.__getitem__)
    assert counted(assigned) == {"train": 28_000, "test": 2_000, "val": 64}
    assert apart(assigned, "train", "test")
    listed = {f"{HQ}/{line}" for line in lists["val_shuffled.flist"].decode().split()}
    assert set(assigned.splits["test"]) == listed
    assert assigned.left_out == {"no picture by its ending": 2, "in no split": 1}


def test_an_archive_that_counts_from_1_is_shifted(catalogue):
    one_based = entry(catalogue, "celeba-hq", split__member="data256x256.zip/{number:05}.jpg", split__shift=1)
    names = numbered("data256x256.zip/%05d.jpg", 30_000)
    lists = celeba_hq_lists()
    assigned = assign(one_based, names, lists.__getitem__)
    assert counted(assigned) == {"train": 28_000, "test": 2_000, "val": 64}
    first = int(lists["val_shuffled.flist"].split(b".")[0])
    assert f"data256x256.zip/{first + 1:05}.jpg" in assigned.splits["test"]
    with pytest.raises(InputError, match=r"train_shuffled.flist: asked for 28000 pictures, found no .*/00000\.jpg"):
        assign(entry(catalogue, "celeba-hq", split__member="data256x256.zip/{number:05}.jpg"), names, lists.__getitem__)


def test_celeba_hq_has_gm_srms_27000_and_3000_by_draw(catalogue):
    names = numbered(f"{HQ}/%d.jpg", 30_000, 0)
    assigned = assign(entry(catalogue, "celeba-hq-gm-srm"), names, nothing)
    assert counted(assigned) == {"train": 27_000, "test": 3_000, "val": 64}
    assert apart(assigned, "train", "test")
    assert assigned.splits["test"] != names[-3_000:] and assigned.splits["test"] != names[:3_000]


def test_celeba_has_162770_19867_19962_by_its_partition(catalogue):
    parts = [("0", 162_770), ("1", 19_867), ("2", 19_962)]
    values = [value for value, count in parts for _ in range(count)]
    lines = "".join(f"{number:06}.jpg {value}\n" for number, value in enumerate(values, 1))
    names = numbered("img_align_celeba.zip/img_align_celeba/%06d.jpg", 202_599)
    files = {"list_eval_partition.txt": lines.encode()}
    assigned = assign(entry(catalogue, "celeba"), [*names, "list_eval_partition.txt"], files.__getitem__)
    assert counted(assigned) == {"train": 162_770, "val": 19_867, "test": 19_962}
    assert assigned.splits["train"] + assigned.splits["val"] + assigned.splits["test"] == names


def test_paris_streetview_has_14900_and_100(catalogue):
    train = numbered("paris-streetview.zip/paris_train_original/48.85_2.35_%d_-004.JPG", 14_900)
    test = numbered("paris-streetview.zip/paris_eval/paris_eval_gt/%03d_im.png", 100)
    holed = numbered("paris-streetview.zip/paris_eval/paris_eval_corrupted/%03d_im.png", 100)
    assigned = assign(entry(catalogue, "paris-streetview"), train + holed + test, nothing)
    assert counted(assigned) == {"train": 14_900, "test": 100, "val": 64}
    assert assigned.splits["test"] == test
    assert assigned.left_out == {"in no split": 100}


def test_imagenet_has_50000_to_test(catalogue):
    names = numbered("ILSVRC2012_img_val.tar/ILSVRC2012_val_%08d.JPEG", 50_000)
    assigned = assign(entry(catalogue, "imagenet"), names, nothing)
    assert assigned.splits == {"test": names}


def test_dtd_has_5610_and_30(catalogue):
    classes = [f"class{number}" for number in range(47)]
    names = [f"dtd-r1.0.1.tar.gz/dtd/images/{c}/{c}_{n:04}.jpg" for c in classes for n in range(1, 121)]
    labels = numbered("dtd-r1.0.1.tar.gz/dtd/labels/train%d.txt", 10)
    assigned = assign(entry(catalogue, "dtd"), names + labels, nothing)
    assert counted(assigned) == {"train": 5_610, "test": 30, "val": 30}
    assert apart(assigned, "train", "test") and assigned.splits["val"] == assigned.splits["test"]
    assert assigned.left_out == {"no picture by its ending": 10}


def test_every_shipped_archive_entry_makes_a_test_split_and_one_to_watch(catalogue):
    sections = build(Catalogue, catalogue, "").root
    for name, each in sections.items():
        if isinstance(each, splits.Found):
            assert each.makes() >= {"test"}, name
            wanted = {split for split in ("train", "val", "test") if getattr(each.counts, split)}
            assert wanted <= each.makes(), name


# ---- draws


RANDOM = {"by": "random", "of": "*", "seed": 1, "val": 3, "test": 5}


@pytest.mark.parametrize("order", range(3))
def test_a_draw_does_not_depend_on_the_order_of_names(order):
    names = numbered("a/%d.png", 40)
    shuffled = [names[place] for place in np.random.default_rng(order).permutation(40)]
    one, other = (assign(rule(RANDOM), each, nothing).splits for each in (names, shuffled))
    for split in ("train", "val", "test"):
        assert sorted(one[split]) == sorted(other[split])
        assert other[split] == [name for name in shuffled if name in one[split]]  # as the archive has them
    assert sorted(chain.from_iterable(one.values())) == sorted(names)


def test_a_draw_depends_on_its_seed():
    drawn = {tuple(assign(rule(RANDOM | {"seed": seed}), numbered("%d.png", 40), nothing).splits["test"])
             for seed in range(5)}  # fmt: skip
    assert len(drawn) == 5


def test_a_category_is_drawn_as_if_it_were_alone():
    by = {"by": "category", "of": "{category}/*", "seed": 1, "val": 1, "test": 2}
    names = numbered("b/%d.png", 10) + numbered("a/%d.png", 12)
    both = assign(rule(by | {"categories": ["a", "b"]}), names, nothing).splits
    alone = assign(rule(by | {"categories": ["b"]}), names, nothing).splits
    for split in ("train", "val", "test"):
        assert [name for name in both[split] if name.startswith("b/")] == alone[split]
        assert both[split] == [name for name in names if name in both[split]]


@pytest.mark.parametrize("count", [0, 1, 8])
def test_a_draw_leaves_some_to_train_on(count):
    found = rf"split\.test is 5 and split\.val is 3, found {count} pictures?; accepted: numbers or shares that leave"
    with pytest.raises(InputError, match=found):
        assign(rule(RANDOM), numbered("%d.png", count), nothing)
    assert len(assign(rule(RANDOM), numbered("%d.png", 9), nothing).splits["train"]) == 1


@pytest.mark.parametrize("count, test, val", [(33, 7, 3), (10, 2, 1), (4, 1, 1), (1000, 200, 100)])
def test_shares_are_drawn_like_the_numbers_that_they_come_to(count, test, val):
    names = numbered("%04d.png", count)
    shares = assign(rule(RANDOM | {"test": 0.2, "val": 0.1}), names, nothing)
    assert shares == assign(rule(RANDOM | {"test": test, "val": val}), names, nothing)
    mixed = assign(rule(RANDOM | {"test": 0.2, "val": 0}), names, nothing).splits
    assert {split: len(members) for split, members in mixed.items()} == {"train": count - test, "test": test}


@pytest.mark.parametrize("share", [1.0, 0.0, -0.1, 20.5])
def test_a_share_is_of_the_whole(share):
    with pytest.raises(InputError, match=r"split\.test is .*; accepted: a whole number or a number (above 0|below 1)"):
        rule(RANDOM | {"test": share})


# ---- what training watches


@pytest.mark.parametrize("count, watched", [(1, 1), (7, 7), (64, 64), (65, 64), (1000, 64)])
def test_val_of_test_is_spread_over_test(count, watched):
    names = numbered("%04d.png", count)
    test = assign(rule({"by": "paths", "train": None, "val": None, "test": "*"}, val_of_test=64), names, nothing).splits
    assert test["test"] == names
    places = [names.index(name) for name in test["val"]]
    assert len(set(places)) == len(places) == watched
    assert places[0] == 0 and places == sorted(places) and (count == 1 or places[-1] == count - 1)
    gaps = np.diff(places)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


# ---- what a rule leaves out and refuses


def test_other_files_and_pictures_in_no_split_are_counted():
    names = ["a/1.png", "a/2.JPG", "b/3.Tiff", "readme", "a/list.txt", "a/4.jpg.md5", ".png"]
    assigned = assign(rule({"by": "paths", "train": "a/*", "val": None, "test": None}), names, nothing)
    assert assigned.splits == {"train": ["a/1.png", "a/2.JPG"]}
    assert assigned.left_out == {"no picture by its ending": 4, "in no split": 1}


def test_a_pattern_is_of_the_whole_name_and_its_star_of_folders_too():
    names = ["x/a/1.png", "a/1.png", "a/b/c/2.png", "ab/3.png"]
    assigned = assign(rule({"by": "paths", "train": "a/*", "val": "x/*", "test": "ab/?.png"}), names, nothing)
    assert assigned.splits == {"train": ["a/1.png", "a/b/c/2.png"], "val": ["x/a/1.png"], "test": ["ab/3.png"]}


def test_a_pattern_that_finds_nothing_is_refused():
    with pytest.raises(
        InputError, match=r"asked for pictures to test, found none among 2, such as a\.png; accepted: a split rule"
    ):
        assign(rule({"by": "paths", "train": "a*", "val": None, "test": "c*"}), ["a.png", "b.png"], nothing)


def test_patterns_that_find_a_picture_twice_are_refused():
    overlapping = rule({"by": "paths", "train": "a/*", "val": None, "test": "*/1.png"})
    with pytest.raises(InputError, match=r"each picture in one split, found a/1\.png twice, in train and test"):
        assign(overlapping, ["a/1.png", "a/2.png"], nothing)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_wrong_count_is_refused(split):
    by = {"by": "paths", "train": "a*", "val": "b*", "test": "c*"}
    names = ["a1.png", "b1.png", "c1.png"]
    assert counted(assign(rule(by, **{split: 1}), names, nothing))[split] == 1
    for wrong in (0, 2):
        with pytest.raises(InputError, match=f"asked for {wrong} pictures to {split}, found 1; accepted: the whole"):
            assign(rule(by, **{split: wrong}), names, nothing)


LISTS = {"by": "lists", "train": "train.txt", "val": None, "test": "test.txt", "member": "p/{name}", "shift": 0}
NAMES = ["p/1.png", "p/2.png", "p/3.png", "train.txt", "test.txt"]


def test_lists_may_hold_labels_slashes_and_empty_lines():
    files = {"train.txt": b"/1.png 0\r\n\r\n  3.png\t17\n", "test.txt": b"2.png"}
    assigned = assign(rule(LISTS), NAMES, files.__getitem__)
    assert assigned.splits == {"train": ["p/1.png", "p/3.png"], "test": ["p/2.png"]}
    assert assigned.left_out == {"no picture by its ending": 2}


@pytest.mark.parametrize(
    "train, message",
    [
        (
            b"1.png\n4.png\n5.png\n",
            "train.txt: asked for 3 pictures, found no p/4.png, and 2 of them missing in all; accepted",
        ),
        (
            b"1.png\n3.png\n1.png\n",
            "train.txt: asked for a list that names each picture once, found 3 lines for 2",
        ),
        (b"1.png\n2.png\n", "asked for each picture in one split, found p/2.png twice, in train and test"),
        (b"\x89PNG\r\n\x1a\n", "train.txt: asked for a list of pictures, found no text"),
        (b"\n", "asked for pictures to train, found none among 3"),
    ],
)
def test_a_list_that_is_none_is_refused(train, message):
    files = {"train.txt": train, "test.txt": b"2.png"}
    with pytest.raises(InputError, match=re.escape(message)):
        assign(rule(LISTS), NAMES, files.__getitem__)


def test_a_list_of_numbers_holds_numbers():
    files = {"train.txt": b"1.png\nnone.png\n", "test.txt": b"img00000002.png"}
    with pytest.raises(InputError, match=r"a list of numbered pictures, found 'none\.png'; accepted: names such as 17"):
        assign(rule(LISTS | {"member": "p/{number}.png"}), NAMES, files.__getitem__)
    files["train.txt"] = b"3.jpg"
    assert assign(rule(LISTS | {"member": "p/{number}.png"}), NAMES, files.__getitem__).splits == {
        "train": ["p/3.png"], "test": ["p/2.png"],
    }  # fmt: skip


PARTITION = {"by": "partition", "file": "part.txt", "member": "p/{name}", "train": "0", "val": "1", "test": "2"}


@pytest.mark.parametrize(
    "text, message",
    [
        (
            b"1.png 0\n2.png 1\n3.png 3\n",
            "part.txt: asked for a picture's name and its split, found '3.png 3'; accepted: one of 0, 1, 2 behind it",
        ),
        (
            b"1.png 0\n2.png\n",
            "part.txt: asked for a picture's name and its split, found '2.png'; accepted: one of 0, 1, 2 behind it",
        ),
        (
            b"1.png 0\n2.png 1\n4.png 2\n",
            "part.txt: asked for 1 picture, found no p/4.png, and 1 of them missing in all; accepted",
        ),
        (b"1.png 0\n1.png 0\n2.png 1\n", "found 2 lines for 1 picture;"),
        (b"1.png 0\n1.png 1\n2.png 2\n", "found p/1.png twice, in train and val"),
        (b"1.png 0\n2.png 1\n", "asked for pictures to test, found none among 3"),
        (b"\xff\xfe", "part.txt: asked for a list of pictures, found no text"),
    ],
)
def test_a_partition_that_is_none_is_refused(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        assign(rule(PARTITION), NAMES, {"part.txt": text}.__getitem__)


def test_a_partitions_names_may_hold_spaces():
    names = ["p/a b.png", "p/2.png", "p/3.png"]
    files = {"part.txt": b"3.png 0\na b.png   1\n2.png 2\n"}
    assert assign(rule(PARTITION), names, files.__getitem__).splits == {
        "train": ["p/3.png"], "val": ["p/a b.png"], "test": ["p/2.png"],
    }  # fmt: skip


def test_a_count_of_a_split_that_the_rule_does_not_make_is_refused():
    only_test = rule({"by": "paths", "train": None, "val": None, "test": "*"}, train=5)
    with pytest.raises(InputError, match="asked for 5 pictures to train, found 0"):
        assign(only_test, ["a.png", "b.png"], nothing)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"val_of_test": 1, "split": {"by": "random", "of": "*", "seed": 1, "val": 4, "test": 3}},
            "one that makes test",
        ),
        ({"val_of_test": 1, "split": {"by": "paths", "train": "*", "val": None, "test": None}}, "one that makes test"),
        ({"split": {**LISTED, "member": "{nmae}"}}, r"split\.member is '{nmae}'.*accepted: text with {name}, {number}"),
        ({"split": {**LISTED, "member": "{name"}}, r"split\.member is '{name'"),
        ({"split": {**LISTED, "member": "{number:s}"}}, r"split\.member is"),
        ({"split": {**PART, "member": "{number}"}}, r"split\.member is '{number}'.*accepted: text with {name}"),
        ({"split": {**DRAWN, "of": "{cat}/*"}}, r"split\.of is '{cat}/\*'.*accepted: text with {category}"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_the_settings(changes, said):
    with pytest.raises(InputError, match=said):
        build(splits.Found, {"val_of_test": None, "counts": NONE} | changes, "")


def test_a_list_may_begin_with_a_byte_order_mark():
    lists = rule({**LISTED, "train": "a.txt", "test": None})
    assert assign(lists, ["1.jpg", "2.jpg"], lambda name: "1.jpg\n".encode("utf-8-sig")).splits == {"train": ["1.jpg"]}
