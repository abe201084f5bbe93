"""Figures that answer in the browser: a painter, an overlay, sliders, and a folder of pictures to label.

No other room imports anywidget and ipywidgets.
"""

try:
    import anywidget  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"The interactive figures need anywidget ({error}). Type `pip install anywidget` and restart the kernel; "
        "every lesson also works without them: its strokes are numbers in a cell, and its figures stand below."
    ) from error

from segedu.widgets.figures import Overlay, Scribble, follow, overlay, scribble, sliders
from segedu.widgets.labeller import Labeller, label_folder

__all__ = ["Labeller", "Overlay", "Scribble", "follow", "label_folder", "overlay", "scribble", "sliders"]
