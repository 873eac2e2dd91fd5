"""The top level of params.yaml."""

from typing import Annotated

from pydantic import AfterValidator, Field

from palimpsest.config import runs
from palimpsest.config.yaml import Name, Settings, Tree, each_once
from palimpsest.data.crops import Crops
from palimpsest.evaluation.external import External
from palimpsest.evaluation.measure import EvaluationConfig
from palimpsest.evaluation.speed import SpeedConfig
from palimpsest.holes.kinds import Holes
from palimpsest.study import design
from palimpsest.training.loop import TrainingConfig
from palimpsest.weights import origins


class Profile(Settings):
    """One scale at which every run can be made."""

    slots: dict[str, Crops]
    seeds: runs.Seeds  # of trainings: all of them for ablations, the first for the rest
    training: TrainingConfig
    evaluation: EvaluationConfig
    study: design.Config
    benchmark: SpeedConfig


class Params(Settings):
    """Every setting; `released`, `pretrained` and `runs` are read section by section, at a profile."""

    profile: str
    slots: Annotated[list[Name], Field(min_length=1), AfterValidator(each_once)]  # which each profile fills
    profiles: dict[Name, Profile]
    accepted_terms: Annotated[list[Name], AfterValidator(each_once)]  # of datasets
    holes: Holes
    weights: origins.Config
    released: dict[Name, Tree]  # read at a profile, see palimpsest.released.catalogue
    transfers: dict[Name, runs.Transfer]
    external: dict[Name, External]
    pretrained: dict[Name, Tree]
    runs: Annotated[dict[Name, Tree], Field(min_length=1)]

    @property
    def active(self) -> Profile:
        """The profile that is made."""
        return self.profiles[self.profile]
