"""The data report of a slot: what became of its photographs, in numbers and in pictures."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from palimpsest import markdown
from palimpsest.config.words import number_of
from palimpsest.config.yaml import Tree
from palimpsest.data.crops import Crops
from palimpsest.data.packing import Journal
from palimpsest.data.pictures import resized
from palimpsest.data.shards import SPLITS, Shard, spread
from palimpsest.data.sources import Source
from palimpsest.markdown import plain
from palimpsest.storage import replacing, write_json, write_text
from palimpsest.workspace import SlotFiles

SHOWN, ACROSS, THUMBNAIL, GAP = 48, 12, 96, 4  # pictures on a contact sheet and in a row of it; px of each, and between
QUALITY = 85  # of a contact sheet as JPEG


def write_report(files: SlotFiles, config: Crops, source: Source, journals: Mapping[str, Journal]) -> list[str]:
    """Writes report.json, report.md, rejected.csv and a contact sheet of each split into the slot's report.

    Returns a sentence for each split that is not just the photographs that its rule names.
    """
    splits = {s: {"asked for": len(source.splits[s]), **_count(journal)} for s, journal in journals.items()}
    report = {"dataset": config.dataset, "settings": config.model_dump()}
    report |= {"origin": source.origin, "left out": source.left_out}
    report["splits"] = {split: splits[split] for split in SPLITS if split in splits}
    write_json(files.account, report)
    write_text(files.report / "report.md", _in_words(report))
    write_text(files.report / "rejected.csv", _rejected(journals))
    for split in journals:
        with replacing(files.report / sheet(split)) as temporary:
            _contact_sheet(Shard(files.shard(split))).save(temporary, quality=QUALITY)
    return _remarks(report["splits"])


def _count(journal: Journal) -> Tree:
    rejected, changed, seen = Counter(), Counter(), Counter()
    widths, heights, pictures, photographs, pixels = Counter(), Counter(), 0, 0, 0
    for photograph in journal:
        photographs += 1
        changed.update(photograph.changes if photograph.pictures else [])
        if not photograph.pictures:
            rejected[photograph.why] += 1
            continue
        seen[photograph.key] += 1
        widths[photograph.size[0]] += 1
        heights[photograph.size[1]] += 1
        pictures += len(photograph.pictures)
        pixels += sum(height * width for _, height, width, _ in photograph.pictures)
    return {
        "photographs": photographs,
        "rejected": dict(rejected.most_common()),
        "used": widths.total(),
        "changed": dict(changed.most_common()),
        "alike within the split": seen.total() - len(seen),
        "pictures": pictures,
        "width in px": _spread(widths),
        "height in px": _spread(heights),
        "bytes": 3 * pixels,
    }


def _spread(counted: Counter) -> Tree:
    """Smallest, median and largest of counted values."""
    values = sorted(counted)
    middle = np.searchsorted(np.cumsum([counted[value] for value in values]), (counted.total() + 1) // 2)
    return {"least": values[0], "median": values[middle], "largest": values[-1]}


def table(report: Tree) -> list[list[str]]:
    """The counts of a report.json as rows, the head first, splits side by side."""
    splits: Tree = report["splits"]
    rows: list[list[Any]] = [["", *splits]]
    for name in ("asked for", "photographs"):
        rows.append([name, *(split[name] for split in splits.values())])
    for part in ("rejected", "changed"):
        for why in dict.fromkeys(why for split in splits.values() for why in split[part]):
            rows.append([f"{part}: {why}", *(split[part].get(why, 0) for split in splits.values())])
    for name in ("used", "alike within the split", "pictures"):
        rows.append([name, *(split[name] for split in splits.values())])
    for name in ("width in px", "height in px"):
        spreads = [", ".join(map(str, split[name].values())) for split in splits.values()]
        rows.append([f"{name}: least, median, largest", *spreads])
    rows.append(["MB of pixels", *(f"{split['bytes'] / 1e6:.1f}" for split in splits.values())])
    return [[str(cell) for cell in row] for row in rows]


def sheet(split: str) -> str:
    """The file name of a split's contact sheet."""
    return f"{split}.jpg"


def _in_words(report: Tree) -> str:
    """report.md."""
    made = ", ".join(f"{name} {'as it is' if value is None else value}" for name, value in report["settings"].items())
    lines = [f"# {plain(report['dataset'])}", "", *_origin(report["origin"])]
    lines += ["", f"Made into pictures by: {plain(made)}.", "", *_lines(table(report))]
    for remark in _remarks(report["splits"]):
        lines += ["", f"{plain(remark)}."]
    if report["left out"]:
        lines += ["", *_lines([["left out, because", "files"], *map(list, report["left out"].items())])]
    sheets = ", ".join(map(sheet, report["splits"]))
    lines += ["", f"Every rejected photograph and its reason: rejected.csv. Contact sheets: {sheets}."]
    return "\n".join(lines) + "\n"


def _remarks(splits: Tree) -> list[str]:
    remarks = []
    for split, counts in splits.items():
        asked, tried, rejected = counts["asked for"], counts["photographs"], counts["rejected"]
        remark = f"{split}: asked for {number_of(asked, 'photograph')}, used {counts['used']}"
        if rejected:
            remark += f"; rejected {', '.join(f'{count} ({why})' for why, count in rejected.items())}"
        if tried > asked:
            remark += f"; took {tried - asked} more in their place"
        if tried < asked:
            remark += f"; gave {asked - tried} to other splits, in place of rejected ones"
        if rejected or tried != asked:
            remarks.append(remark)
    return remarks


def _origin(origin: Tree) -> list[str]:
    if "archives" not in origin:
        lists, buckets = ", ".join(origin["lists"]), ", ".join(origin["buckets"] or ["all"])
        return [plain(f"Photographs of {lists}; buckets: {buckets}.")]
    keys = ["name", "bytes", "sha256", "checked"]
    return _lines(
        [["archive", "bytes", "sha256", "checked against"], *([a[k] for k in keys] for a in origin["archives"])]
    )


def _lines(rows: list[list[Any]]) -> list[str]:
    """A table in Markdown."""
    head, *others = ([plain(str(cell)) for cell in row] for row in rows)
    return markdown.table(head, ["---"] * len(head), others)


def _rejected(journals: Mapping[str, Journal]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "photograph", "why"])
    writer.writerows([s, p.name, p.why] for s, journal in journals.items() for p in journal if not p.pictures)
    return text.getvalue()


def _contact_sheet(shard: Shard) -> Image.Image:
    """Pictures from all over a split, each shrunk to fit a square."""
    places = spread(len(shard), SHOWN)
    step, rows = THUMBNAIL + GAP, -(-len(places) // ACROSS)
    sheet = np.full((rows * step + GAP, min(len(places), ACROSS) * step + GAP, 3), 255, np.uint8)
    for number, place in enumerate(places):
        picture = shard[place]
        factor = THUMBNAIL / max(picture.shape[:2])
        height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
        top, left = GAP + number // ACROSS * step, GAP + number % ACROSS * step
        sheet[top : top + height, left : left + width] = resized(picture, height, width, "lanczos")
    return Image.fromarray(sheet)
