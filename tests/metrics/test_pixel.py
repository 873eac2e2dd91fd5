import hashlib

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics import vectors
from palimpsest.evaluation import score
from palimpsest.metrics import METRICS
from palimpsest.metrics.pixel import ssim_map

SAME_AS = {  # ours: theirs, and its scale
    "l1_percent": ("l1_percent", 1),
    "l1_hole_percent": ("l1_hole_percent", 1),
    "l2_percent": ("l2_percent", 1),
    "l2_hole_percent": ("l2_hole_percent", 1),
    "psnr": ("psnr_skimage_255", 1),
    "psnr_hole": ("psnr_hole", 1),
    "ssim": ("ssim_color_gauss11", 1),
}


@pytest.mark.parametrize("case", list(vectors.VECTORS["cases"]))
def test_every_value_of_the_vectors(case):
    name, mask, kind = case.split("/")
    expected = vectors.VECTORS["cases"][case]
    image, hole = vectors.picture(name), vectors.hole(mask)
    prediction = vectors.prediction(kind, image, hole)
    assert hashlib.sha256(image.tobytes()).hexdigest() == vectors.VECTORS["images"][name]["sha256_uint8_hwc"]
    assert hashlib.sha256(prediction.tobytes()).hexdigest() == expected["pred_sha256"]
    values = score(prediction[None], image[None], hole[None])
    for ours, (theirs, scale) in SAME_AS.items():
        assert values[ours][0] == pytest.approx(expected[theirs] * scale, rel=1e-9), ours
    plain = 200 * expected["tv_pred"]["mean_dx_plus_mean_dy_frac"]
    assert values["tv_percent"][0] == pytest.approx(plain, rel=1e-9)
    relative = plain / np.abs(2 * (prediction / 255) - 1).mean()
    assert values["tv_relative_percent"][0] == pytest.approx(relative, rel=1e-9)


def random_pair(count=5, size=40):
    draw = np.random.default_rng(3)
    pictures = draw.integers(0, 256, (count, size, size, 3), np.uint8)
    holes = draw.random((count, size, size)) < 0.3
    results = np.where(holes[..., None], draw.integers(0, 256, pictures.shape, np.uint8), pictures)
    return results, pictures, holes


def test_ssim_and_psnr_agree_with_scikit_image():
    results, pictures, holes = random_pair()
    ours = score(results, pictures, holes)
    for i, (result, picture, hole) in enumerate(zip(results, pictures, holes, strict=True)):
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        mean, full = structural_similarity(picture, result, channel_axis=2, full=True, **options)
        assert ours["ssim"][i] == pytest.approx(mean, abs=1e-6)
        assert ours["ssim_hole"][i] == pytest.approx(full[hole].mean(), abs=1e-6)
        assert ours["psnr"][i] == pytest.approx(peak_signal_noise_ratio(picture, result, data_range=255), abs=1e-9)


def test_hole_and_whole_are_tied_by_the_area():
    results, pictures, holes = random_pair()
    values, area = score(results, pictures, holes), holes.mean((1, 2))
    np.testing.assert_allclose(values["psnr_hole"], values["psnr"] + 10 * np.log10(area), atol=1e-4)
    np.testing.assert_allclose(values["l1_hole_percent"], values["l1_percent"] / area, rtol=1e-6)
    np.testing.assert_allclose(values["l2_hole_percent"], values["l2_percent"] / area, rtol=1e-6)


def tensors(value, size=16):
    image = torch.full((1, 3, size, size), 0.4, dtype=torch.float64)
    hole = torch.zeros(1, 1, size, size, dtype=torch.float64)
    hole[..., 4:12, 4:12] = 1
    return image + value * hole, image, hole


def test_a_constant_error_in_closed_form():
    values = {name: metric(*tensors(0.1)).item() for name, metric in METRICS.items()}
    assert values["l1_hole_percent"] == pytest.approx(10)
    assert values["l1_percent"] == pytest.approx(10 * 64 / 256)
    assert values["l2_hole_percent"] == pytest.approx(1)
    assert values["psnr_hole"] == pytest.approx(20)
    assert values["psnr"] == pytest.approx(20 + 10 * np.log10(4))
    assert values["tv_percent"] == pytest.approx(2 * 100 * 0.2 * (2 * 8) / (15 * 16))
    assert values["tv_hole_percent"] == pytest.approx(2 * 100 * 0.2 * (2 * 8) / (9 * 8))


def test_equal_pictures_are_ideal():
    values = {name: metric(*tensors(0.0)).item() for name, metric in METRICS.items()}
    assert values["psnr"] == values["psnr_hole"] == float("inf")
    assert values["ssim"] == values["ssim_hole"] == pytest.approx(1)
    assert {values[name] for name in METRICS if name.startswith(("l1", "l2", "tv"))} == {0}


def test_stripes_have_the_largest_variation():
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 3, 16, 16).double()
    hole = torch.ones(1, 1, 16, 16).double()
    assert METRICS["tv_percent"](stripes, stripes, hole).item() == 200
    assert METRICS["tv_relative_percent"](stripes, stripes, hole).item() == 200


def test_hole_metrics_do_not_see_known_pixels():
    result, image, hole = tensors(0.1)
    elsewhere = image + 0.3 * (1 - hole)
    for name in ("l1_hole_percent", "l2_hole_percent", "psnr_hole"):
        changed = METRICS[name](result * hole + elsewhere * (1 - hole), elsewhere + 0.2 * (1 - hole), hole)
        assert changed.item() == pytest.approx(METRICS[name](result, image, hole).item())


def test_ssim_is_symmetric():
    results, pictures, _ = random_pair(2)
    a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).double() / 255 for p in (results, pictures))
    assert torch.equal(ssim_map(a, b), ssim_map(b, a))


def test_a_picture_is_scored_alone_as_in_a_batch():
    results, pictures, holes = random_pair()
    together = score(results, pictures, holes)
    for i in range(len(pictures)):
        alone = score(results[i : i + 1], pictures[i : i + 1], holes[i : i + 1])
        for name in METRICS:
            assert alone[name][0] == pytest.approx(together[name][i], rel=1e-12), name
