"""README.md shows the newest record between two markers: a line about it, the table and the picture."""

import re
from pathlib import Path

from palimpsest.config.yaml import InputError
from palimpsest.page.records import Record, Row
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.values import Published, Values
from palimpsest.tables.context import SMOKE

BLOCK = re.compile(r"(?<=<!-- record -->\n).*(?=<!-- end of record -->)", re.DOTALL)
HEADS = ["method", "published PSNR (dB)", "our PSNR (dB)", "constant fill (dB)", "ours is measured on"]
RULE = ["---", "---:", "---:", "---:", "---"]


def refresh(text: str, folder: Path, record: Record, values: Values) -> str:
    """README's text with a record, which lies in `folder`, between its markers; InputError where it has none."""
    if not BLOCK.search(text):
        raise InputError("README.md: asked for `<!-- record -->` and `<!-- end of record -->`, found no such pair")
    shown = f"{about(record)}\n\n{grid(record, values)}\n\n![{record.caption}]({(folder / 'picture.png').as_posix()})\n"
    return BLOCK.sub(lambda _: shown, text)


def about(record: Record) -> str:
    """What a reader must know of the numbers below it."""
    smoke = f" Smoke run: {SMOKE}" if record.profile == "tiny" else ""
    return (
        f"Profile `{record.profile}`, {record.date[:10]}, on {record.device}.{smoke} "
        "Compare a published number with ours only where both were measured on the same data."
    )


def grid(record: Record, values: Values) -> str:
    """The table in Markdown."""
    lines = [HEADS, RULE, *(_cells(row, values[row.place]) for row in record.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row, published: Published) -> list[str]:
    number = published.text if published.legible else "illegible"
    metric = read_metrics()[row.metric]
    means = ["not run" if mean is None else metric.printed(mean) for mean in (row.ours, row.reference)]
    return [row.method, f"{number} on {row.published_on}", *means, f"{row.dataset}: {row.hole}, {row.region}"]
