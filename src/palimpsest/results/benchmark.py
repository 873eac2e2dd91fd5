"""What the benchmark counted and measured: results/benchmark.json."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from palimpsest.config.numbers import Count
from palimpsest.config.yaml import Name, Settings, spelt

CPU = "cpu"
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # characters that end a line, or move what follows
Line = spelt(rf"(?=.*\S)[^{CONTROL}]{{1,200}}", "one line of text, at most 200 characters")
Threads = Annotated[int, Field(gt=0, le=4096)]
Device = Literal["cpu", "cuda"]
Side = spelt("[1-9][0-9]{0,3}", "the side of a picture in px, at most four digits")
Quantity = Annotated[float, Field(gt=1e-9, le=1e9)]


class Passes(Settings):
    """What it took to fill one picture, several times."""

    seconds: Quantity  # the median
    fastest: Quantity  # s
    peak_mib: Quantity

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.fastest > self.seconds:
            raise ValueError(f"fastest is {self.fastest}; accepted: at most the median, seconds, {self.seconds}")
        return self


class Architecture(Settings):
    """What was counted and measured of runs whose inpainting costs the same."""

    runs: Annotated[list[Name], Field(min_length=1)]
    parameters: PositiveInt
    structure: str  # hash
    idle: list[str]  # its networks that fill no hole
    multiply_adds: dict[Side, PositiveInt]  # {px: count} of the sizes that fit
    measured: dict[Device, dict[Side, Passes | Literal["does not fit"]]]

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for device, sizes in self.measured.items():
            fitting = {size for size, found in sizes.items() if isinstance(found, Passes)}
            if uncounted := fitting - self.multiply_adds.keys():
                size = min(uncounted, key=int)
                raise ValueError(f"multiply_adds.{size} is missing; accepted: a count, as measured.{device} has {size}")
        return self

    def seconds(self, device: str, what: str = "seconds") -> dict[int, float]:
        """{px: median seconds, or another quantity} of the sizes that fit."""
        found = self.measured.get(device, {})
        return {int(size): getattr(passes, what) for size, passes in found.items() if isinstance(passes, Passes)}


class Benchmark(Settings):
    """results/benchmark.json."""

    devices: dict[Device, Line]  # its name
    threads: Threads
    versions: dict[Line, Line]
    rounds: Count
    found: dict[Name, Architecture]

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if CPU not in self.devices:
            raise ValueError("devices.cpu is missing; accepted: the name of the processor")
        for name, architecture in self.found.items():
            if strange := architecture.measured.keys() - self.devices.keys():
                raise ValueError(f"found.{name}.measured has {min(strange)}; accepted: {', '.join(self.devices)}")
        return self

    def of(self, run: str) -> Architecture | None:
        return next((architecture for architecture in self.found.values() if run in architecture.runs), None)

    def on(self, device: str) -> str:
        """A device and what it worked with, in words."""
        threads = f", {self.threads} thread{'s' if self.threads != 1 else ''}"
        return f"{self.devices[device]}{threads if device == CPU else ''}"

    @property
    def sizes(self) -> list[int]:
        """Every size that was tried, px."""
        tried = [sizes for found in self.found.values() for sizes in found.measured.values()]
        return sorted({int(size) for sizes in tried for size in sizes})
