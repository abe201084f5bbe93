"""The dense CRF: mean field over all pairs of pixels, and the lattice that makes it affordable.

mean_field.py and lattice.py are plain steps to be read; fast_mean_field.py and fast_lattice.py give
the same numbers in less time, for dense_crf. Lesson 09.
"""

from segedu.crf.lattice import Lattice, permutohedral_lattice
from segedu.crf.mean_field import bilateral_features, dense_crf, dense_crf_exact, spatial_features

__all__ = [
    "Lattice",
    "bilateral_features",
    "dense_crf",
    "dense_crf_exact",
    "permutohedral_lattice",
    "spatial_features",
]
