"""Every shipped kind: what any hole must be, what its generator's area should be, and what it may depend on."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from palimpsest.config.yaml import InputError, build
from palimpsest.holes.kinds import Holes, fixed_hole, training_hole
from palimpsest.manifests import ROOT

DRAWS = 800
REFERENCE_DRAWS = 2000  # of the independent generators that the numbers below were measured with, at 256 px

# kind: mean and standard deviation of the hole ratio, and where 5, 50 and 95 % of the holes lie below
MEASURED = {
    "rectangle": (0.191, 0.024, (0.153, 0.190, 0.234)),
    "random-square": (0.146, 0.056, (0.069, 0.141, 0.238)),
    "brush": (0.150, 0.081, (0.035, 0.140, 0.296)),
    "brush-and-rectangle": (0.308, 0.067, (0.209, 0.302, 0.426)),
    "strokes": (0.195, 0.106, (0.034, 0.189, 0.381)),
    "strokes-and-square": (0.312, 0.101, (0.150, 0.309, 0.479)),
    "picnet-irregular": (0.527, 0.130, (0.294, 0.545, 0.710)),
    "picnet-regular": (0.308, 0.152, (0.082, 0.296, 0.579)),
    "object": (0.128, 0.066, (0.045, 0.115, 0.253)),
}


def ratios(config: Holes, kind: str, size: int, count: int) -> np.ndarray:
    return np.array([training_hole(config, kind, i, size).mean() for i in range(count)])


@pytest.mark.parametrize("kind", [kind for kind in MEASURED if kind != "object"])  # whose generator is ours
def test_areas_are_those_of_the_published_generator(holes, kind):
    """Within four standard errors of the difference of two samples."""
    mean, deviation, quantiles = MEASURED[kind]
    found, error = ratios(holes, kind, 256, DRAWS), np.sqrt(1 / DRAWS + 1 / REFERENCE_DRAWS)
    assert found.mean() == pytest.approx(mean, abs=4 * deviation * error)
    assert found.std() == pytest.approx(deviation, rel=4 * error)
    for below, quantile in zip((0.05, 0.5, 0.95), quantiles, strict=True):
        slack = 0.0005  # the quantiles are printed to three digits, and squares have few different areas
        low, high = np.mean(found < quantile - slack), np.mean(found <= quantile + slack)
        assert low - 4 * error * np.sqrt(below * (1 - below)) < below < high + 4 * error * np.sqrt(below * (1 - below))


@pytest.mark.parametrize("kind", MEASURED)
def test_areas_hardly_depend_on_the_size(holes, kind):
    """Within a tenth of the mean, which whole pixels cost at 64 px, and four standard errors."""
    mean, deviation, _ = MEASURED[kind]
    assert ratios(holes, kind, 64, 400).mean() == pytest.approx(mean, abs=0.1 * mean + 4 * deviation / np.sqrt(400))


@pytest.mark.parametrize("size", [64, 97, 128, 512])
def test_every_kind_misses_some_pixels_and_not_all(holes, size):
    for kind in holes.names:
        for i in range(3):
            hole = fixed_hole(holes, kind, f"picture-{i}", size)
            assert hole.dtype == bool and hole.shape == (size, size)
            assert hole.any() and not hole.all()


def test_a_hole_depends_on_seed_kind_and_picture_alone(holes):
    names = [f"image-{i}" for i in range(30)]
    other = holes.model_copy(update={"seed": holes.seed + 1})
    for kind in ("rectangle", "brush", "irregular-20-30", "object"):
        forwards = {name: fixed_hole(holes, kind, name, 256) for name in names}
        for name in reversed(names):
            assert (fixed_hole(holes, kind, name, 256) == forwards[name]).all()
        assert any((fixed_hole(other, kind, name, 256) != forwards[name]).any() for name in names)
        assert len({hole.tobytes() for hole in forwards.values()}) == len(names)


def digest(config: Holes, kinds: list[str]) -> str:
    """sha256 of a fixed and a training hole of every kind, in the shipped order, drawn in the order given."""
    drawn = {kind: fixed_hole(config, kind, "a", 64).tobytes() for kind in kinds}
    drawn |= {f"{kind}, training": training_hole(config, kind, 7, 64).tobytes() for kind in kinds}
    return hashlib.sha256(b"".join(drawn[name] for name in sorted(drawn))).hexdigest()


def test_another_process_and_order_give_the_same_holes(holes):
    script = """
from holes.test_kinds import digest
from palimpsest.config.yaml import build, read_yaml
from palimpsest.holes.kinds import Holes
config = build(Holes, read_yaml("params.yaml")["holes"], "")
print(digest(config, config.names[::-1]))
"""
    environment = {"PYTHONPATH": "tests:src", "PYTHONHASHSEED": "77"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == digest(holes, holes.names), run.stderr


def test_a_union_is_the_holes_of_its_parts_one_after_the_other(holes):
    rng = np.random.default_rng([holes.seed, 2, 5])
    parts = [holes.kind("strokes").draw(256, rng), holes.kind("random-square").draw(256, rng)]
    assert (training_hole(holes, "strokes-and-square", 5, 256) == (parts[0] | parts[1])).all()
    assert parts[0].any() and parts[1].any()


def test_one_of_several_kinds_is_each_of_them_as_often(holes):
    wide, tall = np.zeros((2, 8, 8), bool)
    wide[:2], tall[:, :2] = True, True

    class Known(Holes):
        def draw(self, name, size, rng, image_id=""):
            known = {"square": wide, "strokes": tall}
            return known[name] if name in known else super().draw(name, size, rng, image_id)

    kinds = {"either": {"shape": "one-of", "of": ["square", "strokes"]}}
    kinds |= {name: holes.kind(name).model_dump() for name in ("square", "strokes")}
    either = build(Known, {"seed": 1, "kinds": kinds}, "")
    drawn = [training_hole(either, "either", number, 8) for number in range(400)]
    squares = sum((hole == wide).all() for hole in drawn)
    assert squares + sum((hole == tall).all() for hole in drawn) == 400
    assert abs(squares - 200) < 4 * 10  # four standard deviations of 400 fair draws


def test_only_keeps_what_is_named_and_what_that_is_made_of(holes):
    kept = holes.only(["object", "brush-and-rectangle"])
    assert kept.names == ["rectangle", "brush", "brush-and-rectangle", "object"]
    assert (fixed_hole(kept, "object", "a", 64) == fixed_hole(holes, "object", "a", 64)).all()
    with pytest.raises(InputError, match="asked for holes of kind 'star'"):
        holes.only(["star"])


SQUARE = {"shape": "square", "side": 9}


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"a": {"shape": "star"}}, r"holes\.kinds\.a\.shape is 'star'; accepted: .*square"),
        ({"a": {"side": 9}}, r"holes\.kinds\.a\.shape is missing"),
        ({"a": {"shape": "square"}}, r"holes\.kinds\.a\.side is missing"),
        ({"a": {**SQUARE, "margin": 1}}, r"holes\.kinds\.a\.margin is not a setting \(found 1\)"),
        ({"A b": SQUARE}, r"holes\.kinds\.A b is 'A b'; accepted: a name of small letters"),
        ({"a": {"shape": "random-square", "side": [9, 8]}}, r"side is \[9, 8\]: .*accepted: the smaller end first"),
        ({"a": {"shape": "union", "of": ["a"]}}, r"holes\.kinds\.a\.of is \['a'\]; accepted: 2 values or more"),
        ({"a": SQUARE, "b": {"shape": "union", "of": ["a", "c"]}}, r"holes\.kinds\.b\.of\.1 is 'c'; accepted: a$"),
        (
            {"a": SQUARE, "b": {"shape": "union", "of": ["a", "c"]}, "c": {"shape": "union", "of": ["a", "b"]}},
            "b is made of c is made of b; accepted: kinds that do not go in a circle",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(kinds, said):
    with pytest.raises(InputError, match=said):
        build(Holes, {"seed": 1, "kinds": kinds}, "holes")


def test_an_unknown_kind_is_refused(holes):
    with pytest.raises(InputError, match="asked for holes of kind 'star'; accepted: square, "):
        holes.kind("star")
