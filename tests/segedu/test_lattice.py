"""The Gaussian filter against the sum over all pairs, the same lattice pixel by pixel, and fast against plain steps."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from skimage.data import chelsea, coffee

from segedu.crf import (
    bilateral_features,
    fast_lattice,
    fast_mean_field,
    mean_field,
    permutohedral_lattice,
    spatial_features,
)
from segedu.crf.fast_lattice import add_filtered, embed, merged, sparse_lattice, vertex_keys
from segedu.crf.lattice import RING_SCALE, enclosing_simplices

F = np.float32


def filtered(lattice, values):
    out = torch.zeros(len(values), values.shape[1])
    add_filtered(lattice, torch.from_numpy(values), out)
    return out.numpy()


def filtered_in_plain_steps(lattice, values):
    return lattice.normalised_filter(torch.from_numpy(values)).numpy()


def exact(features, values):
    """D^-½ K D^-½ values, K[i, j] = exp(−½ |f_i − f_j|²)."""
    distance = ((features[:, :, None] - features[:, None]) ** 2).sum(0)
    kernel = np.exp(-0.5 * distance)
    scale = 1 / np.sqrt(kernel.sum(1))
    return scale[:, None] * (kernel @ (scale[:, None] * values))


def by_dictionary(features, values):
    """What the lattice filters, one pixel after the other, with a dictionary of points whose keys are coordinates."""
    d, count = features.shape
    rounded_to, pixels = F(1 / (d + 1)), []
    for f in features.T:
        elevated, above = [F(0)] * (d + 1), F(0)
        for i in range(d, 0, -1):
            scaled = f[i - 1] * F(math.sqrt(2 / 3) * (d + 1) / math.sqrt(i * (i + 1)))
            elevated[i], above = above - F(i) * scaled, above + scaled
        elevated[0] = above
        nearest = [int(np.rint(e * rounded_to)) for e in elevated]
        error = [e - F(n * (d + 1)) for e, n in zip(elevated, nearest, strict=True)]
        rank = [0] * (d + 1)
        for i in range(d + 1):
            for j in range(i + 1, d + 1):
                rank[i if error[i] < error[j] else j] += 1
        excess = sum(nearest)
        for i in range(d + 1):
            rank[i] += excess
            if rank[i] > d:
                rank[i], nearest[i] = rank[i] - (d + 1), nearest[i] - 1
            elif rank[i] < 0:
                rank[i], nearest[i] = rank[i] + d + 1, nearest[i] + 1
        share = [0.0] * (d + 2)
        for i in range(d + 1):
            v = float(elevated[i] - F(nearest[i] * (d + 1))) / (d + 1)
            share[d - rank[i]] += v
            share[d + 1 - rank[i]] -= v
        share[0] += 1 + share[d + 1]
        corners = [
            tuple((d + 1) * nearest[i] + (k if rank[i] <= d - k else k - d - 1) for i in range(d + 1))
            for k in range(d + 1)
        ]
        pixels.append(list(zip(corners, share[: d + 1], strict=True)))

    def lattice_filter(values):
        points = defaultdict(lambda: np.zeros(values.shape[1]))
        for around, value in zip(pixels, values, strict=True):
            for corner, share in around:
                points[corner] = points[corner] + share * value
        for axis in range(d + 1):
            blurred = {}
            for point, value in points.items():
                for sign in (1, -1):
                    other = tuple(c + sign * (d if i == axis else -1) for i, c in enumerate(point))
                    if other in points:
                        value = value + 0.5 * points[other]
                blurred[point] = value
            points = blurred
        return np.array([sum(share * points[corner] for corner, share in around) for around in pixels])

    scale = 1 / np.sqrt(lattice_filter(np.ones((count, 1))))
    return scale * lattice_filter(scale * values)


def picture_features(height=24, width=32, seed=0):
    """x, y and the colours of a smooth picture with an edge, divided by sigmas."""
    y, x = np.indices((height, width))
    noise = np.random.default_rng(seed).normal(0, 6, (3, height * width))
    colours = 90 + 80 * (x > y).ravel() + noise + 2 * x.ravel()
    return np.concatenate([np.stack([x.ravel(), y.ravel()]) / 8, colours / 20]).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_same_as_a_lattice_in_a_dictionary(d):
    rng = np.random.default_rng(d)
    features = rng.normal(0, 1.5, (d, 150)).astype(np.float32)
    features[:, :20] = rng.integers(-2, 3, (d, 20))  # some equal places, and some between cells
    values = rng.random((150, 4)).astype(np.float32)
    true = by_dictionary(features, values)
    np.testing.assert_allclose(filtered_in_plain_steps(permutohedral_lattice(features), values), true, atol=1e-5)
    np.testing.assert_allclose(filtered(sparse_lattice(features), values), true, atol=1e-5)


def test_same_as_a_lattice_in_a_dictionary_on_a_picture():
    features = picture_features(12, 16)
    values = np.random.default_rng(0).random((12 * 16, 3)).astype(np.float32)
    true = by_dictionary(features, values)
    np.testing.assert_allclose(filtered_in_plain_steps(permutohedral_lattice(features), values), true, atol=1e-5)
    np.testing.assert_allclose(filtered(sparse_lattice(features), values), true, atol=1e-5)


@pytest.mark.parametrize("classes", [1, 3, 11])
@pytest.mark.parametrize("extra_ring", [False, True])
@pytest.mark.parametrize("picture", ["photograph", "scene", "one colour", "a row"])
def test_fast_is_equal_to_the_plain_steps(picture, extra_ring, classes):
    """The same points, and the same values to rounding, of each kernel and of both as one."""
    pixels = {
        "photograph": chelsea()[100:148, 200:264],
        "scene": (60 + 8 * picture_features(48, 64)[2:].T).clip(0, 255).astype(np.uint8).reshape(48, 64, 3),
        "one colour": np.full((30, 40, 3), 128, np.uint8),
        "a row": coffee()[200, None, :300],
    }[picture]
    both = [spatial_features(pixels, 3), bilateral_features(pixels, 24, 5)]
    values = np.random.default_rng(0).random((both[0].shape[1], classes)).astype(np.float32)
    plain = [permutohedral_lattice(features, extra_ring=extra_ring) for features in both]
    quick = [
        sparse_lattice(features, weight=w, extra_ring=extra_ring) for w, features in zip((3, 4), both, strict=True)
    ]
    assert [len(one.points) for one in plain] == [one.slice.shape[1] for one in quick]
    true = [weight * filtered_in_plain_steps(one, values) for weight, one in zip((3, 4), plain, strict=True)]
    for found, one in zip(quick, true, strict=True):
        np.testing.assert_allclose(filtered(found, values), one, atol=2e-5)
    np.testing.assert_allclose(filtered(merged(quick), values), sum(true), atol=4e-5)


def test_an_order_for_the_cache_is_an_order():
    """Every pixel once; and the lattice gives each the same whatever its number is."""
    pixels = chelsea()[100:148, 200:264]
    order, features = fast_mean_field.cache_order(pixels), bilateral_features(pixels, 24, 5)
    np.testing.assert_array_equal(np.sort(order), np.arange(48 * 64))
    values = np.random.default_rng(0).random((48 * 64, 3)).astype(np.float32)
    found = filtered(sparse_lattice(features.take(order, axis=1)), values[order])
    np.testing.assert_allclose(found, filtered(sparse_lattice(features), values)[order], atol=1e-5)


@pytest.mark.parametrize("classes", [2, 11])
def test_fast_mean_field_is_equal_to_the_plain_one(classes):
    """Of the same messages, to rounding: what a softmax without maximum, and a sum as a product, may change."""
    pixels, rng = chelsea()[100:148, 200:264], np.random.default_rng(0)
    log_p = torch.from_numpy(rng.random((48 * 64, classes)).astype(np.float32)).clamp(1e-5, 1).log()
    lattice = sparse_lattice(bilateral_features(pixels, 24, 5), weight=10)

    def messages(q):
        return torch.from_numpy(filtered(lattice, q.numpy()))

    true = mean_field.mean_field(log_p, messages, 5)
    torch.testing.assert_close(fast_mean_field.mean_field(log_p.clone(), lattice, 5), true, atol=1e-4, rtol=0)
    assert (true - log_p.softmax(1)).abs().mean() > 0.01


@pytest.mark.parametrize(("dimensions", "worst_mean"), [(2, 0.012), (5, 0.02)])
def test_near_the_sum_over_all_pairs(dimensions, worst_mean):
    """Mean error at most 0.012 in two dimensions and 0.02 in five, of values 0 and 1."""
    features = picture_features()[:dimensions]
    values = np.random.default_rng(1).integers(0, 2, (features.shape[1], 2)).astype(np.float32)
    values[: len(values) // 2] = [1, 0]
    found, true = filtered(sparse_lattice(features), values), exact(features.astype(float), values)
    assert np.abs(found - true).mean() < worst_mean
    assert np.abs(true - values).mean() > 10 * worst_mean  # nothing done would not be near


def test_an_extra_ring_is_nearer():
    features = picture_features()
    values = (np.random.default_rng(1).random((features.shape[1], 2)) > 0.8).astype(np.float32)
    true = exact(features.astype(float), values)
    few, more = (
        np.abs(filtered(sparse_lattice(features, extra_ring=ring), values) - true).mean() for ring in (False, True)
    )
    assert more < 0.9 * few


@pytest.mark.parametrize(("d", "reach"), [(2, 7), (3, 4), (5, 2)])
def test_a_whole_kernel_is_nearest_to_the_gaussian_on_a_finer_lattice(d, reach, monkeypatch):
    """What 20 places in the middle of many give to all others, beside the Gaussian.

    As wide as without the ring the kernel is too wide, and as fine as 1.08 it is too narrow.
    """
    rng = np.random.default_rng(d)
    middle, cloud = rng.uniform(-0.5, 0.5, (d, 20)), rng.uniform(-reach, reach, (d, 6000))
    features, given = np.concatenate([middle, cloud], axis=1).astype(np.float32), np.eye(6020, 20, dtype=np.float32)
    true, far = exact(features.astype(float), given), {}
    ours = RING_SCALE
    for finer in (1, ours, 1.08):
        monkeypatch.setattr(fast_lattice, "RING_SCALE", np.float32(finer))
        far[finer] = np.abs(filtered(sparse_lattice(features, extra_ring=True), given) - true).sum()
    assert min(far, key=far.get) == ours


@pytest.mark.parametrize("d", [2, 5])
def test_vertices_and_weights_say_where_a_pixel_lies(d):
    """The vertices, times the weights, are the pixel again: keys are sums of steps, so this holds for keys, too."""
    features = np.random.default_rng(0).normal(0, 2, (d, 500)).astype(np.float32)
    design = np.concatenate([features, np.ones((1, 500))]).T  # a place's coordinates and key are linear in the features
    simplices, weights, steps = embed(features)
    keys = vertex_keys(simplices, steps)
    assert steps.sum() == 0  # once along every axis comes back
    lattice = permutohedral_lattice(features)
    places = lattice.points[lattice.vertices].numpy()  # (N, d + 1, d + 1)
    assert (places.sum(2) == 0).all() and (places % (d + 1) == places[:, :, :1] % (d + 1)).all()
    np.testing.assert_allclose(lattice.weights.numpy(), weights, atol=1e-6)
    for where in ((weights.T * (keys - keys[0, 0])).sum(0), *np.einsum("nv,nvc->cn", weights, places)):
        fit, *_ = np.linalg.lstsq(design.astype(float), where, rcond=None)
        np.testing.assert_allclose(design @ fit, where, rtol=1e-4, atol=1e-4 * np.abs(where).max())
    for found in (weights, enclosing_simplices(features)[2]):
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
        assert found.min() > -1e-5


def test_weight_and_one_column():
    features, values = picture_features(8, 8), np.random.default_rng(0).random((64, 3)).astype(np.float32)
    once = filtered(sparse_lattice(features), values)
    np.testing.assert_allclose(filtered(sparse_lattice(features, weight=2.5), values), 2.5 * once, rtol=1e-4)
    np.testing.assert_allclose(filtered(sparse_lattice(features), values[:, 1:2].copy()), once[:, 1:2], rtol=1e-4)


def test_symmetric_in_the_order_of_pixels():
    features, values = picture_features(8, 9), np.random.default_rng(0).random((72, 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(72)
    found = filtered(sparse_lattice(features[:, order].copy()), values[order])
    np.testing.assert_allclose(found, filtered(sparse_lattice(features), values)[order], atol=1e-5)


def test_long_keys_are_told_apart_as_short_ones():
    """Sorted together with their places, or, where both do not fit into 64 bits, by numpy."""
    keys = np.random.default_rng(0).integers(-50, 50, 1000)
    for scale in (1, 2**54):
        both = fast_lattice._unique(keys * scale), np.unique(keys * scale, return_inverse=True)
        for found, true in zip(*both, strict=True):
            np.testing.assert_array_equal(found, true)


def test_a_sigma_far_too_small_is_refused():
    with pytest.raises(ValueError, match="too small"):
        sparse_lattice(picture_features() * np.float32(1e6))
    with pytest.raises(ValueError, match="too small"):
        permutohedral_lattice(picture_features() * np.float32(1e6))
    with pytest.raises(ValueError, match="NaN or infinite"):
        permutohedral_lattice(picture_features() * np.float32(np.nan))
