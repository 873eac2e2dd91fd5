"""The numbers that settings hold, within bounds: beyond them, a training would fail or never end."""

from typing import Annotated

from pydantic import Field

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Few = Annotated[int, Field(gt=0, le=64)]  # layers, heads, passes
Levels = Annotated[int, Field(gt=0, le=12)]  # of which each halves the size
Channels = Annotated[int, Field(gt=0, le=2**16)]
Pixels = Annotated[int, Field(gt=0, le=2**14)]  # of a side
Count = Annotated[int, Field(gt=0, le=10**6)]  # pictures, patches
Iterations = Annotated[int, Field(gt=0, le=10**9)]
Weight = Annotated[float, Field(ge=0, le=1e9)]  # of a term of the loss
Factor = Annotated[float, Field(gt=1e-9, le=1e9)]
Rate = Annotated[float, Field(gt=1e-12, le=1e3)]  # of learning
Blur = Annotated[float, Field(gt=0.01, le=64)]  # px, the deviation of a Gaussian
