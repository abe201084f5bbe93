"""The dense CRF (lesson 09): mean field in mean_field.py, its Gaussian filter in lattice.py."""

from segedu.crf.mean_field import dense_crf, dense_crf_exact, positions, positions_and_colours

__all__ = ["dense_crf", "dense_crf_exact", "positions", "positions_and_colours"]
