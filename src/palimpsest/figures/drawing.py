"""What every figure shares: its look, what the report says of it, and how it is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, findfont, fontManager

from palimpsest.storage import replacing

FONT, LEAN = "DejaVu Sans", "DejaVu Sans lean"
UNUSED = ["GDEF", "GPOS", "GSUB", "MATH", "FFTM"]  # tables of the font that figures do not need

STYLE = {
    "font.family": [LEAN, FONT],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.dpi": 130,
    "image.composite_image": False,  # which would render the gaps of a grid into its PDF too
    "pdf.fonttype": 42,
}


@dataclass
class Drawing:
    """One figure and what the report says of it."""

    name: str
    title: str
    caption: str
    figure: Figure | None  # none where nothing can be drawn
    absent: list[str] = field(default_factory=list)  # what was left out, a line each

    @property
    def about(self) -> dict:
        """What figures.json says of it."""
        drawn = self.figure is not None
        return {"name": self.name, "title": self.title, "caption": self.caption, "drawn": drawn, "absent": self.absent}


@contextmanager
def lean_font() -> Iterator[Path]:
    """Matplotlib's own font without UNUSED, in a temporary folder: a PDF takes half the time."""
    with TemporaryDirectory() as folder:
        font = TTFont(findfont(FONT), recalcTimestamp=False)
        for table in UNUSED:
            del font[table]
        path = Path(folder) / "lean.ttf"
        font.save(path)
        yield path


def register(font: Path) -> None:
    """Makes the lean font known to this process."""
    fontManager.ttflist.append(FontEntry(str(font), name=LEAN, size="scalable", weight=400))


def save(figure: Figure, stem: Path) -> None:
    """`stem`.png and `stem`.pdf, without a date or the name of the program."""
    png = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 1}}  # the default takes three times as long
    for ending, options in ((".png", png), (".pdf", {"metadata": {"CreationDate": None}})):
        with replacing(stem.with_name(stem.name + ending)) as temporary:
            figure.savefig(temporary, **options)
        figure.set_layout_engine("none")  # both files share the layout that it found
