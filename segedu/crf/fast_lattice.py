"""The lattice of lattice.py as sparse matrices of integers: the same numbers in a part of the time.

Each trick is exact: it changes the order of sums, so the last digits, and nothing else
(tests/segedu/test_lattice.py compares it with the plain steps).

- Lattice points are integers of 64 bits in place of rows of coordinates, and sorted in place of a
  dictionary: exact, since the digits of a key are the coordinates, and too long a key is refused.
- Splat, blur and slice are sparse matrices: exact, since each of them is linear in the values.
- The lattices of both kernels are sliced by one matrix: exact, since a sum of two products with
  matrices is the product with both matrices beside each other.
- The normalisation D^-½ K D^-½ is part of the weights of splat and slice: exact, since a diagonal
  matrix times a matrix scales its rows.

Source: Adams, Baek, Davis 2010, section 3, as lattice.py. Lesson 09 shows the plain steps.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from segedu.crf.lattice import LARGEST, RING_SCALE, TOO_SMALL, elevate

CHUNK = 16384  # pixels embedded at a time: what they need stays in the processor's cache


class SparseLattice(NamedTuple):
    """A sum of kernels, each normalised and weighted: Σ slice · blur_d · … · blur_0 · splat.

    Attributes:
        splats: for each kernel a sparse (M, N) float32, M its lattice points, N pixels.
        blurs: for each kernel d + 1 sparse (M, M) float32: ½, 1, ½ for a point and its neighbours.
        slice: sparse (N, points of all kernels) float32.
    """

    splats: list[torch.Tensor]
    blurs: list[list[torch.Tensor]]
    slice: torch.Tensor


def add_filtered(lattice: SparseLattice, values: torch.Tensor, out: torch.Tensor) -> None:
    """Adds Σ weight · D^-½ K D^-½ · values to `out`, in place: splat, blur along each axis, slice.

    Args:
        lattice: of N pixels.
        values: (N, C) float32.
        out: (N, C) float32.
    """
    at_points = []
    for splat, blurs in zip(lattice.splats, lattice.blurs, strict=True):
        of_kernel = sparse_matmul(splat, values)
        for blur in blurs:
            of_kernel = sparse_matmul(blur, of_kernel)
        at_points.append(of_kernel)
    torch.addmm(out, lattice.slice, torch.cat(at_points), out=out)


def sparse_matmul(matrix: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The product matrix @ values: (M, N) sparse and (N, C) → (M, C) float32.

    A row of the product is a weighted sum of rows of `values`, which is what embedding_bag takes:
    where rows are long it fetches them ahead, and is faster.
    """
    if values.shape[1] < 8:
        return matrix @ values
    rows, starts, weights = matrix.col_indices(), matrix.crow_indices(), matrix.values()
    return embedding_bag(rows, values, starts, mode="sum", per_sample_weights=weights, include_last_offset=True)


def merged(lattices: list[SparseLattice]) -> SparseLattice:
    """The lattice that adds what all of these add: a pixel reads all kernels' points at once."""
    pixels = lattices[0].slice.shape[0]
    columns, weights, points = [], [], 0
    for one in lattices:
        columns.append(one.slice.col_indices().view(pixels, -1) + points)
        weights.append(one.slice.values().view(pixels, -1))
        points += one.slice.shape[1]
    splats = [splat for one in lattices for splat in one.splats]
    blurs = [blurs for one in lattices for blurs in one.blurs]
    return SparseLattice(splats, blurs, _csr_of_equal_rows(torch.cat(columns, 1), torch.cat(weights, 1), points))


def sparse_lattice(features: np.ndarray, *, weight: float = 1.0, extra_ring: bool = False) -> SparseLattice:
    """The lattice whose `add_filtered` adds weight · D^-½ K D^-½ · values, D = K · 1.

    Args:
        features: (d, N) float32, each pixel's place, already divided by the sigmas.
        weight: of the kernel, above 0.
        extra_ring: as in lattice.permutohedral_lattice.

    Returns:
        The lattice. Time and memory grow with N, whatever the sigmas are.

    Raises:
        ValueError: a sigma is so small that float32 or a key of 62 bits cannot tell the lattice
            points apart.

    Source: Adams, Baek, Davis 2010, section 3.
    """
    if extra_ring:
        features = features * RING_SCALE
    simplices, weights, steps = embed(features)
    simplices, simplex = _unique(simplices)  # neighbours in the picture share one, mostly
    keys = vertex_keys(simplices, steps)
    points, number = _unique(keys.ravel())
    number = number.reshape(keys.shape).T  # (simplices, d + 1)
    if extra_ring:
        beside, of = np.unique(np.concatenate([points + step for step in (*steps, *-steps)]), return_counts=True)
        inner, points = points, np.union1d(points, beside[of >= 2])
        number = np.searchsorted(points, inner)[number]
    blurs = [_blur(points, abs(step)) for step in steps]
    columns = np.take(number.astype(np.int32), simplex, axis=0)  # (N, d + 1): the points around each pixel

    from scipy.sparse import csr_array

    rows = np.arange(0, columns.size + 1, columns.shape[1], dtype=np.int32)
    slice_ = csr_array((weights.ravel(), columns.ravel(), rows), shape=(len(columns), len(points)))
    at_points = torch.from_numpy(slice_.T @ np.ones((len(columns), 1), np.float32))
    for blur in blurs:
        at_points = blur @ at_points
    total = slice_ @ at_points.numpy()  # (N, 1): D = K · 1, at least what a pixel gives to itself
    weights *= np.sqrt(np.float32(weight) / total)  # in place, so in slice_, too: half of the weight before, half after
    splat = slice_.T.tocsr()
    splat = _csr(*map(torch.from_numpy, (splat.indptr, splat.indices, splat.data)), splat.shape)
    slice_ = _csr_of_equal_rows(torch.from_numpy(columns), torch.from_numpy(weights), len(points))
    return SparseLattice([splat], [blurs], slice_)


def embed(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """lattice.enclosing_simplices with one integer for each simplex.

    A lattice point's key is a number of d digits: coordinate 0, and how many (d + 1) each of
    1 … d − 1 lies above it; coordinate d is what makes the sum zero. A simplex' key is that of its
    vertex 0, followed by the ranks of coordinates 0 … d − 1, which are digits below d + 1.

    Args:
        features: (d, N) float32, divided by the sigmas.

    Returns:
        simplices: (N,) int64 keys.
        weights: (N, d + 1) float32, barycentric, of vertices 0 … d.
        steps: (d + 1,) int64: the key of a point's neighbour along axis j is its own + steps[j].

    Raises:
        ValueError: a key would not fit into 62 bits, or float32 is too coarse.
    """
    d, count = features.shape
    low, high = _bounds(features)
    places = [1, *np.cumprod([int(side) for side in high - low], dtype=object)]
    if places[-1] * (d + 1) ** d >= 2**62 or max(np.abs(low).max(), np.abs(high).max()) > LARGEST:
        raise ValueError(TOO_SMALL)
    places = np.array(places[:d], dtype=np.int64)
    steps = np.full(d + 1, -1)
    steps[0] += d + 1 - places[1:].sum()
    steps[1:d] += places[1:]

    simplices, weights = np.empty(count, np.int64), np.empty((count, d + 1), np.float32)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        nearest, rank, offset = _enclosing(elevate(features[:, part]))
        nearest = nearest.astype(np.int64)
        key = nearest[0] * (d + 1)
        for i in range(1, d):
            key += (nearest[i] - nearest[0]) * places[i]
        for i in range(d):
            key = key * (d + 1) + rank[i]
        simplices[part] = key

        for i, j in combinations(range(d + 1), 2):  # the largest offset first: many times faster than np.sort on axis 0
            offset[i], offset[j] = np.maximum(offset[i], offset[j]), np.minimum(offset[i], offset[j])
        weights[part, 0] = 1 + offset[d] - offset[0]
        for k in range(1, d + 1):
            weights[part, k] = offset[d - k] - offset[d - k + 1]
    return simplices, weights, steps


def _enclosing(elevated: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of elevated features, vertex 0 / (d + 1), ranks and offset / (d + 1): (d + 1, N) each.

    As in lattice.enclosing_simplices, with ranks by comparing all pairs, which is faster than
    argsort, and exact: how many are larger, or equal and before, is the place in a stable order.
    """
    size = len(elevated)
    per_size = np.float32(1 / size)
    nearest = np.rint(elevated * per_size)
    offset = elevated - nearest * size
    rank = np.zeros(elevated.shape, np.int8)
    for i, j in combinations(range(size), 2):
        less = offset[i] < offset[j]
        rank[i] += less
        rank[j] += ~less
    rank += nearest.sum(0).astype(np.int8)  # off the plane by so many: those with the largest error go back by one
    back = (rank < 0).astype(np.int8) - (rank >= size)
    rank += back * np.int8(size)
    nearest += back
    return nearest, rank, (offset - back * np.float32(size)) * per_size


def _bounds(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the digits of all keys that may occur, with a ring of neighbours: (d,) each."""
    d = len(features)
    corners = np.stack([features.min(1), features.max(1)]).astype(np.float64)
    matrix = elevate(np.eye(d, dtype=np.float32))
    matrix[1:] = (matrix[1:] - matrix[0]) / (d + 1)
    rows = matrix[:d]
    low = np.where(rows > 0, rows * corners[0], rows * corners[1]).sum(1)
    high = np.where(rows > 0, rows * corners[1], rows * corners[0]).sum(1)
    margin = np.array([4 * (d + 1)] + [5] * (d - 1))
    return np.floor(low) - margin, np.ceil(high) + margin


def vertex_keys(simplices: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The keys of vertices 0 … d of each simplex.

    From one vertex to the next is a step back along an axis, that of the highest rank first. Ranks
    are read from the key once for each order of the axes that occurs, which are few.

    Args:
        simplices: (S,) int64, keys of simplices as `embed` gives them.
        steps: (d + 1,) int64, of the same call.

    Returns:
        (d + 1, S) int64.
    """
    size = len(steps)
    vertex_0 = simplices // size ** (size - 1)
    orders, order = np.unique(simplices - vertex_0 * size ** (size - 1), return_inverse=True)
    rank, rest = np.empty((size, len(orders)), np.int64), orders
    for i in range(size - 2, -1, -1):
        rest, rank[i] = np.divmod(rest, size)
    rank[-1] = size * (size - 1) // 2 - rank[:-1].sum(0)
    back = np.zeros((size + 1, len(orders)), np.int64)
    np.put_along_axis(back, size - rank, np.broadcast_to(steps[:, None], rank.shape), axis=0)
    return vertex_0 - back[:-1].cumsum(0).take(order, axis=1)


def _blur(points: np.ndarray, step: int) -> torch.Tensor:
    """The blur (½, 1, ½) along one axis, (M, M) sparse. Where no neighbour is, there is 0."""
    count = len(points)
    after = np.searchsorted(points, points + step)
    after[after == count] = 0
    here = np.flatnonzero(points[after] == points + step)
    columns, weights = np.arange(count, dtype=np.int32)[:, None].repeat(3, axis=1), np.zeros((count, 3), np.float32)
    columns[after[here], 0], columns[here, 2] = here, after[here]
    weights[after[here], 0], weights[:, 1], weights[here, 2] = 0.5, 1, 0.5
    return _csr_of_equal_rows(torch.from_numpy(columns), torch.from_numpy(weights), count)


def _unique(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """np.unique(keys, return_inverse=True) of int64, up to six times as fast.

    Key and place are sorted as one number, if both fit into 62 bits. Exact, since that number says
    both, which key it is and where it was.
    """
    low, bits = keys.min(), len(keys).bit_length()
    if int(keys.max() - low) >= 2 ** (62 - bits):
        return np.unique(keys, return_inverse=True)
    both = ((keys - low) << bits) + np.arange(len(keys))
    both.sort()
    keys = both >> bits
    new = np.concatenate([[True], keys[1:] != keys[:-1]])
    inverse = np.empty(len(keys), np.int32)
    inverse[both & (2**bits - 1)] = new.cumsum(dtype=np.int32) - 1
    return keys[new] + low, inverse


def _csr_of_equal_rows(columns: torch.Tensor, values: torch.Tensor, width: int) -> torch.Tensor:
    """(rows, width) sparse, of columns and values, (rows, how many each row has)."""
    starts = torch.arange(0, columns.numel() + 1, columns.shape[1], dtype=torch.int32)
    return _csr(starts, columns.ravel(), values.ravel(), (len(columns), width))


def _csr(starts: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    with warnings.catch_warnings():  # torch says at the first that such matrices are in beta state
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(starts, columns, values, size=shape)
