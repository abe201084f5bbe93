"""The fully connected CRF: every pixel asks all others that lie near and look alike.

`dense_crf_exact` is the model as it is written down: a sum over all pairs of pixels. `dense_crf` is
the same with that sum, a Gaussian filter in five dimensions, done on a permutohedral lattice
(lattice.py in plain steps, fast_lattice.py as used).

Source: Krähenbühl, Koltun, Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials, NIPS 2011, arXiv 1210.5644; the two kernels' settings are those of DeepLab, arXiv
1606.00915, section 3.3. Lesson 09.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch

from segedu.crf import fast_mean_field
from segedu.crf.fast_lattice import merged, sparse_lattice
from segedu.inputs import native

SMALLEST = 1e-5  # a probability of 0 would forbid a class for ever: the unary is −log of at least this
EXACT_PIXELS = 8192  # the largest picture of dense_crf_exact: its matrix has the square of this
Array = np.ndarray | torch.Tensor


def dense_crf(
    probabilities: Array,
    image: Array,
    *,
    iterations: int = 10,
    spatial_sigma: float = 3,
    spatial_weight: float = 3,
    bilateral_sigma_xy: float = 49,
    bilateral_sigma_rgb: float = 5,
    bilateral_weight: float = 4,
    extra_ring: bool = False,
) -> Array:
    """(C, H, W) class probabilities after mean field in a fully connected CRF. Lesson 09.

    The defaults are those of DeepLab's release, for pictures of some 500 pixels a side. Sigmas are
    in pixels: for a picture of half the size, take half of both sigmas of places; the sigma of
    colours stays. Time and memory grow with the number of pixels, whatever the sigmas are. Nothing
    is changed in place.

    Args:
        probabilities: (C, H, W) float in 0…1, at least 1e-5 of which is taken. A pixel's sum need
            not be 1: it is divided by it.
        image: (H, W, 3) uint8, the picture of these probabilities; all black, it is told.
        iterations: of mean field, 0 or more.
        spatial_sigma: of the kernel that knows places only, which removes specks; in pixels.
        spatial_weight: of that kernel; 0 leaves it out.
        bilateral_sigma_xy: of the kernel that knows places and colours, which moves borders to
            where the colour changes: for places, in pixels.
        bilateral_sigma_rgb: for colours, in steps of 0…255.
        bilateral_weight: of that kernel; 0 leaves it out. With both left out, the probabilities
            come back, clipped to 1e-5…1 and divided by their sum.
        extra_ring: give the lattices more points, so that nothing is lost at their edges: less than
            half the distance from the exact sum for labels that ignore the picture, mostly nearer
            for others, in up to a quarter more time.

    Returns:
        (C, H, W) float32 with sum 1 at each pixel: an array if `probabilities` is one, else a
        tensor on its device. The work is done on the CPU, with torch's threads.

    Raises:
        TypeError: the image is not uint8, or the probabilities are not floats.
        ValueError: another shape, NaN, a probability outside 0…1, a sigma not above 0 or far too
            small, a negative weight or one that overflows, iterations that are not 0, 1, 2 …

    Source:
        Krähenbühl, Koltun 2011, section 3; Adams, Baek, Davis 2010, section 3; the normalisation
        and j = i as in the authors' code.

    Example:
        >>> image = torch.rand(3, 60, 80)  # in 0…1
        >>> probabilities = torch.rand(2, 60, 80).softmax(0)  # of a network: its softmax
        >>> pixels = (image * 255).round().byte().permute(1, 2, 0)
        >>> dense_crf(probabilities, pixels, bilateral_sigma_xy=12).argmax(0).shape
        torch.Size([60, 80])
    """
    log_p, pixels = _checked(probabilities, image, iterations, spatial_weight, bilateral_weight)
    order = torch.from_numpy(fast_mean_field.cache_order(pixels))
    lattices = [
        sparse_lattice(features.take(order, axis=1), weight=weight, extra_ring=extra_ring)
        for weight, features in _kernels(
            pixels, spatial_sigma, spatial_weight, bilateral_sigma_xy, bilateral_sigma_rgb, bilateral_weight
        )
    ]
    lattice = merged(lattices) if lattices else None
    q = fast_mean_field.mean_field(log_p.index_select(0, order), lattice, iterations)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return _as_given(q.index_select(0, place), pixels, probabilities)


def dense_crf_exact(
    probabilities: Array,
    image: Array,
    *,
    iterations: int = 10,
    spatial_sigma: float = 3,
    spatial_weight: float = 3,
    bilateral_sigma_xy: float = 49,
    bilateral_sigma_rgb: float = 5,
    bilateral_weight: float = 4,
) -> Array:
    """The same as dense_crf by the literal sum over all pairs of pixels. Lesson 09.

    K[i, j] = exp(−½ |f_i − f_j|²), normalised to K[i, j] / √(D_i D_j) with D_i = Σ_j K[i, j]; j = i
    is in the sum.

    Args:
        probabilities: (C, H, W), as of dense_crf.
        image: (H, W, 3) uint8, of at most 8192 pixels.
        iterations: as of dense_crf, and so are all that follow.
        spatial_sigma: in pixels.
        spatial_weight: 0 leaves the kernel out.
        bilateral_sigma_xy: in pixels.
        bilateral_sigma_rgb: in steps of 0…255.
        bilateral_weight: 0 leaves the kernel out.

    Returns:
        (C, H, W) float32, as of dense_crf.

    Raises:
        TypeError: as dense_crf.
        ValueError: as dense_crf, and for a picture of more than 8192 pixels.

    Source:
        Krähenbühl, Koltun 2011, section 2; the normalisation and j = i as in the authors' code.
    """
    log_p, pixels = _checked(probabilities, image, iterations, spatial_weight, bilateral_weight)
    count = len(log_p)
    if count > EXACT_PIXELS:
        raise ValueError(
            f"The exact sum needs a matrix of pixels × pixels, so it takes at most {EXACT_PIXELS} pixels, and this "
            f"picture has {count}: use dense_crf, or a smaller picture."
        )
    both = torch.zeros(count, count)
    for weight, features in _kernels(
        pixels, spatial_sigma, spatial_weight, bilateral_sigma_xy, bilateral_sigma_rgb, bilateral_weight
    ):
        kernel = torch.zeros(count, count)
        for feature in torch.from_numpy(features):
            kernel += (feature[:, None] - feature).square_()
        scale = kernel.mul_(-0.5).exp_().sum(1).rsqrt()
        both += kernel.mul_(scale[:, None]).mul_(weight * scale)
    return _as_given(mean_field(log_p, lambda q: both @ q, iterations), pixels, probabilities)


def mean_field(log_p: torch.Tensor, messages: Callable, iterations: int) -> torch.Tensor:
    """Q, (N, C), after steps Q ← softmax(log p + messages(Q)), all pixels at once. Lesson 09.

    Args:
        log_p: (N, C) float32, log probabilities: −unary. Q begins as their softmax.
        messages: (N, C) → (N, C), what the other pixels say: Σ_k weight_k K̂_k Q.
        iterations: 0 or more.

    Returns:
        (N, C) float32 with sum 1 in each row.

    Source:
        Krähenbühl, Koltun 2011, algorithm 1, with Potts' model.
    """
    q = log_p.softmax(1)
    for _ in range(iterations):
        q = (log_p + messages(q)).softmax(1)
    return q


def spatial_features(image: np.ndarray, sigma: float) -> np.ndarray:
    """(2, H·W): where each pixel is, for the kernel that knows places only. Lesson 09.

    Args:
        image: (H, W, 3) of any values: its size counts.
        sigma: in pixels, above 0.

    Returns:
        (2, H·W) float32: x and y of each pixel, divided by sigma.

    Raises:
        ValueError: sigma is not above 0.

    Source:
        Krähenbühl, Koltun 2011, equation 3, second kernel.
    """
    if not sigma > 0:
        raise ValueError(f"A sigma must be above 0, got {sigma}; to leave a kernel out, give it the weight 0.")
    height, width = image.shape[:2]
    y, x = np.indices((height, width), np.float32).reshape(2, -1)
    return np.stack([x, y]) / np.float32(sigma)


def bilateral_features(image: np.ndarray, sigma_xy: float, sigma_rgb: float) -> np.ndarray:
    """(5, H·W): where each pixel is and how it looks, for the kernel of both. Lesson 09.

    Args:
        image: (H, W, 3) uint8.
        sigma_xy: in pixels, above 0.
        sigma_rgb: in steps of 0…255, above 0.

    Returns:
        (5, H·W) float32: x, y, red, green and blue of each pixel, divided by their sigmas.

    Raises:
        ValueError: a sigma is not above 0.

    Source:
        Krähenbühl, Koltun 2011, equation 3, first kernel.
    """
    if not sigma_rgb > 0:
        raise ValueError(f"A sigma must be above 0, got {sigma_rgb}; to leave a kernel out, give it the weight 0.")
    colours = image.reshape(-1, 3).T / np.float32(sigma_rgb)
    return np.concatenate([spatial_features(image, sigma_xy), colours])


def _kernels(
    pixels: np.ndarray,
    spatial_sigma: float,
    spatial_weight: float,
    bilateral_sigma_xy: float,
    bilateral_sigma_rgb: float,
    bilateral_weight: float,
) -> list[tuple[float, np.ndarray]]:
    """Weight and features of each kernel whose weight is not 0."""
    kernels = []
    if spatial_weight:
        kernels.append((spatial_weight, spatial_features(pixels, spatial_sigma)))
    if bilateral_weight:
        kernels.append((bilateral_weight, bilateral_features(pixels, bilateral_sigma_xy, bilateral_sigma_rgb)))
    return kernels


def _checked(probabilities, image, iterations, *weights) -> tuple[torch.Tensor, np.ndarray]:
    """The log of the clipped probabilities, (H·W, C), and the image as an array; or an error."""
    probabilities = native(probabilities) if isinstance(probabilities, np.ndarray) else probabilities
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
    if image.size and image.max() <= 1:  # a black frame of a film is allowed
        warnings.warn(
            f"The image is all black: its largest value is {image.max()} of 255. If it was in 0…1 before it became "
            "uint8, its colours are lost: give (image * 255).round().astype(np.uint8).",
            stacklevel=3,
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
    """Of q (H·W, C), (C, H, W): an array for an array, a tensor on its device for a tensor."""
    q = q.t().contiguous().reshape(-1, *image.shape[:2])
    return q.to(given.device) if isinstance(given, torch.Tensor) else q.numpy()
