"""What the benchmark counted and measured: results/benchmark.json."""

from palimpsest.config.yaml import Settings


class Architecture(Settings):
    """What was counted and measured of runs whose inpainting costs the same."""

    runs: list[str]
    parameters: int
    structure: str  # hash
    idle: list[str]  # its networks that fill no hole
    multiply_adds: dict[str, int]  # {px: count} of the sizes that fit
    measured: dict[str, dict[str, dict[str, float] | str]]  # {device: {px: {what: value}, or that it does not fit}}

    def seconds(self, device: str, what: str = "seconds") -> dict[int, float]:
        """{px: median seconds, or another quantity} of the sizes that fit."""
        found = self.measured.get(device, {})
        return {int(size): values[what] for size, values in found.items() if not isinstance(values, str)}


class Benchmark(Settings):
    """results/benchmark.json."""

    devices: dict[str, str]  # {cpu, cuda: its name}
    threads: int
    versions: dict[str, str]
    rounds: int
    found: dict[str, Architecture]

    def of(self, run: str) -> Architecture | None:
        return next((architecture for architecture in self.found.values() if run in architecture.runs), None)

    def on(self, device: str) -> str:
        """A device and what it worked with, in words."""
        threads = f", {self.threads} thread{'s' if self.threads != 1 else ''}"
        return f"{self.devices[device]}{threads if device == 'cpu' else ''}"

    @property
    def sizes(self) -> list[int]:
        """Every size that was tried, px."""
        tried = [sizes for found in self.found.values() for sizes in found.measured.values()]
        return sorted({int(size) for sizes in tried for size in sizes})
