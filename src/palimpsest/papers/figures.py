"""How a paper's figures are laid out."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from palimpsest.config.yaml import Settings


class Shown(Settings):
    """One run's column of a figure."""

    run: str
    head: str
    map: bool  # whether a column with the map of its attention follows


class ResultsFigure(Settings):
    """Test pictures in rows: input, then the result of one run after another."""

    kind: Literal["results"]
    title: str
    caption: str
    slot: str
    hole: str  # kind of hole
    pictures: PositiveInt  # rows, at most the samples that runs keep
    original: bool  # whether the original comes first
    columns: list[Shown]


class CurvesFigure(Settings):
    """Every logged quantity against the iteration, one line a run."""

    kind: Literal["curves"]
    title: str
    caption: str
    runs: list[str]


class ProgressFigure(Settings):
    """The same pictures as a run filled them during its training."""

    kind: Literal["progress"]
    title: str
    caption: str
    run: str


class SampleGridsFigure(Settings):
    """What a generative network drew from the same latents during its training, a latent a row."""

    kind: Literal["sample-grids"]
    title: str
    caption: str
    run: str
    latents: PositiveInt  # at most those that the run kept


class Mechanism(Settings):
    """One run that picks reference patches."""

    run: str
    head: str


class ReferencesFigure(Settings):
    """Test pictures in rows: input, then for each mechanism result, references and the picture pieced from them."""

    kind: Literal["references"]
    title: str
    caption: str
    slot: str
    hole: str
    pictures: PositiveInt
    patches: PositiveInt  # marked in each picture
    columns: list[Mechanism]


class TimingFigure(Settings):
    """Seconds and memory against the size of the picture, one line an architecture."""

    kind: Literal["timing"]
    title: str
    caption: str
    columns: list[Mechanism]


class OneRunFigure(Settings):
    """What figures of one run's test pictures share."""

    title: str
    caption: str
    slot: str
    hole: str
    pictures: PositiveInt
    run: str


class RetrievalFigure(OneRunFigure):
    """Test pictures in rows: what a run retrieves for one missing patch, a colour a rank, and what it makes of it."""

    kind: Literal["retrieval"]


class FailuresFigure(OneRunFigure):
    """The test pictures that a run fills worst, the worst first."""

    kind: Literal["failures"]
    head: str


class AgainstRatio(Settings):
    """What figures of metrics against the hole ratio have in common."""

    title: str
    caption: str
    slot: str
    holes: Annotated[list[str], Field(min_length=2)]  # kinds, from small to large
    metrics: Annotated[list[str], Field(min_length=1)]
    columns: list[Mechanism]


class GrowingFigure(AgainstRatio):
    """One test picture with growing holes, a row a run, and each run's metrics against the hole ratio."""

    kind: Literal["growing"]


class RatiosFigure(AgainstRatio):
    """Each method's metrics against the hole ratio."""

    kind: Literal["ratios"]


class ClaimsFigure(Settings):
    """Published differences between methods against ours, a point an order that the paper's tables print."""

    kind: Literal["claims"]
    title: str
    caption: str
    paper: str  # its key


OfPictures = ResultsFigure | ReferencesFigure | RetrievalFigure | FailuresFigure


FigureSpec = Annotated[
    OfPictures
    | GrowingFigure
    | RatiosFigure
    | CurvesFigure
    | ProgressFigure
    | SampleGridsFigure
    | TimingFigure
    | ClaimsFigure,
    Field(discriminator="kind"),
]
