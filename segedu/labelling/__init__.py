"""Masks painted over a folder of pictures, without a screen; widgets.label_folder is its face in a notebook."""

from segedu.labelling.session import Labelling

__all__ = ["Labelling"]
