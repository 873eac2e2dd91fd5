"""Entry points, one a stage: `python -m stages.NAME [ARGUMENT]`, from the project's folder.

A stage runs the package of its own tree, whatever is installed, and only source that its manifest names:
every module is compiled from the very source that is compared, here and in the processes that a stage starts.
"""

import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path

RESOLVED = "STAGE_RESOLVED"  # environment variable: the file whose manifest holds for this process
LOADED: dict[str, bytes] = {"stages": Path(__file__).read_bytes()}  # module → the source that it was made from
EXPECTED: dict[str, str] = {}  # the manifest, once it is known


class Loader(SourceFileLoader):
    """Compiles a module from its source, never from a compiled file that may be older."""

    def get_code(self, fullname: str):
        LOADED[fullname] = self.get_data(self.path)
        if EXPECTED:
            refuse_changes({fullname: LOADED[fullname]}, EXPECTED)
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

from palimpsest.config.stopping import watch  # noqa: E402

watch()  # what a stage imports takes seconds

from palimpsest.config.entry import in_one_line  # noqa: E402
from palimpsest.config.yaml import InputError  # noqa: E402
from palimpsest.manifests import Manifest, published_hash, refuse_changes  # noqa: E402
from palimpsest.resolved import Resolved  # noqa: E402


def expect(code: Manifest) -> None:
    """From here on this process may load only what the manifest names; InputError for what it has loaded already."""
    EXPECTED.update(code)
    refuse_changes(LOADED, EXPECTED)


def run(main: Callable[[Resolved], None]) -> None:
    """Runs a stage with what `check` resolved for it; bad input ends in one line and exit status 1.

    Nothing is recorded of a stage whose source or settings are not those that it was given.
    """

    def checked() -> None:
        stage = sys.modules["__main__"].__spec__.name.removeprefix("stages.")
        if len(sys.argv) > 2:
            raise InputError(f"stages.{stage}: asked for {' '.join(sys.argv[1:])}; accepted: at most one name")
        resolved = Resolved.read(stage, *sys.argv[1:])
        os.environ[RESOLVED] = str(resolved.path.absolute())  # for processes that the stage starts
        expect(resolved.code)
        main(resolved)
        if Resolved.read(stage, *sys.argv[1:]) != resolved:
            raise InputError(f"{resolved.path}: has changed while the stage ran, so nothing is recorded; run it again")
        if resolved.published and resolved.published != published_hash():
            raise InputError(
                "src/palimpsest/papers: has changed since `check` read it, so nothing is recorded; run it again"
            )

    in_one_line(checked)


if RESOLVED in os.environ:  # a process that a stage has started
    expect(Resolved.at(Path(os.environ[RESOLVED])).code)
