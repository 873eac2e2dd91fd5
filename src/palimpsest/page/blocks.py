"""Pages in Markdown with blocks that a command writes: what stands between <!-- name --> and <!-- end of name -->."""

import re
from collections.abc import Mapping

from palimpsest.config.yaml import InputError


def fill(page: str, text: str, blocks: Mapping[str, str]) -> str:
    """A page's text with its blocks written anew; InputError where it lacks one."""
    for name, block in blocks.items():
        markers = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- end of {name} -->)", re.DOTALL)
        if not markers.search(text):
            raise InputError(f"{page}: asked for `<!-- {name} -->` and `<!-- end of {name} -->`, found no such pair")
        text = markers.sub(lambda _, block=block: f"{block}\n", text)
    return text
