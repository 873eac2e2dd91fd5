"""The photographs of a slot as they are read: their names by split, and the files behind the names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from os.path import commonpath
from pathlib import Path, PurePosixPath

from palimpsest.config.yaml import InputError, Tree, choices
from palimpsest.data import archives
from palimpsest.data.splits import Draw


@dataclass(frozen=True)
class Source:
    """The photographs of a dataset: their names by split, their files, and what the data report says of them."""

    splits: dict[str, list[str]]
    stream: Callable[[list[str]], Iterator[tuple[str, bytes]]]  # names, in the order of a split → (name, file)
    shared: bool  # whether `val` shows pictures of `test`
    order: list[str]  # the photographs of all splits, in the order in which `stream` reads them
    draws: list[Draw] = field(default_factory=list)  # what fills up `test` and `val`; none where a rule names each
    origin: Tree = field(default_factory=dict)  # where they come from
    left_out: dict[str, int] = field(default_factory=dict)  # reason → how many files are in no split

    def ids(self, split: str) -> Callable[[str], str]:
        """name → picture id: the path below the folder that all names share, without its ending.

        All names are those of the split, or, where it is drawn, of everything that it is drawn from. Raises InputError
        if two of them would get the same id.
        """
        names = self.order if self.draws else self.splits[split]
        shared = commonpath([str(PurePosixPath(name).parent) for name in (min(names), max(names))])
        start = 0 if shared in ("", ".") else len(shared) + 1

        def identify(name: str) -> str:
            return str(PurePosixPath(name[start:]).with_suffix("")).replace("/", "-")

        of: dict[str, str] = {}
        for name in names:
            if (other := of.setdefault(identify(name), name)) != name:
                raise InputError(f"{other} and {name} would be one picture's id; accepted: names that differ in more")
        return identify


@dataclass(frozen=True)
class Places:
    """Several archives as one: a file's name begins with its archive's. In a person's folder it is the path alone."""

    paths: dict[str, Path]  # archive → where it is; "" → the folder

    def names(self) -> Iterator[str]:
        """Of all files, in the archives' order."""
        for place, path in self.paths.items():
            if path.is_dir() or path.name.lower().endswith(archives.ENDINGS):
                yield from (f"{place}/{name}".lstrip("/") for name in archives.names(path))
            else:
                yield place

    def read(self, name: str) -> bytes:
        """A file's contents; InputError if there is no such file."""
        place, member = self._apart(name)
        if place not in self.paths:
            raise InputError(f"asked for {name}, found no archive {place}; accepted: {choices(self.paths, place)}")
        return archives.read(self.paths[place], member) if member else self.paths[place].read_bytes()

    def stream(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        """(name, contents) of these files, which must be given in the order of `names()`."""
        for place, of_it in groupby(names, lambda name: self._apart(name)[0]):
            members = [self._apart(name)[1] for name in of_it]
            found = archives.stream(self.paths[place], set(members))
            for wanted, (name, contents) in zip_longest(members, found, fillvalue=("", b"")):
                if name != wanted:
                    raise InputError(
                        f"{self.paths[place]}: asked for {wanted}, found {name or 'its end'}; accepted: an archive "
                        f"that nobody changes meanwhile"
                    )
                yield f"{place}/{name}".lstrip("/"), contents

    def _apart(self, name: str) -> tuple[str, str]:
        """The archive of a file, and the file's path in it."""
        if "" in self.paths:
            return "", name
        place, _, member = name.partition("/")
        return place, member
