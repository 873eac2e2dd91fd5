"""Which files of a dataset are its photographs, and which split each belongs to.

A rule sees only names: `<archive>/<path in it>`, or a path below a person's folder. In a pattern, `*` matches anything,
`/` included.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator

from palimpsest.config.numbers import Seed
from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError, Settings, each_once, shown
from palimpsest.data.folders import ACCEPTED, normal
from palimpsest.data.pictures import is_picture
from palimpsest.data.shards import SPLITS, spread

Split = dict[str, list[str]]  # split → names, in the archives' order
Read = Callable[[str], bytes]  # contents of a file by its name


class Counts(Settings):
    """How many photographs each split must have; null = any number."""

    train: NonNegativeInt | None
    val: NonNegativeInt | None
    test: NonNegativeInt | None


def _filled(template: str, **example: str | int) -> str:
    try:
        template.format(**example)
    except (LookupError, ValueError, AttributeError) as error:
        fields = ", ".join(f"{{{name}}}" for name in example)
        raise ValueError(f"it cannot be filled in ({error!r}); accepted: text with {fields}") from error
    return template


class BySplit(Settings):
    """One text for each split; null = there is no such split."""

    train: str | None
    val: str | None
    test: str | None

    def makes(self) -> set[str]:
        return {split for split in SPLITS if getattr(self, split)}


class Paths(BySplit):
    """A pattern for each split."""

    by: Literal["paths"]

    def assign(self, names: Sequence[str], read: Read) -> Split:
        return {split: _matching(getattr(self, split), names) for split in SPLITS if split in self.makes()}


class Lists(BySplit):
    """A list for each split: a file with one name per line."""

    by: Literal["lists"]
    # path of a listed photograph: {name} is the name as listed, {number} the number in it plus `shift`
    member: Annotated[str, AfterValidator(partial(_filled, name="17.jpg", number=17))]
    shift: int

    def assign(self, names: Sequence[str], read: Read) -> Split:
        return {
            split: _present(names, (self._member(line) for line in _lines(read, file)), file)
            for split in SPLITS
            if (file := getattr(self, split))
        }

    def _member(self, line: str) -> str:
        name = re.sub(r"\s+\d+$", "", line).lstrip("/")  # places365_val.txt has a label behind each name
        digits = re.search(r"\d+", PurePosixPath(name).stem)
        if "{number" in self.member and not digits:
            raise InputError(f"asked for a list of numbered pictures, found {line!r}; accepted: names such as 17.jpg")
        return self.member.format(name=name, number=int(digits[0]) + self.shift if digits else None)


class Partition(Settings):
    """One file for all splits: on each line a name, then the value that means its split."""

    by: Literal["partition"]
    file: str
    member: Annotated[str, AfterValidator(partial(_filled, name="17.jpg"))]  # path of a listed photograph
    train: str
    val: str
    test: str

    def makes(self) -> set[str]:
        return set(SPLITS)

    def assign(self, names: Sequence[str], read: Read) -> Split:
        listed: dict[str, list[str]] = {getattr(self, split): [] for split in SPLITS}
        for line in _lines(read, self.file):
            name, _, value = line.rpartition(" ")
            if value not in listed:
                raise InputError(
                    f"{self.file}: asked for a picture's name and its split, found {line!r}; accepted: one of "
                    f"{', '.join(listed)} behind it"
                )
            listed[value].append(self.member.format(name=name.strip()))
        return {split: _present(names, listed[getattr(self, split)], self.file) for split in SPLITS}


class Draw(NamedTuple):
    """What one seeded draw gives each split, in the order drawn."""

    test: list[str]
    val: list[str]
    train: list[str]  # the rest; the first of these take the places of unusable photographs in the other splits


# photographs of each pattern, or their share of those that it matches, rounded, and at least one
Amount = NonNegativeInt | Annotated[float, Field(gt=0, lt=1)]


class Drawn(Settings):
    """A seeded draw from the photographs of each pattern: first `test`, then `val`; the rest is `train`."""

    seed: Seed
    val: Amount
    test: Amount

    @property
    def patterns(self) -> list[str]:
        raise NotImplementedError

    def makes(self) -> set[str]:
        return {"train"} | {split for split in ("val", "test") if getattr(self, split)}

    def assign(self, names: Sequence[str], read: Read) -> Split:
        draws, place = self.draws(names), {name: number for number, name in enumerate(names)}
        return {
            split: sorted((name for draw in draws for name in getattr(draw, split)), key=place.get)
            for split in SPLITS
            if split in self.makes()
        }

    def draws(self, names: Sequence[str]) -> list[Draw]:
        """They depend on the set of names alone, not on their order; InputError where a pattern matches too few."""
        return [self._draw(pattern, sorted(_matching(pattern, names))) for pattern in self.patterns]

    def _draw(self, pattern: str, names: list[str]) -> Draw:
        test, val = (_number(amount, len(names)) for amount in (self.test, self.val))
        if not names and pattern != "*":
            raise InputError(f"split: found no picture with a name like {pattern}; accepted: a pattern that fits some")
        if len(names) <= test + val:
            found = number_of(len(names), "picture") + ("" if pattern == "*" else f" with names like {pattern}")
            raise InputError(
                f"split.test is {self.test} and split.val is {self.val}, found {found}; accepted: numbers or shares "
                f"that leave pictures to train on, such as test: 0.2 and val: 0.1"
            )
        drawn = [names[place] for place in np.random.default_rng(self.seed).permutation(len(names))]
        return Draw(drawn[:test], drawn[test : test + val], drawn[test + val :])


def _number(amount: int | float, pictures: int) -> int:
    return amount if isinstance(amount, int) else max(1, round(amount * pictures))


class Random(Drawn):
    """A draw from all photographs that match a pattern."""

    by: Literal["random"]
    of: str

    @property
    def patterns(self) -> list[str]:
        return [self.of]


class Categories(Drawn):
    """The same draw from each of several categories."""

    by: Literal["category"]
    of: Annotated[str, AfterValidator(partial(_filled, category="b/beach"))]  # a pattern
    categories: Annotated[list[str], AfterValidator(each_once)] | None  # null = a person has to choose

    @property
    def patterns(self) -> list[str]:
        return [self.of.format(category=category.strip("/")) for category in self.categories or []]


Rule = Annotated[Paths | Lists | Partition | Random | Categories, Field(discriminator="by")]


class Found(Settings):
    """How the pictures of a dataset are found and split."""

    split: Rule
    val_of_test: PositiveInt | None  # photographs of `test` that are its `val` too; null = `val` is a split of its own
    counts: Counts

    @model_validator(mode="after")
    def _has_one_val(self) -> Self:
        made = self.split.makes()
        if self.val_of_test and ("val" in made or "test" not in made):
            found = f"a rule that makes {', '.join(sorted(made))}"
            raise ValueError(f"val_of_test {self.val_of_test} with {found}; accepted: one that makes test and no val")
        return self

    def makes(self) -> set[str]:
        return self.split.makes() | ({"val"} if self.val_of_test else set())

    def check_split(self, dataset: str) -> None:
        """InputError where a person must still choose categories."""
        if isinstance(self.split, Categories) and not self.split.categories:
            found = f"{dataset}.split.categories is {shown(self.split.categories)}"
            raise InputError(f"datasets.yaml: {found}; accepted: categories of its own, such as [b/beach, m/mountain]")


@dataclass(frozen=True)
class Assigned:
    """The photographs of each split, and how many files are in none, by reason."""

    splits: Split
    order: list[str]  # the photographs of all splits, in the archives' order
    draws: list[Draw]  # none where the rule names the photographs of each split
    left_out: dict[str, int]


def assign(rule: Found, names: Iterable[str], read: Read) -> Assigned:
    """The splits of a dataset with these files; `read` gives the contents of a list by its name.

    Raises InputError if a rule finds nothing, another number than `counts` says, or a photograph for two splits.
    """
    names = list(names)
    pictures = list(filter(is_picture, names))
    if names and not pictures:
        raise InputError(
            f"asked for pictures, found {number_of(len(names), 'other file')}, such as {names[0]!r}; "
            f"accepted: {ACCEPTED}"
        )
    splits = rule.split.assign(pictures, read)
    where: dict[str, str] = {}
    for split, members in splits.items():
        for name in members:
            if name in where:
                found = f"{name} twice, in {where[name]} and {split}"
                raise InputError(
                    f"asked for each picture in one split, found {found}; accepted: rules that do not meet"
                )
            where[name] = split
    left_out = {"no picture by its ending": len(names) - len(pictures), "in no split": len(pictures) - len(where)}
    if rule.val_of_test:
        splits["val"] = [splits["test"][place] for place in spread(len(splits["test"]), rule.val_of_test)]
    for split in SPLITS:
        wanted, members = getattr(rule.counts, split), splits.get(split)
        if members is None and wanted is None:
            continue
        members = members or []
        if wanted is not None and len(members) != wanted:
            raise InputError(
                f"asked for {wanted} pictures to {split}, found {len(members)}; accepted: the whole set or other counts"
            )
        if not members:
            found = f"none among {len(pictures)}{f', such as {pictures[0]}' if pictures else ''}"
            raise InputError(f"asked for pictures to {split}, found {found}; accepted: a split rule that finds some")
    draws = rule.split.draws(pictures) if isinstance(rule.split, Drawn) else []
    order = [name for name in pictures if name in where]
    return Assigned(splits, order, draws, {why: count for why, count in left_out.items() if count})


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    matches = re.compile(translate(pattern)).match
    return [name for name in names if matches(name)]


def _present(names: Sequence[str], listed: Iterable[str], file: str) -> list[str]:
    """Those of `names` that a list holds, in whatever Unicode form; InputError if it holds others, or one twice."""
    wanted = [normal(name) for name in listed]
    members = set(wanted)
    if len(members) != len(wanted):
        raise InputError(f"{file}: asked for a list that names each picture once, found {len(wanted)} lines for "
                         f"{number_of(len(members), 'picture')}; accepted: none twice")  # fmt: skip
    present = [name for name in names if normal(name) in members]
    if absent := members.difference(map(normal, present)):
        found = f"no {min(absent)}, and {len(absent)} of them missing in all"
        raise InputError(
            f"{file}: asked for {number_of(len(wanted), 'picture')}, found {found}; accepted: all that it names"
        )
    return present


def _lines(read: Read, file: str) -> Iterator[str]:
    try:
        text = read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: asked for a list of pictures, found no text ({error}); accepted: UTF-8") from error
    return (line.strip() for line in text.splitlines() if line.strip())
