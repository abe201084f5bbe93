"""Seconds of the dense CRF on one thread, by classes and picture size, and its distance from the exact sum.

    python -m benchmarks.crf

Where the C++ of the paper's authors is installed (pydensecrf: a compiler and Cython < 3 build it), also its seconds for
the same pictures and settings, and the mean and largest difference between both answers.
"""

import time

import numpy as np
import torch
from PIL import Image
from skimage.data import chelsea

from segedu.crf import dense_crf, dense_crf_exact
from tests.segedu.test_crf import STRONG, blocks, scene, soft

SIZES = [(180, 240), (360, 480), (1024, 1365), (1732, 2309)]  # the last has four million pixels


def photograph(height, width):
    """(height, width, 3) uint8: a photograph of a cat."""
    return np.asarray(Image.fromarray(chelsea()).resize((width, height)))


def seconds(image, classes, **settings):
    """Seconds of dense_crf for this picture: the best of three, or one if it is large."""
    probabilities = soft(blocks(*image.shape[:2], classes=classes), classes)
    best = float("inf")
    for _ in range(3 if image.size < 1_000_000 else 1):
        start = time.perf_counter()
        dense_crf(probabilities, image, **STRONG, **settings)
        best = min(best, time.perf_counter() - start)
    return best


def print_seconds(name, picture):
    """A table of seconds by size and number of classes."""
    print(f"\n{name}: seconds for 10 iterations (sigmas 50 and 13, weight 10; spatial 3, 3), best of 3 for the small")
    print("  pixels      2 classes      11 classes      21 classes   21 classes, extra ring      µs a pixel, 21")
    for height, width in SIZES:
        image = picture(height, width)
        found = [seconds(image, classes) for classes in (2, 11, 21)] + [seconds(image, 21, extra_ring=True)]
        row = "".join(f"{value:16.2f}" for value in found)
        print(f"{width:5} × {height:4}{row}{1e6 * found[2] / (height * width):16.2f}", flush=True)


def compiled_crf(densecrf, probabilities, image):
    """Seconds and answer of the C++ with the settings STRONG and dense_crf's spatial ones."""
    classes, height, width = probabilities.shape
    start = time.perf_counter()
    field = densecrf.DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(np.ascontiguousarray(-np.log(np.clip(probabilities, 1e-5, 1)).reshape(classes, -1)))
    field.addPairwiseGaussian(sxy=3, compat=3)
    xy, rgb, weight = (STRONG[f"bilateral_{name}"] for name in ("sigma_xy", "sigma_rgb", "weight"))
    field.addPairwiseBilateral(sxy=xy, srgb=rgb, rgbim=np.array(image), compat=weight)
    answer = np.array(field.inference(10)).reshape(classes, height, width)
    return time.perf_counter() - start, answer


def print_compiled(name, image):
    """The C++, best of 5, and then ours; nothing without pydensecrf."""
    try:
        from pydensecrf import densecrf
    except ImportError:
        return
    for classes in (2, 11, 21):
        probabilities = soft(blocks(*image.shape[:2], classes=classes), classes)
        runs = [compiled_crf(densecrf, probabilities, image) for _ in range(5)]
        theirs, ours = min(seconds for seconds, _ in runs), seconds(image, classes)
        difference = np.abs(dense_crf(probabilities, image, **STRONG) - runs[0][1])
        print(
            f"{name}, {classes:2} classes: C++ {theirs:.2f} s, ours {ours:.2f} s, share {ours / theirs:.2f}; "
            f"the answers differ by {difference.mean():.0e} in the mean, by at most {difference.max():.0e}"
        )


def print_accuracy(name, image):
    """How far the lattice is from the exact sum, with and without an extra ring."""
    print(f"\n{name}, 48 × 64, five classes: mean |ΔQ| from the exact sum (share of equal labels)")
    grey = image.mean(2)
    by_light = np.digitize(grey, np.quantile(grey, [0.2, 0.4, 0.6, 0.8]))
    for labels, probabilities in (("ignore the picture", soft(blocks())), ("follow it", soft(by_light))):
        for setting, settings in (("release's settings", {}), ("sigmas 50 and 13", STRONG)):
            exact = dense_crf_exact(probabilities, image, **settings)
            for ring in (False, True):
                found = dense_crf(probabilities, image, **settings, extra_ring=ring)
                error, same = np.abs(found - exact).mean(), (found.argmax(0) == exact.argmax(0)).mean()
                print(f"  labels {labels:20} {setting:20} extra_ring={ring!s:6} {error:.4f} ({same:.1%})")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, picture in (("synthetic scene", lambda *size: scene(*size)[0]), ("chelsea", photograph)):
        print_accuracy(name, picture(48, 64))
        print_seconds(name, picture)
        print_compiled(name, picture(360, 480))
