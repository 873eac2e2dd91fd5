"""All pixel metrics of a 256 px picture: ours against scikit-image, NumPy and an LMSE in loops, called one by one.

    python benchmarks/metrics.py [--rounds 9]

Both take turns in one process on one thread; prints medians.
"""

import argparse
import statistics
import time

import checkout as checkout
import cv2
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics import vectors
from metrics.test_pixel import lmse_by_loops
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.scoring import score_pixels

WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def one_by_one(output, picture, hole):
    """The same metrics of the result and of the raw output, by NumPy, scikit-image and loops."""
    values = {}
    for suffix, result in {"": np.where(hole[..., None], output, picture), "_raw": output}.items():
        x, y = result / 255, picture / 255
        error = np.abs(x - y)
        dx, dy = (np.abs(np.diff(x, axis=axis)) for axis in (1, 0))
        levels = result.astype(float)
        values |= {
            f"l1{suffix}": error.mean(),
            f"l1_relative{suffix}": error.sum() / y.sum(),
            f"l1_symmetric{suffix}": error.sum() / (x + y).sum(),
            f"l2{suffix}": np.square(error).mean(),
            f"l2_relative{suffix}": np.square(error).sum() / np.square(y).sum(),
            f"psnr{suffix}": peak_signal_noise_ratio(picture, result, data_range=255),
            f"psnr_channels{suffix}": np.mean(
                [peak_signal_noise_ratio(picture[..., c], result[..., c], data_range=255) for c in range(3)]
            ),
            f"tv_percent{suffix}": 200 * (dx.mean() + dy.mean()),
            f"tv_relative_percent{suffix}": 200 * (dx.mean() + dy.mean()) / np.abs(2 * x - 1).mean(),
            f"tv_anisotropic_percent{suffix}": 100 * (dx.sum() + dy.sum()) / hole.size,
            f"tv_isotropic{suffix}": np.hypot(*(np.roll(levels, -1, axis) - levels for axis in (1, 0))).mean(),
            f"ncc{suffix}": np.corrcoef(x.ravel(), y.ravel())[0, 1],
            f"lmse{suffix}": lmse_by_loops(result, picture),
        }
        for name, options in {"ssim": WANG, "ssim_uniform": {}}.items():
            mean, full = structural_similarity(picture, result, channel_axis=2, data_range=255, full=True, **options)
            values |= {f"{name}{suffix}": mean, **({} if suffix else {f"{name}_hole": full[hole].mean()})}
        if not suffix:
            touched = (hole[:, 1:] | hole[:, :-1], hole[1:] | hole[:-1])
            values |= {
                "l1_hole": error[hole].mean(),
                "l2_hole": np.square(error)[hole].mean(),
                "psnr_hole": peak_signal_noise_ratio(picture[hole], result[hole], data_range=255),
                "tv_hole_percent": 200 * sum(d[where].mean() for d, where in zip((dx, dy), touched, strict=True)),
            }
    percents = ["l1_percent", "l2_percent", "l1_percent_raw", "l2_percent_raw", "l1_hole_percent", "l2_hole_percent"]
    return values | {name: 100 * values[name.replace("_percent", "")] for name in percents}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    times = {"one by one": [], "ours": []}
    largest = 0.0
    for _ in range(rounds):
        for name in vectors.SUFFIX:
            picture, hole = vectors.picture(name), vectors.hole("square128")
            output = vectors.prediction("raw_mean", picture, hole)
            start = time.perf_counter()
            theirs = one_by_one(output, picture, hole)
            middle = time.perf_counter()
            ours = score_pixels(Filled([name], picture[None], hole[None], output[None]))
            times["one by one"].append(middle - start)
            times["ours"].append(time.perf_counter() - middle)
            assert set(ours) == set(theirs), set(ours) ^ set(theirs)
            largest = max(largest, *(abs(ours[metric][0] - theirs[metric]) for metric in ours))
    slow, fast = (statistics.median(times[who]) for who in times)
    print(f"{len(ours)} numbers of a 256 px picture: one by one {1e3 * slow:.0f} ms, ours {1e3 * fast:.0f} ms")
    print(f"{slow / fast:.1f} times as fast; largest difference {largest:.1e}")
    assert largest < 1e-5


if __name__ == "__main__":
    main()
