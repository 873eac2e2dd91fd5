"""README.md shows generated tables: each stands between `<!-- table NAME -->` and `<!-- end of table -->`."""

import re
from pathlib import Path

from palimpsest.config.yaml import InputError

BLOCK = re.compile(r"(<!-- table (?P<name>[\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def refresh(text: str, tables: Path) -> str:
    """The text with the head of each `tables`/NAME.md, its grid without the notes, between its markers."""

    def block(match: re.Match) -> str:
        path = tables / f"{match['name']}.md"
        if not path.is_file():
            raise InputError(f"README.md asks for table {match['name']}, found no {path}; `dvc repro` makes it")
        grid = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        return "\n".join([match[1].rstrip(), *grid, match[3]])

    return BLOCK.sub(block, text)
