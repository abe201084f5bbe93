"""The permutohedral lattice in plain steps: a Gaussian filter over points in d dimensions.

Each pixel is a point, its features divided by the kernel's sigmas. Space is divided into simplices
of d + 1 vertices. Every pixel gives its value to the vertices around it (splat), every lattice
point takes from its neighbours along each axis (blur), and every pixel reads its vertices (slice).
The work grows with the number of pixels, and not with that of pairs.

`dense_crf` does the same with sparse matrices (fast_lattice.py), in a small part of the time.

Source: Adams, Baek, Davis, Fast High-Dimensional Filtering Using the Permutohedral Lattice,
Eurographics 2010, section 3. Lesson 09.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import pad

RING_SCALE = np.float32(1.04)  # nothing lost, in 2 to 5 dimensions: nearer to the Gaussian than 1 or 1.08 (tests)
LARGEST = 2**18  # of a lattice point's coordinates / (d + 1): beyond, a float32 is too coarse to place a pixel
TOO_SMALL = "A sigma is too small for this picture: 32-bit numbers cannot tell so many lattice points apart."


class Lattice(NamedTuple):
    """The M lattice points around N pixels in d dimensions, and who is near whom. Lesson 09.

    Attributes:
        points: (M, d + 1) int64, integer coordinates of the lattice points.
        vertices: (N, d + 1) int64, the numbers of the d + 1 points around each pixel.
        weights: (N, d + 1) float32 ≥ 0 with sum 1, a pixel's barycentric weights at these points.
        neighbours: (d + 1, 2, M) int64, the number of each point's neighbour on either side along
            each axis; M where there is none.
    """

    points: torch.Tensor
    vertices: torch.Tensor
    weights: torch.Tensor
    neighbours: torch.Tensor

    def splat(self, values: torch.Tensor) -> torch.Tensor:
        """(M, C): each pixel's value, shared among the points around it. Lesson 09.

        Args:
            values: (N, C) float32, of the pixels.
        """
        shared = self.weights[:, :, None] * values[:, None]  # (N, d + 1, C)
        at_points = torch.zeros(len(self.points), values.shape[1])
        return at_points.index_add(0, self.vertices.flatten(), shared.flatten(0, 1))

    def blur(self, at_points: torch.Tensor) -> torch.Tensor:
        """(M, C): each point takes half of either neighbour's value, axis by axis. Lesson 09.

        Args:
            at_points: (M, C) float32, values of the lattice points.
        """
        for before, after in self.neighbours:
            and_nobody = pad(at_points, (0, 0, 0, 1))  # row M: a neighbour that does not exist has 0
            at_points = at_points + (and_nobody[before] + and_nobody[after]) / 2
        return at_points

    def slice(self, at_points: torch.Tensor) -> torch.Tensor:
        """(N, C): the weighted mean of the points around each pixel. Lesson 09.

        Args:
            at_points: (M, C) float32, values of the lattice points.
        """
        return (self.weights[:, :, None] * at_points[self.vertices]).sum(1)

    def filter(self, values: torch.Tensor) -> torch.Tensor:
        """(N, C): splat, blur, slice: K · values up to a common factor. Lesson 09.

        Args:
            values: (N, C) float32, of the pixels.
        """
        return self.slice(self.blur(self.splat(values)))

    def normalised_filter(self, values: torch.Tensor) -> torch.Tensor:
        """(N, C): D^-½ K D^-½ · values with D = K · 1, as in the dense CRF. Lesson 09.

        Args:
            values: (N, C) float32, of the pixels.
        """
        scale = self.filter(torch.ones(len(values), 1)).rsqrt()  # a common factor of K is gone here
        return scale * self.filter(scale * values)


def permutohedral_lattice(features: np.ndarray, *, extra_ring: bool = False) -> Lattice:
    """The lattice whose `filter` is K[i, j] ≈ exp(−½ |f_i − f_j|²). Lesson 09.

    Only points around a pixel exist. What blurring would give to others is lost.

    Args:
        features: (d, N) float32, each pixel's place, already divided by the sigmas.
        extra_ring: let places next to at least two of these points exist, too, so that hardly
            anything is lost (a second ring changes nothing). The lattice is then finer by a 25th,
            since a kernel that loses nothing is otherwise a little too wide. What remains of the
            error is the shape of the lattice's own kernel.

    Returns:
        The lattice. It takes some seconds for 100,000 pixels in five dimensions.

    Raises:
        ValueError: a feature is not finite, or a sigma so small that float32 cannot tell the
            lattice points apart.

    Source:
        Adams, Baek, Davis 2010, section 3. The paper's hash table is a dictionary.
    """
    nearest, rank, weights = enclosing_simplices(features * RING_SCALE if extra_ring else features)
    size = len(rank)  # d + 1
    k = np.arange(size)[:, None, None]
    vertices = size * nearest + k - size * (rank > size - 1 - k)  # (vertex 0 … d, coordinate, pixel)

    number = {}  # of each lattice point, by its coordinates
    in_turn = np.moveaxis(vertices, 2, 0).reshape(-1, size).tolist()  # each pixel's d + 1 vertices
    around = [number.setdefault(tuple(vertex), len(number)) for vertex in in_turn]
    axes = size * np.eye(size, dtype=np.int64) - 1  # along axis j: d at j, −1 elsewhere

    def beside(step):
        return map(tuple, (np.array(list(number)) + step).tolist())

    if extra_ring:
        touched = Counter(place for axis in axes for step in (-axis, axis) for place in beside(step))
        for place in [place for place, times in touched.items() if times >= 2]:
            number.setdefault(place, len(number))
    neighbours = [[[number.get(p, len(number)) for p in beside(step)] for step in (-axis, axis)] for axis in axes]
    around = torch.tensor(around).view(-1, size)
    return Lattice(torch.tensor(list(number)), around, torch.from_numpy(weights), torch.tensor(neighbours))


def elevate(features: np.ndarray) -> np.ndarray:
    """(d + 1, N) float32: the features in the plane Σ x = 0, in which the lattice lies. Lesson 09.

    Lattice points have integer coordinates there that are all equal modulo d + 1. They are scaled
    so that splat, blur and slice together are a Gaussian of sigma 1.

    Args:
        features: (d, N) float32, divided by the sigmas.

    Source:
        Adams, Baek, Davis 2010, section 3.
    """
    d = len(features)
    elevated, above = np.empty((d + 1, features.shape[1]), np.float32), np.float32(0)
    for i in range(d, 0, -1):
        scaled = features[i - 1] * np.float32(np.sqrt(2 / 3) * (d + 1) / np.sqrt(i * (i + 1)))
        elevated[i] = above - i * scaled
        above = above + scaled
    elevated[0] = above
    return elevated


def enclosing_simplices(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In which simplex of the lattice each pixel lies, and where in it. Lesson 09.

    Args:
        features: (d, N) float32, divided by the sigmas.

    Returns:
        nearest, (d + 1, N) int64: vertex 0 of the simplex, divided by d + 1.
        rank, (d + 1, N) int64: 0 for the coordinate with the largest offset from vertex 0 … d.
            Vertex k lies k above vertex 0, and d + 1 less in the k coordinates of highest rank.
        weights, (N, d + 1) float32: the pixel's barycentric weights at vertices 0 … d.

    Raises:
        ValueError: a feature is not finite, or a sigma so small that float32 cannot tell the
            lattice points apart.

    Source:
        Adams, Baek, Davis 2010, section 3.
    """
    elevated = elevate(features)
    size = len(elevated)
    if not np.isfinite(elevated).all():
        raise ValueError("Some features are NaN or infinite: they are places and colours, divided by sigmas above 0.")
    if np.abs(elevated).max() > LARGEST * size:
        raise ValueError(TOO_SMALL)
    nearest = np.rint(elevated * np.float32(1 / size))
    offset = elevated - nearest * size
    rank = np.argsort(np.argsort(-offset, axis=0, kind="stable"), axis=0)
    rank += nearest.sum(0).astype(np.int64)  # off the plane by so many: those with the largest error go back by one
    back = (rank < 0).astype(np.int64) - (rank >= size)
    rank += back * size
    nearest += back
    largest_first = -np.sort(-(elevated - nearest * size), axis=0) / size
    weights = np.diff(largest_first[::-1], axis=0)  # of vertices 1 … d
    weight_0 = 1 + largest_first[-1:] - largest_first[:1]
    return nearest.astype(np.int64), rank, np.concatenate([weight_0, weights]).T.astype(np.float32)
