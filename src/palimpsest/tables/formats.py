"""Every format of a table, by the ending of its files."""

from collections.abc import Callable

from palimpsest.tables.html import to_html
from palimpsest.tables.latex import to_tex
from palimpsest.tables.model import Table
from palimpsest.tables.text import to_csv, to_markdown

FORMATS: dict[str, Callable[[Table], str]] = {"html": to_html, "tex": to_tex, "csv": to_csv, "md": to_markdown}
