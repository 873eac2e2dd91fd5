"""Splits keep the number of photographs that was asked for, although some photographs cannot be used."""

from pathlib import Path

import pytest

from data import dataset, encoded, make_folder, make_tar, noise, photograph
from palimpsest.config.yaml import InputError, build
from palimpsest.data import splits
from palimpsest.data.catalogue import Slot, filled_slot
from palimpsest.data.crops import Crops
from palimpsest.data.packing import pack
from palimpsest.data.sharding import split
from palimpsest.data.shards import Shard
from palimpsest.data.sources import Source
from palimpsest.workspace import SlotFiles

CROPS = build(Crops, {"dataset": "own", "scale": None, "size": 16, "resize": "box", "small": "reject",
                      "crop": "centre"}, "")  # fmt: skip
NAMES = [f"{number:02}.png" for number in range(20)]
SMALL = encoded(noise(0, 8, 8))
RULE = {"by": "random", "of": "*", "seed": 1, "val": 3, "test": 5}


def drawn(rule: dict = RULE, names: list[str] = NAMES) -> splits.Draw:
    """The draw of a rule with one category, in its order."""
    [draw] = build(splits.Random, rule, "").draws(names)
    return draw


def own(folder: Path, rule: dict, val_of_test: int | None = None) -> Slot:
    tree = {"rule": "own", "folder": str(folder), "split": rule, "val_of_test": val_of_test,
            "counts": {"train": None, "val": None, "test": None}}  # fmt: skip
    return filled_slot({"own": dataset("own", tree)}, "own", [])


def made(tmp_path: Path, slot: Slot) -> dict[str, list[str]]:
    """{split: the photographs that its pictures show} of a slot."""
    files = SlotFiles(tmp_path / "slot")
    slot.entry.download(slot.dataset, files.raw, tmp_path, None)
    split(CROPS, slot, files, tmp_path, None, tmp_path / "scratch", {})
    return {path.stem: Shard(path.with_suffix("")).photos for path in sorted(files.shards.glob("*.npy"))}


def pictures(bad: list[str], names: list[str] = NAMES) -> dict[str, bytes]:
    return {name: SMALL if name in bad else photograph(1 + place) for place, name in enumerate(names)}


def test_test_and_val_are_filled_up_in_the_order_of_the_draw(tmp_path, capsys):
    test, val, rest = drawn()
    folder = make_folder(tmp_path / "own", pictures([test[0], test[3], val[1], rest[1]]))
    found = made(tmp_path, own(folder, RULE))
    assert sorted(found["test"]) == sorted({*test, rest[0], rest[2]} - {test[0], test[3]})
    assert sorted(found["val"]) == sorted({*val, rest[3]} - {val[1]})
    assert found["train"] == sorted(rest[4:])
    small = "smaller than 16 x 16 px"
    remarks = [
        "train: asked for 12 photographs, used 8; gave 4 to other splits, in place of rejected ones",
        f"val: asked for 3 photographs, used 3; rejected 1 ({small}); took 1 more in their place",
        f"test: asked for 5 photographs, used 5; rejected 3 ({small}); took 3 more in their place",
    ]
    assert capsys.readouterr().out.splitlines()[-3:] == [f"slot, own, {remark}" for remark in remarks]
    report = (tmp_path / "slot" / "report" / "report.md").read_text()
    assert all(f"\n{remark}.\n" in report for remark in remarks) and "| asked for | 12 | 3 | 5 |" in report


def test_a_twin_of_a_test_photograph_is_replaced_in_val(tmp_path):
    test, val, rest = drawn()
    files = pictures([])
    files[val[0]] = files[test[0]]
    found = made(tmp_path, own(make_folder(tmp_path / "own", files), RULE))
    assert sorted(found["val"]) == sorted([*val[1:], rest[0]]) and len(found["test"]) == 5


def test_photographs_that_are_all_good_stay_where_they_were_drawn(tmp_path, capsys):
    test, val, rest = drawn()
    found = made(tmp_path, own(make_folder(tmp_path / "own", pictures([])), RULE))
    assert found == {"test": sorted(test), "val": sorted(val), "train": sorted(rest)}
    assert "asked for" not in capsys.readouterr().out


def test_a_place_is_filled_from_its_own_category(tmp_path):
    rule = {"by": "category", "of": "{category}/*", "categories": ["a", "b"], "seed": 1, "val": 0, "test": 3}
    names = [f"{category}/{number}.png" for category in "ab" for number in range(8)]
    draws = build(splits.Categories, rule, "").draws(names)
    folder = make_folder(tmp_path / "own", pictures(draws[0].test[:2], names))
    found = made(tmp_path, own(folder, rule))
    assert sorted(found["test"]) == sorted([draws[0].test[2], *draws[0].train[:2], *draws[1].test])
    assert sorted(found["train"]) == sorted([*draws[0].train[2:], *draws[1].train])


@pytest.mark.parametrize("by", ["random", "paths"])
def test_a_val_that_shows_test_is_filled_up_from_test(tmp_path, by):
    rule = {"random": RULE | {"val": 0}, "paths": {"by": "paths", "train": None, "val": None, "test": "*"}}[by]
    test = sorted(drawn(rule).test) if by == "random" else NAMES
    found = made(tmp_path, own(make_folder(tmp_path / "own", pictures([test[0]])), rule, val_of_test=2))
    assert len(found["val"]) == 2 and set(found["val"]) < set(found["test"]) and test[0] not in found["test"]
    assert len(found["test"]) == (5 if by == "random" else 19)


def test_a_split_of_named_photographs_says_how_many_are_left(tmp_path, capsys):
    rule = {"by": "paths", "train": "0*", "val": None, "test": "1*"}
    found = made(tmp_path, own(make_folder(tmp_path / "own", pictures(["11.png", "12.png"])), rule))
    assert found == {"train": NAMES[:10], "test": ["10.png", *NAMES[13:]]}
    said = "slot, own, test: asked for 10 photographs, used 8; rejected 2 (smaller than 16 x 16 px)"
    assert capsys.readouterr().out.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("good", "said"),
    [
        (
            4,
            r"test: asked for 5 photographs that can be used, found 4 among 17 \(smaller than 16 x 16 px\); acc",
        ),
        (
            7,
            r"val: asked for 3 photographs that can be used, found 2 among 15 \(smaller than 16 x 16 px\); acc",
        ),
        (8, r"train: asked for photographs that can be used, found none among 12 \(smaller than 16 x 16 px\); accepte"),
    ],
)
def test_too_few_good_photographs_are_refused_in_one_line(tmp_path, good, said):
    """The first of the draw are good, so that test is whole before val has one, and val before train."""
    test, val, rest = drawn()
    folder = make_folder(tmp_path / "own", pictures([*test, *val, *rest][good:]))
    with pytest.raises(InputError, match=said):
        made(tmp_path, own(folder, RULE))
    assert not (tmp_path / "slot" / "shards").exists()


def test_training_is_left_one_photograph_at_least(tmp_path):
    names = NAMES[:9]
    test, _, _ = drawn(RULE, names)
    folder = make_folder(tmp_path / "own", pictures([test[0]], names))
    said = r"train: asked for photographs .* found none among 0 \(all that were drawn took the places of others"
    with pytest.raises(InputError, match=said):
        made(tmp_path, own(folder, RULE))


def test_an_archive_in_any_order_is_read_in_its_own(tmp_path):
    """Places are filled up in few passes over an archive, each in the archive's order."""
    names = [f"{number * 7 % 20:02}.png" for number in range(20)]
    archived = [f"all.tar/{name}" for name in names]
    rule = RULE | {"of": "all.tar/*", "test": 8}
    draw = drawn(rule, archived)
    bad = [name.removeprefix("all.tar/") for name in draw.test[:4]]
    make_tar(tmp_path / "all.tar", {name: pictures(bad)[name] for name in names})
    remote = {"url": None, "bytes": None, "hash": None, "how": "none"}
    tree = {"rule": "archived", "terms": "none", "archives": {"all.tar": remote}, "split": rule, "val_of_test": None,
            "counts": {"train": None, "val": None, "test": None}}  # fmt: skip
    slot = filled_slot({"own": dataset("own", tree)}, "own", ["own"])
    found = made(tmp_path, slot)
    kept, added, left = ([n for n in archived if n in part] for part in (draw.test[4:], draw.train[:4], draw.train[4:]))
    assert found["test"] == [*kept, *added] and found["train"] == left


def test_a_run_that_was_stopped_anywhere_fills_up_alike(tmp_path):
    test, val, rest = drawn()
    files = pictures([test[1], test[2], val[0], rest[0], rest[3]])
    assigned = splits.assign(build(splits.Found, {"split": RULE, "val_of_test": None, "counts": {
        "train": None, "val": None, "test": None}}, ""), NAMES, lambda name: b"")  # fmt: skip

    def packed(folder: Path, stop: int) -> bytes:
        """The journals and shards after a run in which reading failed once `stop` photographs were read."""
        read = iter(range(10**6))

        def stream(names):
            for name in names:
                if next(read) == stop:
                    raise InputError("stopped")
                yield name, files[name]

        source = Source(assigned.splits, stream, False, assigned.order, assigned.draws)
        pack(CROPS, source, folder / "shards", folder / "scratch")
        return b"".join(path.read_bytes() for path in sorted(folder.rglob("*.*")))

    wanted = packed(tmp_path / "whole", 10**6)
    for stop in range(len(NAMES) - 1):
        folder = tmp_path / str(stop)
        with pytest.raises(InputError, match="stopped"):
            packed(folder, stop)
        assert packed(folder, 10**6) == wanted


def test_an_id_does_not_depend_on_what_else_is_in_the_split(tmp_path):
    """The pictures of one subfolder keep its name where others are drawn from."""
    names = [f"{folder}/{number}.png" for folder in ("sea", "sky") for number in range(8)]
    draw = drawn(RULE | {"test": 1}, names)
    made(tmp_path, own(make_folder(tmp_path / "own", pictures([draw.test[0]], names)), RULE | {"test": 1}))
    [found] = Shard(tmp_path / "slot" / "shards" / "test").ids
    assert found == draw.train[0].replace("/", "-").removesuffix(".png")
