"""Gaussian filtering in many dimensions, in time that grows with the number of values only: the permutohedral lattice.

Adams, Baek and Davis (Eurographics 2010). A value that lies anywhere is shared among the few lattice points around it
(splat); every point takes from its neighbours, axis by axis (blur); and each value reads what the points around it have
become (slice). Read `lattice`, then `embed`.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import embedding_bag

FINER = np.float32(1.04)  # with nothing lost, in 2 to 5 dimensions: nearer to the Gaussian than 1 or 1.08 (tests)
CHUNK = 16384  # pixels embedded at a time: what they need stays in the processor's cache


class Lattice(NamedTuple):
    """A sum of kernels, each normalised and weighted, as sparse matrices: Σ slice · blur_d · … · blur_0 · splat."""

    splats: list[torch.Tensor]  # for each kernel: (points, pixels)
    blurs: list[list[torch.Tensor]]  # for each kernel: d + 1 of (points, points), ½ of the neighbours on either side
    slice: torch.Tensor  # (pixels, points of all kernels)


def add_filtered(lattice: Lattice, values: torch.Tensor, out: torch.Tensor) -> None:
    """Adds Σ weight · K̂ · values to `out`, both (N, any number) float32: splat, blur along each axis, slice."""
    at_points = []
    for splat, blurs in zip(lattice.splats, lattice.blurs, strict=True):
        of_kernel = product(splat, values)
        for blur in blurs:
            of_kernel = product(blur, of_kernel)
        at_points.append(of_kernel)
    torch.addmm(out, lattice.slice, torch.cat(at_points), out=out)


def product(matrix: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """matrix @ values, of a sparse matrix. Where rows are long, as sums of rows that are fetched ahead: faster."""
    if values.shape[1] < 8:
        return matrix @ values
    rows, starts, weights = matrix.col_indices(), matrix.crow_indices(), matrix.values()
    return embedding_bag(rows, values, starts, mode="sum", per_sample_weights=weights, include_last_offset=True)


def joined(lattices: list[Lattice]) -> Lattice:
    """The lattice that adds what all of these add; a pixel reads the points of all kernels at once, which is faster."""
    pixels = lattices[0].slice.shape[0]
    columns, shares, points = [], [], 0
    for one in lattices:
        columns.append(one.slice.col_indices().view(pixels, -1) + points)
        shares.append(one.slice.values().view(pixels, -1))
        points += one.slice.shape[1]
    splats, blurs = (sum(parts, []) for parts in zip(*(one[:2] for one in lattices), strict=True))
    return Lattice(splats, blurs, _equal_rows(torch.cat(columns, 1), torch.cat(shares, 1), points))


def lattice(features: np.ndarray, *, weight: float = 1.0, extra_ring: bool = False) -> Lattice:
    """The lattice whose add_filtered adds weight · D^-½ K D^-½ · values, K[i, j] ≈ exp(−½ |f_i − f_j|²), D = K · 1.

    features: (d, N) float32, already divided by the sigmas. Only points around a pixel exist; blurring loses what it
    would give to others. extra_ring: places next to at least two of those points exist, too, so that hardly anything
    is lost (a second ring changes nothing), and the lattice is finer by a 25th, since a kernel that loses nothing is
    otherwise a little too wide. What remains of the error is the shape of the lattice's own kernel.
    Source: Adams, Baek, Davis 2010, section 3; the points are sorted integers in place of their hash table.
    """
    if extra_ring:
        features = features * FINER
    cells, shares, steps = embed(features)
    cells, cell = _unique(cells)
    keys = vertices(cells, steps)
    points, number = _unique(keys.ravel())
    number = number.reshape(keys.shape).T  # (cells, d + 1)
    if extra_ring:
        beside, of = np.unique(np.concatenate([points + step for step in (*steps, *-steps)]), return_counts=True)
        inner, points = points, np.union1d(points, beside[of >= 2])
        number = np.searchsorted(points, inner)[number]
    blurs = [neighbours(points, abs(step)) for step in steps]
    columns = np.take(number.astype(np.int32), cell, axis=0)  # (N, d + 1): the points around each pixel

    from scipy.sparse import csr_array  # here: `import segedu` stays free of scipy

    rows = np.arange(0, columns.size + 1, columns.shape[1], dtype=np.int32)
    slice_ = csr_array((shares.ravel(), columns.ravel(), rows), shape=(len(columns), len(points)))
    at_points = torch.from_numpy(slice_.T @ np.ones((len(columns), 1), np.float32))
    for blur in blurs:
        at_points = blur @ at_points
    total = slice_ @ at_points.numpy()  # (N, 1): D = K · 1, at least what a pixel gives to itself
    shares *= np.sqrt(np.float32(weight) / total)  # in place, so in slice_, too: half of the weight before, half after
    splat = slice_.T.tocsr()
    splat = _sparse(*map(torch.from_numpy, (splat.indptr, splat.indices, splat.data)), splat.shape)
    return Lattice([splat], [blurs], _equal_rows(torch.from_numpy(columns), torch.from_numpy(shares), len(points)))


def embed(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In which cell of the lattice each pixel lies, and how it is shared among the cell's d + 1 corners.

    features: (d, N) float32. Returns
    cells: (N,) int64, one number a cell: the key of its corner 0, and in which order a walk around it takes the axes;
    shares: (N, d + 1) float32 ≥ 0 with sum 1, of corner 0 … d (barycentric coordinates);
    steps: (d + 1,) int64: the key of a point's neighbour along axis j is the point's own key + steps[j].
    The lattice lies in the plane Σ x = 0 of d + 1 dimensions: its points have integer coordinates that are all equal
    modulo d + 1, and axis j is the direction (−1, …, −1, d at j, −1, …). Their scale makes splat, blur and slice
    together a Gaussian of sigma 1. Source: Adams, Baek, Davis 2010, section 3.
    """
    d, count = features.shape
    scale = [np.float32(np.sqrt(2 / 3) * (d + 1) / np.sqrt(i * (i + 1))) for i in range(1, d + 1)]
    low, high = _bounds(features, scale)
    # A point's key is a number of d digits: coordinate 0, and how many (d + 1) each of 1 … d − 1 lies above it.
    places = [1, *np.cumprod([int(side) for side in high - low], dtype=object)]
    if places[-1] * (d + 1) ** d >= 2**62 or max(np.abs(low).max(), np.abs(high).max()) > 2**18:
        raise ValueError("A sigma is too small for this picture: 32-bit numbers cannot tell so many cells apart.")
    places = np.array(places[:d], dtype=np.int64)
    steps = np.full(d + 1, -1)
    steps[0] += d + 1 - places[1:].sum()
    steps[1:d] += places[1:]

    cells, shares = np.empty(count, np.int64), np.empty((count, d + 1), np.float32)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        nearest, rank, offset = _enclosing(_elevated(features[:, part], scale))
        nearest = nearest.astype(np.int64)
        corner = nearest[0] * (d + 1)
        for i in range(1, d):
            corner += (nearest[i] - nearest[0]) * places[i]
        for i in range(d):
            corner = corner * (d + 1) + rank[i]
        cells[part] = corner

        for i, j in combinations(range(d + 1), 2):  # the largest offset first: many times faster than np.sort on axis 0
            offset[i], offset[j] = np.maximum(offset[i], offset[j]), np.minimum(offset[i], offset[j])
        shares[part, 0] = 1 + offset[d] - offset[0]
        for k in range(1, d + 1):
            shares[part, k] = offset[d - k] - offset[d - k + 1]
    return cells, shares, steps


def _elevated(features: np.ndarray, scale: list) -> np.ndarray:
    """(d + 1, N): the features in the plane Σ x = 0, where the lattice is."""
    d = len(features)
    elevated, above = np.empty((d + 1, features.shape[1]), np.float32), np.float32(0)
    for i in range(d, 0, -1):
        scaled = features[i - 1] * scale[i - 1]
        elevated[i] = above - i * scaled
        above = above + scaled
    elevated[0] = above
    return elevated


def _enclosing(elevated: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(d + 1, N) each: corner 0 of the cell, divided by d + 1; the rank of each coordinate of the pixel's offset from
    it, 0 for the largest; that offset, divided by d + 1."""
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


def _bounds(features: np.ndarray, scale: list) -> tuple[np.ndarray, np.ndarray]:
    """(d,) each: bounds of the digits of every key that may occur, a ring of neighbours included."""
    d = len(features)
    corners = np.stack([features.min(1), features.max(1)]).astype(np.float64)
    matrix = np.stack([_elevated(unit[:, None], scale)[:, 0] for unit in np.eye(d, dtype=np.float32)], 1)
    matrix[1:] = (matrix[1:] - matrix[0]) / (d + 1)
    rows = matrix[:d]
    low = np.where(rows > 0, rows * corners[0], rows * corners[1]).sum(1)
    high = np.where(rows > 0, rows * corners[1], rows * corners[0]).sum(1)
    margin = np.array([4 * (d + 1)] + [5] * (d - 1))
    return np.floor(low) - margin, np.ceil(high) + margin


def vertices(cells: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(d + 1, cells) int64: the keys of each cell's corners. A walk around it goes one step back along each axis."""
    size = len(steps)
    corner = cells // size ** (size - 1)
    walks, walk = np.unique(cells - corner * size ** (size - 1), return_inverse=True)  # in few orders of the axes
    rank, rest = np.empty((size, len(walks)), np.int64), walks
    for i in range(size - 2, -1, -1):
        rest, rank[i] = np.divmod(rest, size)
    rank[-1] = size * (size - 1) // 2 - rank[:-1].sum(0)
    back = np.zeros((size + 1, len(walks)), np.int64)
    np.put_along_axis(back, size - rank, np.broadcast_to(steps[:, None], rank.shape), axis=0)
    return corner - back[:-1].cumsum(0).take(walk, axis=1)


def neighbours(points: np.ndarray, step: int) -> torch.Tensor:
    """(points, points) sparse: the blur (½, 1, ½) along one axis. A neighbour that does not exist counts as zero."""
    count = len(points)
    after = np.searchsorted(points, points + step)
    after[after == count] = 0
    here = np.flatnonzero(points[after] == points + step)
    columns, shares = np.arange(count, dtype=np.int32)[:, None].repeat(3, axis=1), np.zeros((count, 3), np.float32)
    columns[after[here], 0], columns[here, 2] = here, after[here]
    shares[after[here], 0], shares[:, 1], shares[here, 2] = 0.5, 1, 0.5
    return _equal_rows(torch.from_numpy(columns), torch.from_numpy(shares), count)


def _unique(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """np.unique(keys, return_inverse=True) of int64; where key and place fit into one number, six times as fast."""
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


def _equal_rows(columns: torch.Tensor, values: torch.Tensor, width: int) -> torch.Tensor:
    """(rows, width) sparse, of columns and values (rows, how many each row has)."""
    starts = torch.arange(0, columns.numel() + 1, columns.shape[1], dtype=torch.int32)
    return _sparse(starts, columns.ravel(), values.ravel(), (len(columns), width))


def _sparse(starts: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    with warnings.catch_warnings():  # torch says at the first that such matrices are in beta state
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(starts, columns, values, size=shape)
