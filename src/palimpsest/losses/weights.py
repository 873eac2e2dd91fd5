"""The weights of a method's loss terms."""

from collections.abc import Mapping

from torch import Tensor

from palimpsest.config.yaml import Settings

OF_FEATURES = ("perceptual", "style")  # terms that read the network of perceptual losses


class Weights(Settings):
    """One number a term, under its name; 0 switches a term off."""

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of some terms."""
        return sum(getattr(self, name) * term for name, term in terms.items())

    @property
    def read_features(self) -> bool:
        """Whether a term with a weight reads the network of perceptual losses."""
        return any(getattr(self, name, 0) > 0 for name in OF_FEATURES)
