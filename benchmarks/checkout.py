"""The project that a benchmark measures: importing this module finds its source, and its tests' reference forms."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
