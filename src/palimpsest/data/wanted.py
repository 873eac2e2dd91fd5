"""The photographs that a split is packed from: those that its rule names, then another for each that is unusable."""

from collections.abc import Iterator, Mapping, Sequence

from palimpsest.data.sources import Source


class Wanted:
    """Names in the order in which they are packed, a growing list.

    It depends only on what it begins with and on what is said to be unusable, so that a run which was killed and one
    which was not pack the same photographs.
    """

    def __init__(self, names: Sequence[str], spare: Mapping[str, Iterator[str]], order: Sequence[str]):
        """`spare` gives each name what may take its place, `order` is that of the archives."""
        self.names = list(names)
        self._spare, self._order, self._unusable = dict(spare), order, []

    def __iter__(self) -> Iterator[str]:
        """Each name in turn; what becomes of one must be known before the next is asked for."""
        place = 0
        while place < len(self.names) or self.fill_up():
            yield self.names[place]
            place += 1

    def replace(self, name: str) -> None:
        """The photograph is unusable: the next `fill_up` adds another in its place, if one is left."""
        if name in self._spare:
            self._unusable.append(name)

    def fill_up(self) -> bool:
        """Adds what takes the places of unusable photographs; whether there is any."""
        queues = [self._spare[name] for name in self._unusable]
        added = {name: queue for queue in queues if (name := next(queue, None)) is not None}
        self.names += [name for name in self._order if name in added]
        self._spare |= added
        self._unusable.clear()
        return bool(added)


def spare_of_draws(source: Source) -> dict[str, Iterator[str]]:
    """{photograph drawn to test or val: what may take its place}: the rest of its draw, which all of it share."""
    spare: dict[str, Iterator[str]] = {}
    for draw in source.draws:
        spare |= dict.fromkeys([*draw.test, *draw.val], iter(draw.train))
    return spare
