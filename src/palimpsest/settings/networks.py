"""The networks of a run, built without values to see that they build and to count their parameters."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from unittest.mock import patch

from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm

from palimpsest.config.runs import Run
from palimpsest.config.yaml import Tree
from palimpsest.evaluation.counting import count_blocks, count_parameters
from palimpsest.models import create, inherit, without_values


def counted(run: Run, size: int) -> Tree:
    """{parameters, blocks} of a run for pictures of `size` px; InputError where its networks cannot be built."""
    return _counted(json.dumps(asdict(run)), size)


@cache
def _counted(run: str, size: int) -> Tree:
    resolved = Run.read(json.loads(run))
    with without_values(), _without_spectral_norm():
        model = create(resolved, size)
        if resolved.start:
            inherit(model, create(resolved.start, size))
        return {"parameters": count_parameters(model), "blocks": count_blocks(model)}


@contextmanager
def _without_spectral_norm() -> Iterator[None]:
    """Networks are made in a third of the time, with as many parameters."""
    start = patch.object(_SpectralNorm, "__init__", lambda self, *_, **__: nn.Module.__init__(self))
    with start, patch.object(_SpectralNorm, "forward", lambda self, weight: weight):
        yield
