"""The dense CRF: mean field over all pairs of pixels (mean_field.py), and what makes it affordable.

lattice.py has the permutohedral lattice in plain steps, fast.py the same as it is used. Lesson 09.
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
