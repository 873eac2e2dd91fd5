"""How far a training is: a progress bar on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm


class Display:
    """Shows the losses, the rate and the time left."""

    seconds_between_lines = 5.0

    def __init__(self, total: int, start: int):
        self.total, self.start = total, start
        self.bar = tqdm(total=total, initial=start, unit="it") if sys.stderr.isatty() else None
        self.began = self.shown = time.monotonic()

    def show(self, iteration: int, losses: dict[str, float]) -> None:
        values = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        now = time.monotonic()
        if self.bar is not None:
            self.bar.set_postfix_str(values, refresh=False)
            self.bar.update()
        elif now - self.shown > self.seconds_between_lines or iteration == self.total:
            rate = (iteration - self.start) / (now - self.began)
            left = (self.total - iteration) / rate
            print(f"{iteration}/{self.total}: {values}; {rate:.2f} it/s, {left:.0f} s left", flush=True)
            self.shown = now

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
