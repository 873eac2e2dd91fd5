import hashlib
import math

import numpy as np
import pytest
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics import vectors
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.scoring import score_pixels
from palimpsest.metrics.pixel import GAUSSIAN, METRICS, RAW, UNIFORM, Pair, gaussian, ssim_map, uniform

SAME_AS = {  # ours: theirs
    "l1": "l1_frac",
    "l1_percent": "l1_percent",
    "l1_hole_percent": "l1_hole_percent",
    "l1_relative": "l1_relative",
    "l1_symmetric": "mae_edgeconnect_style_rgb",
    "l2_percent": "l2_percent",
    "l2_hole_percent": "l2_hole_percent",
    "l2_relative": "l2_relative_sq",
    "psnr": "psnr_skimage_255",
    "psnr_hole": "psnr_hole",
    "psnr_channels": "psnr_channel_mean",
    "ssim": "ssim_color_gauss11",
    "ssim_uniform": "ssim_color_uniform7",
    "ssim_uniform_hole": "ssim_color_uniform7_hole_mean_of_map",
    "ncc": "ncc",
    "lmse": "lmse_20_10",
}
CASES = list(vectors.VECTORS["cases"])


def case_pair(case: str) -> Pair:
    name, mask, kind = case.split("/")
    image, hole = vectors.picture(name), vectors.hole(mask)
    return Pair(vectors.prediction(kind, image, hole), image, hole)


@pytest.mark.parametrize("case", CASES)
def test_every_value_of_the_vectors(case):
    expected, pair = vectors.VECTORS["cases"][case], case_pair(case)
    about = vectors.VECTORS["images"][case.split("/")[0]]
    assert hashlib.sha256(pair.image.tobytes()).hexdigest() == about["sha256_uint8_hwc"]
    assert hashlib.sha256(pair.result.tobytes()).hexdigest() == expected["pred_sha256"]
    values = {name: metric(pair) for name, metric in METRICS.items()}
    for ours, theirs in SAME_AS.items():
        assert values[ours] == pytest.approx(expected[theirs], rel=1e-9), ours
    assert 255 * values["l1"] == pytest.approx(expected["l1_255"], rel=1e-9)
    assert values["ssim_uniform"] == pytest.approx(expected["ssim_color_uniform7_float01"], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_total_variation_of_the_vectors_in_both_definitions(case):
    pair = case_pair(case)
    for of, picture in {"tv_pred": pair.result, "tv_gt": pair.image}.items():
        expected = vectors.VECTORS["cases"][case][of]
        of_it = Pair(picture, pair.image, pair.hole)
        assert METRICS["tv_isotropic"](of_it) == pytest.approx(expected["iso_roll_mean_255"], rel=1e-9)
        anisotropic = METRICS["tv_anisotropic_percent"](of_it) / 100
        assert anisotropic == pytest.approx(expected["per_pixel_sum_channels_frac"], rel=1e-9)
        assert anisotropic / 3 == pytest.approx(expected["per_element_frac"], rel=1e-9)
        assert anisotropic * 255 * 256**2 == pytest.approx(expected["sum_abs_255"], rel=1e-12)
        mean = METRICS["tv_percent"](of_it) / 200
        assert mean == pytest.approx(expected["mean_dx_plus_mean_dy_frac"], rel=1e-9)
        assert 255 * mean == pytest.approx(expected["mean_dx_plus_mean_dy_255"], rel=1e-9)
        relative = METRICS["tv_relative_percent"](of_it)
        assert relative == pytest.approx(200 * mean / np.abs(2 * (picture / 255) - 1).mean(), rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_the_other_variants_of_ssim_and_psnr_that_scripts_use(case):
    expected, pair = vectors.VECTORS["cases"][case], case_pair(case)

    def colour(picture):
        return picture

    def grey(picture):
        return 255 * rgb2gray(picture)

    def mean(window, kind):
        return window.inside(ssim_map(kind(pair.result), kind(pair.image), window)).mean()

    for window, kind, name in [
        (uniform(11), colour, "ssim_color_uniform11"),
        (UNIFORM, grey, "ssim_gray_uniform7"),
        (GAUSSIAN, grey, "ssim_gray_gauss11"),
        (uniform(51), grey, "ssim_gray_uniform51"),
    ]:
        assert mean(window, kind) == pytest.approx(expected[name], rel=1e-9), name
    error = rgb2gray(pair.result) - rgb2gray(pair.image)
    assert -10 * np.log10(np.square(error).mean()) == pytest.approx(expected["psnr_gray"], rel=1e-9)


def random_pair(count=5, size=40):
    draw = np.random.default_rng(3)
    pictures = draw.integers(0, 256, (count, size, size + 3, 3), np.uint8)
    holes = draw.random((count, size, size + 3)) < 0.3
    results = np.where(holes[..., None], draw.integers(0, 256, pictures.shape, np.uint8), pictures)
    return results, pictures, holes


def scored(outputs, pictures, holes):
    return score_pixels(Filled([], pictures, holes, outputs))


def test_ssim_and_psnr_agree_with_scikit_image():
    results, pictures, holes = random_pair()
    ours = scored(results, pictures, holes)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    for i, (result, picture, hole) in enumerate(zip(results, pictures, holes, strict=True)):
        mean, full = structural_similarity(picture, result, channel_axis=2, full=True, **options)
        assert ours["ssim"][i] == pytest.approx(mean, abs=1e-12)
        assert ours["ssim_hole"][i] == pytest.approx(full[hole].mean(), abs=1e-12)
        mean, full = structural_similarity(picture, result, channel_axis=2, full=True, data_range=255)
        assert ours["ssim_uniform"][i] == pytest.approx(mean, abs=1e-12)
        assert ours["ssim_uniform_hole"][i] == pytest.approx(full[hole].mean(), abs=1e-12)
        assert ours["psnr"][i] == pytest.approx(peak_signal_noise_ratio(picture, result, data_range=255), abs=1e-9)


def lmse_by_loops(result, picture):
    """ERRNet's definition, window by window."""
    over = under = 0.0
    for channel in range(3):
        for top in range(0, picture.shape[0] - 19, 10):
            for left in range(0, picture.shape[1] - 19, 10):
                y, x = (p[top : top + 20, left : left + 20, channel] / 255 for p in (picture, result))
                gain = (x * y).sum() / (x * x).sum() if (x * x).sum() > 1e-5 else 0.0
                over += ((y - gain * x) ** 2).sum()
                under += (y * y).sum()
    return over / under


def test_lmse_is_what_its_loops_say():
    results, pictures, holes = random_pair(size=64)
    results[0, :30, :30] = 0
    ours = scored(results, pictures, holes | True)["lmse"]
    for i in range(len(pictures)):
        assert ours[i] == pytest.approx(lmse_by_loops(results[i], pictures[i]), rel=1e-12)


def test_lmse_looks_through_24_by_24_windows_of_256_px():
    """The last six rows and columns lie in none."""
    draw = np.random.default_rng(0)
    image = draw.integers(1, 256, (256, 256, 3), np.uint8)
    result = image.copy()
    result[250:], result[:, 250:] = 0, 0
    hole = np.ones((256, 256), bool)
    assert METRICS["lmse"](Pair(result, image, hole)) == pytest.approx(0, abs=1e-15)
    result[249, 0] = 0
    assert METRICS["lmse"](Pair(result, image, hole)) > 1e-9


def test_a_gain_leaves_ncc_and_lmse_ideal():
    image = np.random.default_rng(1).integers(10, 100, (64, 64, 3), np.uint8)
    doubled = Pair(2 * image, image, np.ones((64, 64), bool))
    assert METRICS["ncc"](doubled) == pytest.approx(1, abs=1e-12)
    assert METRICS["lmse"](doubled) == pytest.approx(0, abs=1e-12)
    brighter = Pair(2 * image + 20, image, np.ones((64, 64), bool))
    assert METRICS["ncc"](brighter) == pytest.approx(1, abs=1e-12)
    assert METRICS["lmse"](brighter) > 1e-3
    inverted = Pair(255 - image, image, np.ones((64, 64), bool))
    assert METRICS["ncc"](inverted) == pytest.approx(-1, abs=1e-12)


def test_what_a_constant_or_black_picture_leaves_undefined_is_nan():
    draw = np.random.default_rng(0)
    some, grey, black = draw.integers(0, 256, (3, 32, 32, 3), np.uint8)
    grey[:], black[:] = 128, 0
    hole = np.ones((32, 32), bool)

    def undefined(result, image):
        pair = Pair(result, image, hole[: len(image), : len(image)])
        values = {name: metric(pair) for name, metric in METRICS.items()}
        return {name for name, value in values.items() if math.isnan(value)}

    assert undefined(grey, some) == undefined(some, grey) == {"ncc"}
    assert undefined(some, black) == {"ncc", "l1_relative", "l2_relative", "lmse"}
    assert undefined(black, black) == {"ncc", "l1_relative", "l1_symmetric", "l2_relative", "lmse"}
    assert undefined(some[:6, :6], black[:6, :6] + np.uint8(1)) >= {"ssim", "ssim_uniform", "lmse"}


def test_hole_and_whole_are_tied_by_the_area():
    results, pictures, holes = random_pair()
    values, area = scored(results, pictures, holes), holes.mean((1, 2))
    np.testing.assert_allclose(values["psnr_hole"], values["psnr"] + 10 * np.log10(area), atol=1e-9)
    np.testing.assert_allclose(values["l1_hole"], values["l1"] / area, rtol=1e-9)
    np.testing.assert_allclose(values["l2_hole"], values["l2"] / area, rtol=1e-9)


def constant_error(levels, size=16):
    """A picture of constant grey whose centred square of half the side is off by `levels`."""
    image = np.full((size, size, 3), 100, np.uint8)
    hole = np.zeros((size, size), bool)
    hole[size // 4 : -size // 4, size // 4 : -size // 4] = True
    return Pair(image + np.uint8(levels) * hole[..., None], image, hole)


def test_a_constant_error_in_closed_form():
    error = 51 / 255
    values = {name: metric(constant_error(51)) for name, metric in METRICS.items()}
    assert values["l1_hole"] == pytest.approx(error) and values["l1"] == pytest.approx(error / 4)
    assert values["l1_percent"] == pytest.approx(100 * error / 4)
    assert values["l2_hole_percent"] == pytest.approx(100 * error**2)
    assert values["l1_relative"] == pytest.approx(error / 4 / (100 / 255))
    assert values["l1_symmetric"] == pytest.approx(error / 4 / (200 / 255 + error / 4))
    assert values["l2_relative"] == pytest.approx(error**2 / 4 / (100 / 255) ** 2)
    assert values["psnr_hole"] == pytest.approx(-20 * np.log10(error))
    for name in ("psnr", "psnr_channels"):
        assert values[name] == pytest.approx(-20 * np.log10(error) + 10 * np.log10(4))
    assert values["tv_percent"] == pytest.approx(2 * 200 * error * (2 * 8) / (15 * 16))
    assert values["tv_hole_percent"] == pytest.approx(2 * 200 * error * (2 * 8) / (9 * 8))
    assert values["tv_anisotropic_percent"] == pytest.approx(100 * 3 * error * 4 * 8 / 256)


def test_one_wrong_channel_costs_less_by_channel_than_jointly():
    image = np.full((16, 16, 3), 100, np.uint8)
    result = image + np.array([51, 5, 1], np.uint8)
    pair = Pair(result, image, np.ones((16, 16), bool))
    errors = np.array([51, 5, 1]) / 255
    assert METRICS["psnr_channels"](pair) == pytest.approx(np.mean(-20 * np.log10(errors)))
    assert METRICS["psnr"](pair) == pytest.approx(-10 * np.log10(np.mean(errors**2)))
    assert METRICS["psnr"](pair) < METRICS["psnr_channels"](pair) - 10


def test_equal_pictures_are_ideal():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    hole = np.zeros((40, 40), bool)
    hole[10:20, 10:20] = True
    pair = Pair(image, image.copy(), hole)
    values = {name: metric(pair) for name, metric in METRICS.items()}
    assert values["psnr"] == values["psnr_hole"] == values["psnr_channels"] == math.inf
    assert {values[name] for name in METRICS if name.startswith(("l1", "l2"))} == {0}
    for name in ("ssim", "ssim_hole", "ssim_uniform", "ssim_uniform_hole", "ncc"):
        assert values[name] == pytest.approx(1, abs=1e-12), name
    assert values["lmse"] == pytest.approx(0, abs=1e-12)


def test_total_variation_of_a_constant_and_of_the_finest_stripes():
    stripes = np.tile(np.array([0, 255], np.uint8)[:, None], (16, 8, 3)).reshape(16, 16, 3)
    hole = np.ones((16, 16), bool)
    flat, steep = (Pair(p, p, hole) for p in (np.full_like(stripes, 77), stripes))
    for name in ("tv_percent", "tv_hole_percent", "tv_relative_percent", "tv_anisotropic_percent", "tv_isotropic"):
        assert METRICS[name](flat) == 0
    assert METRICS["tv_percent"](steep) == METRICS["tv_relative_percent"](steep) == pytest.approx(200)
    assert METRICS["tv_isotropic"](steep) == 255


def test_hole_metrics_do_not_see_known_pixels():
    results, pictures, holes = random_pair(1)
    elsewhere = np.where(holes[..., None], pictures, 255 - pictures)
    other = np.where(holes[..., None], results, pictures // 2)
    for name in ("l1_hole", "l1_hole_percent", "l2_hole", "l2_hole_percent", "psnr_hole"):
        seen = [METRICS[name](Pair(r[0], p[0], holes[0])) for r, p in ((results, pictures), (other, elsewhere))]
        assert seen[0] == pytest.approx(seen[1], rel=1e-12)


def test_only_raw_metrics_see_known_pixels_of_an_output():
    results, pictures, holes = random_pair(2)
    noisy = np.where(holes[..., None], results, pictures ^ 7)
    clean, dirty = (scored(outputs, pictures, holes) for outputs in (results, noisy))
    for name in METRICS:
        assert (clean[name] == dirty[name]).all(), name
    for name in RAW:
        assert (clean[name] == clean[name.removesuffix("_raw")]).all(), name
        assert (clean[name] != dirty[name]).all(), name


def test_ssim_is_symmetric():
    results, pictures, _ = random_pair(2)
    for x, y in zip(results, pictures, strict=True):
        for window in (GAUSSIAN, UNIFORM, gaussian(5, 1.0)):
            one, other = ssim_map(x, y, window), ssim_map(y, x, window)
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_the_scale_matters_where_a_script_gets_it_wrong():
    """The pair in [0, 1] with a range of 2 by mistake: 0.850841 for astronaut, square128."""
    pair = case_pair("astronaut/square128/comp_mean")
    wrong = structural_similarity(pair.image / 255, pair.result / 255, channel_axis=2, data_range=2)
    assert wrong == pytest.approx(0.850841, abs=1e-6)
    assert abs(METRICS["ssim_uniform"](pair) - wrong) > 0.04
