"""The fully connected conditional random field: every pixel asks all others that lie near and look alike.

Krähenbühl and Koltun (NIPS 2011), with the two kernels and the weights of DeepLab (arXiv 1606.00915, section 3.3).
`dense_crf_exact` is the model as it is written down: a sum over all pairs of pixels. `dense_crf` is the same with that
sum, a Gaussian filter in five dimensions, done on a permutohedral lattice (segedu/crf/lattice.py).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from segedu.crf.lattice import add_filtered, joined, lattice

SMALLEST = 1e-5  # a probability of 0 would forbid a class for ever: the unary is −log of at least this
AT_A_TIME = 2**17  # values whose softmax is taken at a time: they stay in the processor's cache
EXACT_PIXELS = 8192  # the largest picture of dense_crf_exact: its matrix has the square of this


def dense_crf(
    probabilities,
    image,
    *,
    iterations: int = 10,
    spatial_sigma: float = 3,
    spatial_weight: float = 3,
    bilateral_sigma_xy: float = 49,
    bilateral_sigma_rgb: float = 5,
    bilateral_weight: float = 4,
    extra_ring: bool = False,
):
    """(C, H, W) float32: the class probabilities after `iterations` of mean field in a fully connected CRF.

    probabilities: (C, H, W) in 0…1, a tensor or an array; what comes back is of the same kind (and on its device; the
        work is done on the CPU, with torch's threads). A pixel's sum need not be 1: it is divided by it.
    image: (H, W, 3) uint8, the picture of these probabilities, a tensor or an array.
    spatial_sigma, spatial_weight: of the kernel that knows places only, in pixels: it removes specks.
    bilateral_sigma_xy, bilateral_sigma_rgb, bilateral_weight: of the kernel that knows places, in pixels, and colours,
        in steps of 0…255: it moves borders to where the colour changes. A weight of 0 leaves a kernel out; with both
        left out, the probabilities come back, clipped to 1e-5…1 and divided by their sum.
    extra_ring: give the lattices more points, so that nothing is lost at their edges: less than half the distance from
        the exact sum for labels that ignore the picture, mostly nearer for others, in up to a quarter more time.
    The defaults are those of DeepLab's release, for pictures of some 500 pixels a side. Sigmas are in pixels: for a
    picture of half the size, take half of both sigmas of places; the sigma of colours stays.
    Time and memory grow with the number of pixels, whatever the sigmas are. Raises TypeError and ValueError, with the
    way out, for what is not as above; nothing is changed in place.
    """
    scores, colours = _checked(probabilities, image, iterations, spatial_weight, bilateral_weight)
    order = torch.from_numpy(_neighbours_first(colours))
    kernels = []
    if spatial_weight:
        features = positions(colours, spatial_sigma)
        kernels.append(lattice(features.take(order, axis=1), weight=spatial_weight, extra_ring=extra_ring))
    if bilateral_weight:
        features = positions_and_colours(colours, bilateral_sigma_xy, bilateral_sigma_rgb)
        kernels.append(lattice(features.take(order, axis=1), weight=bilateral_weight, extra_ring=extra_ring))

    kernels = joined(kernels) if kernels else None

    def add_messages(q, out):
        if kernels:
            add_filtered(kernels, q, out)

    q = mean_field(scores.index_select(0, order), add_messages, iterations)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return _as_given(q.index_select(0, place), colours, probabilities)


def dense_crf_exact(
    probabilities,
    image,
    *,
    iterations: int = 10,
    spatial_sigma: float = 3,
    spatial_weight: float = 3,
    bilateral_sigma_xy: float = 49,
    bilateral_sigma_rgb: float = 5,
    bilateral_weight: float = 4,
):
    """The same as dense_crf by the literal sum over all pairs of pixels, for pictures of at most 8192 pixels.

    K[i, j] = exp(−½ |f_i − f_j|²), normalised to K[i, j] / √(D_i D_j) with D_i = Σ_j K[i, j]; j = i is in the sum.
    Source: Krähenbühl, Koltun 2011, section 2; the normalisation and j = i as in the authors' code.
    """
    scores, colours = _checked(probabilities, image, iterations, spatial_weight, bilateral_weight)
    pixels = len(scores)
    if pixels > EXACT_PIXELS:
        raise ValueError(
            f"The exact sum needs a matrix of pixels × pixels, so it takes at most {EXACT_PIXELS} pixels, and this "
            f"picture has {pixels}: use dense_crf, or a smaller picture."
        )
    both = torch.zeros(pixels, pixels)
    for weight, features in (
        (spatial_weight, positions(colours, spatial_sigma)),
        (bilateral_weight, positions_and_colours(colours, bilateral_sigma_xy, bilateral_sigma_rgb)),
    ):
        if weight:
            kernel = torch.zeros(pixels, pixels)
            for feature in torch.from_numpy(features):
                kernel += (feature[:, None] - feature).square_()
            scale = kernel.mul_(-0.5).exp_().sum(1).rsqrt()
            both += kernel.mul_(scale[:, None]).mul_(weight * scale)

    def add_messages(q, out):
        out.addmm_(both, q)

    return _as_given(mean_field(scores, add_messages, iterations), colours, probabilities)


def mean_field(scores: torch.Tensor, add_messages, iterations: int) -> torch.Tensor:
    """(N, C): Q after `iterations` of Q ← softmax(scores + messages(Q)), all pixels at once, from Q = softmax(scores).

    scores: (N, C) ≤ 0, −unary: log probabilities. It is overwritten.
    add_messages(q, out): adds to `out` what the other pixels say, Σ_k weight_k K̂_k q; both (N, any number).
    Source: Krähenbühl, Koltun 2011, algorithm 1, with Potts' model.
    """
    together = torch.zeros(len(scores), 1)  # what all classes hear together, always: add_messages(1)
    add_messages(torch.ones_like(together), together)
    if together.max() > 150:
        raise ValueError("The kernels' weights are so large that 32-bit numbers overflow: some 3 to 20 are usual.")
    q, spare = _softmax(scores.clone()), torch.empty_like(scores)
    scores -= together / 2  # so that no softmax below must subtract its maximum: it is between −87 and 75
    for _ in range(iterations):
        add_messages(q, spare.copy_(scores))
        q, spare = _softmax(spare), q
    return q


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    """The softmax of each row, in place. torch.softmax is slow for a few classes a row; a product with ones is fast."""
    ones = torch.ones(scores.shape[1], scores.shape[1])
    for part in scores.split(-(-AT_A_TIME // scores.shape[1])):
        part.exp_()
        part /= part @ ones
    return scores


def _neighbours_first(image: np.ndarray) -> np.ndarray:
    """(H·W,): an order of the pixels in which those that lie near and look alike follow each other.

    They read the same lattice points, which then wait in the processor's cache: the products take a third less time.
    """
    y, x = np.indices(image.shape[:2], np.int64).reshape(2, -1) // 32
    red, green, blue = image.reshape(-1, 3).T.astype(np.int64) // 16
    tile = y * (x[-1] + 1) + x
    key = ((tile * 16 + red) * 16 + green) * 16 + blue
    return np.sort((key << 32) + np.arange(len(key))) & (2**32 - 1)


def positions(image: np.ndarray, sigma: float) -> np.ndarray:
    """(2, H·W) float32: x and y of each pixel of an (H, W, 3) image, divided by sigma."""
    if not sigma > 0:
        raise ValueError(f"A sigma must be above 0, got {sigma}; to leave a kernel out, give it the weight 0.")
    height, width = image.shape[:2]
    y, x = np.indices((height, width), np.float32).reshape(2, -1)
    return np.stack([x, y]) / np.float32(sigma)


def positions_and_colours(image: np.ndarray, sigma_xy: float, sigma_rgb: float) -> np.ndarray:
    """(5, H·W) float32: x, y, red, green and blue of each pixel of an (H, W, 3) image, divided by their sigmas."""
    if not sigma_rgb > 0:
        raise ValueError(f"A sigma must be above 0, got {sigma_rgb}; to leave a kernel out, give it the weight 0.")
    colours = image.reshape(-1, 3).T / np.float32(sigma_rgb)
    return np.concatenate([positions(image, sigma_xy), colours])


def _checked(probabilities, image, iterations, *weights) -> tuple[torch.Tensor, np.ndarray]:
    """(H·W, C), the log of the clipped probabilities, and the image as an array; raises for what is neither."""
    values = torch.as_tensor(probabilities).detach().as_subclass(torch.Tensor).cpu()
    image = image.cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(
            f"The image must be uint8, 0…255, since a sigma of colours is in such steps, got {image.dtype}. For floats "
            "in 0…1, give (image * 255).round().astype(np.uint8); a tensor (3, H, W) needs .permute(1, 2, 0) first."
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"The image must be (H, W, 3), got {image.shape}. For a tensor (3, H, W), give image.permute(1, 2, 0); for "
            "a grey picture, np.stack([image] * 3, axis=-1)."
        )
    if values.ndim != 3 or tuple(values.shape[1:]) != image.shape[:2] or not values.numel():
        raise ValueError(
            f"The probabilities must be (C, H, W) with the image's {image.shape[0]} × {image.shape[1]} pixels, got "
            f"{tuple(values.shape)}: resize one of them, and take one picture of a batch at a time."
        )
    if not values.is_floating_point():
        raise TypeError(f"The probabilities must be floats, got {values.dtype}; of class ids, make them one-hot first.")
    values = values.float()
    low, high = (float(value) for value in values.aminmax())
    if math.isnan(low):  # a single NaN is enough for that
        raise ValueError("Some probabilities are NaN: look for what made them so, such as a loss that became NaN.")
    if low < -1e-4 or high > 1 + 1e-4:
        raise ValueError(f"Probabilities lie in 0…1, got {low:.3g}…{high:.3g}. For logits, give logits.softmax(0).")
    if iterations != int(iterations) or iterations < 0:
        raise ValueError(f"The number of iterations must be 0, 1, 2 …, got {iterations}.")
    for weight in weights:
        if not 0 <= weight < float("inf"):
            raise ValueError(f"A kernel's weight must be at least 0, got {weight}: it says how much neighbours agree.")
    return values.flatten(1).clamp(SMALLEST, 1).log_().t().contiguous(), image


def _as_given(q: torch.Tensor, image: np.ndarray, given):
    """q (H·W, C) as (C, H, W): an array where an array was given, a tensor on its device where a tensor was."""
    q = q.t().contiguous().reshape(-1, *image.shape[:2])
    return q.to(given.device) if isinstance(given, torch.Tensor) else q.numpy()
