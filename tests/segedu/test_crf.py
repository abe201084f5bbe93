"""The fully connected CRF: against the sum over all pairs, and by what must hold of it on any picture."""

import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut, chelsea, coffee, rocket

from segedu.crf import dense_crf, dense_crf_exact

STRONG = {"bilateral_sigma_xy": 50, "bilateral_sigma_rgb": 13, "bilateral_weight": 10}


def scene(height=48, width=64, seed=0):
    """(H, W, 3) uint8: five grounds of different colour with soft light and noise; and (H, W) which ground it is."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width))
    ground = (y > height // 2) + 2 * (x > 20 + y // 4) + ((y - 14) ** 2 + (x - 44) ** 2 < 80)
    colours = np.array([[60, 90, 160], [120, 110, 100], [60, 120, 50], [190, 180, 160], [170, 50, 40]])
    light = 0.85 + 0.3 * x[..., None] / width
    image = colours[ground] * light + rng.normal(0, 5, (height, width, 3))
    return image.clip(0, 255).round().astype(np.uint8), ground


def soft(labels, classes=5, sure=0.6):
    """(C, H, W) float32: `sure` for the label, the rest for the others in equal parts."""
    rest = np.full((classes, *labels.shape), (1 - sure) / (classes - 1), np.float32)
    np.put_along_axis(rest, labels[None], sure, axis=0)
    return rest


def blocks(height=48, width=64, classes=5):
    """Labels of 8 × 8 pixels that know nothing of the picture."""
    coarse = np.random.default_rng(1).integers(0, classes, (-(-height // 8), -(-width // 8)))
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width]


@pytest.fixture(scope="module")
def unary():
    """Probabilities that follow the picture, a tenth of the pixels wrong."""
    image, ground = scene()
    rng = np.random.default_rng(2)
    noisy = np.where(rng.random(ground.shape) < 0.1, rng.integers(0, 5, ground.shape), ground)
    return soft(noisy), image, ground


@pytest.mark.parametrize("settings", [{}, STRONG], ids=["release", "strong"])
@pytest.mark.parametrize(("labels", "worst"), [("ignore", 0.035), ("follow", 0.006)])
def test_near_the_exact_sum_and_far_from_the_input(settings, labels, worst, unary):
    image = unary[1]
    probabilities = soft(blocks()) if labels == "ignore" else unary[0]
    exact = dense_crf_exact(probabilities, image, **settings)
    found = dense_crf(probabilities, image, **settings)
    assert np.abs(found - exact).mean() < worst
    assert np.abs(exact - probabilities).mean() > 0.05
    assert np.abs(dense_crf(probabilities, image, extra_ring=True, **settings) - exact).mean() < worst


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, STRONG], ids=["release", "strong"])
def test_an_extra_ring_halves_the_distance_from_the_exact_sum(settings):
    """Labels that ignore the picture; three scenes, four photographs made small and a piece of each, all together."""
    pictures = [scene(seed=seed)[0] for seed in range(3)]
    for photo in (astronaut(), chelsea(), coffee(), rocket()):
        pictures += [np.asarray(Image.fromarray(photo).resize((64, 48))), photo[100:148, 200:264]]
    probabilities, distance = soft(blocks()), {False: 0.0, True: 0.0}
    for image in pictures:
        exact = dense_crf_exact(probabilities, image, **settings)
        for ring in distance:
            found = dense_crf(probabilities, image, extra_ring=ring, **settings)
            distance[ring] += np.abs(found - exact).mean() / len(pictures)
    assert distance[True] <= 0.5 * distance[False]
    assert distance[False] < 0.035


def test_exact_is_the_formula_written_out():
    """Pixel by pixel, on 4 × 5 pixels, in float64."""
    image, probabilities = scene(4, 5)[0], np.random.default_rng(0).random((3, 4, 5))
    q = np.clip(probabilities.reshape(3, -1).T, 1e-5, 1)
    unary = -np.log(q)
    places = [(x, y) for y in range(4) for x in range(5)]
    total = np.zeros((20, 20))
    for weight, sigma_xy, sigma_rgb in ((3, 3, np.inf), (4, 6, 20)):
        kernel = np.zeros((20, 20))
        for i, (xi, yi) in enumerate(places):
            for j, (xj, yj) in enumerate(places):
                apart = ((xi - xj) ** 2 + (yi - yj) ** 2) / sigma_xy**2
                colours = image[yi, xi].astype(float) - image[yj, xj]
                kernel[i, j] = np.exp(-0.5 * (apart + (colours**2).sum() / sigma_rgb**2))
        norm = kernel.sum(1)
        total += weight * kernel / np.sqrt(norm[:, None] * norm)
    q = q / q.sum(1, keepdims=True)
    for _ in range(7):
        q = np.exp(-unary + total @ q)
        q /= q.sum(1, keepdims=True)
    found = dense_crf_exact(probabilities, image, iterations=7, bilateral_sigma_xy=6, bilateral_sigma_rgb=20)
    np.testing.assert_allclose(found.reshape(3, -1).T, q, atol=1e-5)


def test_specks_are_removed_and_edges_kept(unary):
    probabilities, image, ground = unary
    before = (probabilities.argmax(0) == ground).mean()
    after = (dense_crf(probabilities, image).argmax(0) == ground).mean()
    assert before < 0.93 and after > 0.995


def test_probabilities_come_back(unary):
    found = dense_crf(*unary[:2])
    assert found.dtype == np.float32 and found.min() >= 0
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("settings", [{"spatial_weight": 0, "bilateral_weight": 0}, {"iterations": 0}])
def test_without_messages_the_input_comes_back_clipped_and_divided_by_its_sum(classes, settings):
    probabilities = np.random.default_rng(0).random((classes, 9, 11)).astype(np.float32)
    probabilities[0, 0, 0] = 0
    clipped = probabilities.clip(1e-5, 1)
    for crf in (dense_crf, dense_crf_exact):
        np.testing.assert_allclose(crf(probabilities, scene(9, 11)[0], **settings), clipped / clipped.sum(0), atol=1e-6)


def test_classes_have_no_order(unary):
    order = [3, 0, 4, 2, 1]
    found = dense_crf(unary[0][order], unary[1])
    np.testing.assert_allclose(found, dense_crf(*unary[:2])[order], atol=1e-4)


def test_two_classes_are_those_of_three_with_one_that_nobody_has():
    image, ground = scene()
    two = soft(ground % 2, 2)
    three = np.concatenate([two, np.zeros_like(two[:1])])
    np.testing.assert_allclose(dense_crf(two, image), dense_crf(three, image)[:2], atol=2e-3)


def test_one_class_is_certain():
    for crf in (dense_crf, dense_crf_exact):
        np.testing.assert_array_equal(crf(np.full((1, 6, 7), 0.3), scene(6, 7)[0]), np.ones((1, 6, 7), np.float32))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (37, 53)])
def test_odd_sizes(height, width):
    image, probabilities = scene(height, width)[0], soft(blocks(height, width))
    found, exact = (crf(probabilities, image) for crf in (dense_crf, dense_crf_exact))
    assert found.shape == probabilities.shape
    assert np.abs(found - exact).mean() < 0.035


def test_a_picture_of_one_colour():
    image, probabilities = np.full((30, 40, 3), 128, np.uint8), soft(blocks(30, 40))
    assert np.abs(dense_crf(probabilities, image) - dense_crf_exact(probabilities, image)).mean() < 0.035


@pytest.mark.parametrize("axis", [1, 2])
def test_a_mirrored_picture_gives_the_mirrored_answer(axis, unary):
    """Exactly so for the sum; the lattice lies otherwise in the mirror, so it is as near as it is to the sum."""
    probabilities, image = unary[0][:, :32, :40], unary[1][:32, :40]
    for crf, worst in ((dense_crf_exact, 1e-5), (dense_crf, 0.006)):
        mirrored = crf(np.flip(probabilities, axis).copy(), np.flip(image, axis - 1).copy())
        assert np.abs(np.flip(mirrored, axis) - crf(probabilities, image)).mean() < worst


def test_more_iterations_converge(unary):
    q = [dense_crf(*unary[:2], iterations=n) for n in (0, 1, 5, 10, 40, 41)]
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(q)]
    assert steps[0] > 0.03 and steps[-1] < 1e-4


def test_tensors_come_back_as_tensors_and_nothing_changes(unary):
    probabilities, image = torch.from_numpy(unary[0].copy()), torch.from_numpy(unary[1].copy())
    found = dense_crf(probabilities.requires_grad_(), image)
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float32 and not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), dense_crf(*unary[:2]))
    np.testing.assert_array_equal(probabilities.detach().numpy(), unary[0])
    assert isinstance(dense_crf_exact(probabilities[:, :5, :6], image[:5, :6]), torch.Tensor)


def test_a_picture_whose_colours_are_lost_is_told_and_a_bright_one_is_not():
    image, probabilities = scene(8, 8)[0], soft(blocks(8, 8))
    for crf in (dense_crf, dense_crf_exact):
        with pytest.warns(UserWarning, match=r"largest value is 0 of 255.*\(image \* 255\).round"):
            crf(probabilities, (image / 256).astype(np.uint8))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            crf(probabilities, image)


def test_bad_input_is_refused_with_the_way_out():
    image, probabilities = scene(8, 8)[0], soft(blocks(8, 8))
    nan = probabilities.copy()
    nan[0, 3, 3] = np.nan
    for crf in (dense_crf, dense_crf_exact):
        with pytest.raises(TypeError, match=r"\(image \* 255\).round\(\).astype\(np.uint8\)"):
            crf(probabilities, image / 255)
        with pytest.raises(ValueError, match=r"\(H, W, 3\), got \(3, 8, 8\).*permute"):
            crf(probabilities, torch.from_numpy(image).permute(2, 0, 1))
        with pytest.raises(ValueError, match=r"8 × 8 pixels, got \(5, 8, 7\)"):
            crf(probabilities[:, :, :7], image)
        with pytest.raises(ValueError, match="one picture of a batch"):
            crf(probabilities[None], image)
        with pytest.raises(TypeError, match="one-hot"):
            crf(probabilities.round().astype(np.int64), image)
        with pytest.raises(ValueError, match="NaN"):
            crf(nan, image)
        with pytest.raises(ValueError, match=r"logits.softmax\(0\)"):
            crf(probabilities * 4 - 2, image)
        for name in ("spatial_sigma", "bilateral_sigma_xy", "bilateral_sigma_rgb"):
            with pytest.raises(ValueError, match="above 0, got 0"):
                crf(probabilities, image, **{name: 0})
        with pytest.raises(ValueError, match="at least 0, got -1"):
            crf(probabilities, image, spatial_weight=-1)
        with pytest.raises(ValueError, match="iterations"):
            crf(probabilities, image, iterations=-1)
    with pytest.raises(ValueError, match="so large"):
        dense_crf(probabilities, image, spatial_weight=500)
    with pytest.raises(ValueError, match="8192 pixels, and this picture has 9000"):
        dense_crf_exact(np.full((2, 90, 100), 0.5), scene(90, 100)[0])


def test_large_weights_give_numbers():
    """Messages of 100 overflow exp in 32 bits, unless they are shifted; the exact sum's softmax takes any."""
    image, probabilities = scene(16, 16)[0], soft(blocks(16, 16))
    for crf, weight in ((dense_crf, 100), (dense_crf_exact, 100), (dense_crf_exact, 500)):
        found = crf(probabilities, image, spatial_weight=weight)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


def test_import_is_free_of_scipy_and_of_warnings():
    code = (
        "import sys, numpy as np, segedu.crf as c; assert 'scipy' not in sys.modules; "
        "c.dense_crf(np.full((3, 9, 9), 0.3), np.full((9, 9, 3), 99, np.uint8))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_probabilities_may_be_mirrored_or_of_the_other_byte_order():
    rng = np.random.default_rng(0)
    p, image = rng.random((2, 6, 8)).astype(np.float32), rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    expected = dense_crf(p, image)
    assert np.array_equal(dense_crf(p.astype(">f4"), image), expected)
    assert np.array_equal(dense_crf(p[:, ::-1].copy()[:, ::-1], image), expected)
