"""Entry points, one a stage: `python -m stages.NAME [ARGUMENT]`, from the project's folder.

A stage runs the package of the tree that it stands in, whatever is installed, straight from its source: what is hashed
is what runs, as no compiled file can stand in for it.
"""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path

LOADED: dict[str, bytes] = {"stages": Path(__file__).read_bytes()}  # module → the source that it was made from


class Loader(SourceFileLoader):
    """Compiles a module from its source, which it keeps."""

    def get_code(self, fullname: str):
        LOADED[fullname] = self.get_data(self.path)
        return self.source_to_code(LOADED[fullname], self.path)


class Finder(PathFinder):
    """Finds the modules of this project."""

    @classmethod
    def find_spec(cls, fullname: str, path=None, target=None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ("palimpsest", "stages"):
            return None
        spec = super().find_spec(fullname, path, target)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(fullname, spec.loader.path)
        return spec


sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.meta_path.insert(0, Finder)

from palimpsest.config.entry import in_one_line  # noqa: E402
from palimpsest.config.yaml import InputError  # noqa: E402
from palimpsest.manifests import refuse_changes  # noqa: E402
from palimpsest.resolved import Resolved  # noqa: E402


def run(main: Callable[[Resolved], None]) -> None:
    """Runs a stage with what `check` resolved for it; a bad input ends in one line and exit status 1.

    The source that was loaded is compared with the stage's manifest before anything is made and once more before it is
    recorded.
    """
    in_one_line(lambda: _compared(main))


def _compared(main: Callable[[Resolved], None]) -> None:
    name = sys.modules["__main__"].__spec__.name.removeprefix("stages.")
    if len(sys.argv) > 2:
        raise InputError(f"stages.{name}: asked for {' '.join(sys.argv[1:])}; accepted: one name, or none")
    resolved = Resolved.read(name, *sys.argv[1:])
    refuse_changes(LOADED, resolved.code)
    main(resolved)
    refuse_changes(LOADED, resolved.code)
    if Resolved.read(name, *sys.argv[1:]) != resolved:
        raise InputError(f"{resolved.path}: has changed while the stage ran, so nothing is recorded; run it again")
