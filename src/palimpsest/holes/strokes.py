"""Irregular holes of thick lines: DeepFill v2's brush, CRFill's strokes, PICNet's lines, discs and arcs."""

from math import cos, pi, radians, sin
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from palimpsest.config.yaml import Settings
from palimpsest.holes.lengths import LONGEST, REFERENCE, Length, Range, covered, scaled, thickness, whole

Degrees = Annotated[float, Field(ge=0, le=360)]


class Brush(Settings):
    """DeepFill v2's free-form hole: strokes that zigzag in long steps, as in the released code."""

    shape: Literal["brush"]
    strokes: Range
    vertices: Range  # steps of a stroke
    angle: Degrees  # between a step and the x axis; every second step is mirrored
    angle_range: Degrees  # by which a stroke's angles vary, at most, to either side
    step: Annotated[float, Field(gt=0, le=LONGEST)]  # px, mean; the standard deviation is half of it, the maximum twice
    width: Range  # px

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        canvas = np.zeros((size, size), np.uint8)
        for _ in range(whole(rng, self.strokes)):
            path = self._path(size, rng)
            cv2.polylines(canvas, [path], False, 1, thickness(whole(rng, self.width), size))
        return canvas.view(bool)

    def _path(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Points (x, y) of one stroke, int32 (vertices + 1, 2); a step out of the picture stops at its border."""
        count = whole(rng, self.vertices)
        middle, reach, mean = radians(self.angle), radians(self.angle_range), self.step * size / REFERENCE
        angles = rng.uniform(middle - rng.uniform(0, reach), middle + rng.uniform(0, reach), count)
        angles[::2] *= -1
        steps = np.clip(rng.normal(mean, mean / 2, count), 0, 2 * mean)
        x, y = rng.integers(size, size=2).tolist()
        points = [(x, y)]
        for angle, step in zip(angles.tolist(), steps.tolist(), strict=True):
            x, y = (int(min(max(0, at), size)) for at in (x + step * cos(angle), y + step * sin(angle)))
            points.append((x, y))
        return np.array(points, np.int32)


class Strokes(Settings):
    """CRFill's strokes: each piece has its own width, and after each stroke the picture may be mirrored."""

    shape: Literal["strokes"]
    strokes: Range
    vertices: Range  # pieces of a stroke
    length: Length  # px, at most, of a piece
    width: Range  # px, OpenCV's thickness

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """bool (size, size). A piece may leave the picture only at the top and left, as in the released code."""
        canvas = np.zeros((size, size), np.uint8)
        for _ in range(whole(rng, self.strokes)):
            count = whole(rng, self.vertices)
            x, y = rng.integers(size, size=2).tolist()
            angles = rng.uniform(0, pi, count)
            angles[::2] *= -1
            lengths = rng.uniform(0, self.length * size / REFERENCE, count)
            for angle, length in zip(angles.tolist(), lengths.tolist(), strict=True):
                end = int(min(x + length * cos(angle), size)), int(min(y + length * sin(angle), size))
                cv2.line(canvas, (x, y), end, 1, thickness(covered(whole(rng, self.width)), size))
                x, y = end
            rows, columns = 1 - 2 * rng.integers(2, size=2)
            canvas = np.ascontiguousarray(canvas[::rows, ::columns])
        return canvas.view(bool)


class PicnetIrregular(Settings):
    """PICNet's irregular holes: 60 % lines across the picture, 20 % discs, 20 % arcs of ellipses."""

    shape: Literal["picnet-irregular"]
    pieces: Range
    width: Range  # px, OpenCV's thickness of a line or an arc, and the radius of a disc

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        canvas = np.zeros((size, size), np.uint8)
        count = whole(rng, self.pieces)
        sorts, points = rng.random(count).tolist(), rng.integers(1, size + 1, (count, 4)).tolist()
        for sort, (x, y, other_x, other_y) in zip(sorts, points, strict=True):
            width = whole(rng, self.width)
            pen = thickness(covered(width), size)
            if sort < 0.6:
                cv2.line(canvas, (x, y), (other_x, other_y), 1, pen)
            elif sort < 0.8:
                cv2.circle(canvas, (x, y), scaled(width, size), 1, cv2.FILLED)
            else:
                turn, start, end = rng.integers(3, 181, size=3).tolist()  # degrees
                cv2.ellipse(canvas, (x, y), (other_x, other_y), turn, start, end, 1, pen)
        return canvas.view(bool)
