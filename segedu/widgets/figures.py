"""Figures that answer in the browser: a painter, an overlay, sliders."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from PIL import Image

from segedu.labels import LabelTable
from segedu.masks import validate_mask
from segedu.pages import script, style
from segedu.pictures import picture_tensor
from segedu.strokes import check_stroke, draw_strokes

# The colours of Okabe and Ito, safe for colour-blind readers, for classes that come without a LabelTable.
OKABE_ITO = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167),
    (86, 180, 233), (213, 94, 0), (240, 228, 66), (0, 0, 0),
)  # fmt: skip


def scribble(
    image: str | Path | Image.Image | np.ndarray | torch.Tensor,
    labels: LabelTable | Sequence[str],
    *,
    strokes: Sequence = (),
    brush: float = 5,
) -> Scribble:
    """A painter: the picture, a button for every class, “Undo” and “Clear”. Lesson 00.

    Mouse, pen and finger draw. Where no notebook shows it (nbclient, nbval, a script), it simply
    keeps the strokes that it was given.

    Args:
        image: a picture in any form that pictures.picture_tensor takes: (3, H, W) floats in 0…1,
            (H, W, 3) uint8, PIL …
        labels: a LabelTable, or at most eight class names (they get colours of their own).
        strokes: what is painted at the start, in the form of strokes.draw_strokes.
        brush: its diameter in picture pixels.

    Returns:
        A widget with `.strokes`, the list of (class name, [(x, y), …]) painted so far; setting it
        (a new list, not append) redraws the picture. `.mask` is (H, W) uint8, 255 where nothing was
        painted; `.labels` is the LabelTable.

    Raises:
        ValueError, KeyError: for strokes and a brush that draw_strokes refuses.
    """
    return Scribble(image, _label_table(labels), strokes, brush)


def follow(painter: Scribble, draw: Callable[[list], torch.Tensor | np.ndarray]) -> ipywidgets.HBox:
    """The painter, and beside it the picture that its strokes give, anew after each stroke. Lesson 00.

    Args:
        painter: made by `scribble`.
        draw: called as draw(strokes) with the painter's strokes; gives a picture in any form that
            pictures.picture_tensor takes. What it refuses with a ValueError (strokes of a single
            class, say) is told to the reader, and the last picture stays.

    Example:
        >>> follow(painter, lambda strokes: cut_out(image, segment(strokes)))  # doctest: +SKIP
    """
    picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(width="100%"))
    said = ipywidgets.HTML()

    def redraw(_change=None) -> None:
        said.value = "Learning …"
        try:
            drawn = picture_tensor(draw(painter.strokes))
        except ValueError as error:
            said.value = html.escape(str(error))
            return
        picture.value = _png(_bytes(drawn))
        said.value = f"Learnt from {len(painter.strokes)} strokes."

    painter.observe(redraw, "strokes")
    painter.layout.width = "50%"
    redraw()
    beside = ipywidgets.VBox([said, picture], layout=ipywidgets.Layout(width="50%"))
    return ipywidgets.HBox([painter, beside], layout=ipywidgets.Layout(align_items="center"))


def overlay(
    image: str | Path | Image.Image | np.ndarray | torch.Tensor,
    mask: np.ndarray | torch.Tensor,
    labels: LabelTable | Sequence[str],
    *,
    opacity: float = 0.5,
    prediction: np.ndarray | torch.Tensor | None = None,
) -> Overlay:
    """The picture with its mask over it, which the reader can fade and look through. Lesson 01a.

    There is a slider for the opacity, a switch for every class, and a name for every pixel. All of
    it happens in the browser.

    Args:
        image: as in `scribble`.
        mask: (H, W) class ids of the picture's size, 255 = void (drawn hatched).
        labels: as in `scribble`.
        opacity: of the mask at the start, 0…1.
        prediction: (H, W) class ids of a network; with it the reader can change between mask,
            prediction and errors: the pixels where the two differ, in the colour of the predicted
            class.

    Raises:
        MaskError: for a mask or prediction that does not fit.
        ValueError: for an opacity outside 0…1, and what picture_tensor raises.
    """
    return Overlay(image, mask, _label_table(labels), opacity, prediction)


def sliders(draw: Callable[..., Figure], **ranges: tuple[float, float, float]) -> ipywidgets.VBox:
    """A slider for each argument of `draw`, and below them the figure that it gives. Lesson 07.

    It is drawn anew when a slider is let go. The kernel draws, so nothing moves without one: a
    lesson shows the figure once by plotting.show as well.

    Args:
        draw: called as draw(name=value, …); gives a matplotlib figure, which is closed here.
        **ranges: name=(low, high, start). Three whole numbers make a slider of whole numbers,
            others one of fifty steps.

    Raises:
        ValueError: unless low ≤ start ≤ high and low < high.
    """
    controls = {name: _slider(name, *limits) for name, limits in ranges.items()}
    # Not ipywidgets.interactive: its Output draws by a kernel's display only, and holds no picture without one.
    picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%"))

    def redraw(_change=None) -> None:
        figure, file = draw(**{name: control.value for name, control in controls.items()}), io.BytesIO()
        figure.savefig(file, format="png", dpi=192)
        picture.layout.width = f"{round(96 * figure.get_figwidth())}px"  # else the box stretches it to the page's
        plt.close(figure)
        picture.value = file.getvalue()

    for control in controls.values():
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])


def _slider(name: str, low: float, high: float, start: float) -> ipywidgets.IntSlider | ipywidgets.FloatSlider:
    if not (low <= start <= high and low < high):
        raise ValueError(f"{name}=({low}, {high}, {start}) should be (low, high, start) with low ≤ start ≤ high.")
    limits = {"value": start, "min": low, "max": high, "description": name, "continuous_update": False}
    if all(isinstance(number, int) for number in (low, high, start)):
        return ipywidgets.IntSlider(**limits)
    return ipywidgets.FloatSlider(**limits, step=(high - low) / 50)


class _Figure(anywidget.AnyWidget):
    """What both figures send to the browser; static/figures.js draws it."""

    _esm = script("figures.js")
    _css = style()
    kind = traitlets.Unicode().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)  # a PNG file
    size = traitlets.Tuple().tag(sync=True)  # height, width
    names = traitlets.Tuple().tag(sync=True)
    colours = traitlets.Tuple().tag(sync=True)

    def __init__(self, image: str | Path | Image.Image | np.ndarray | torch.Tensor, labels: LabelTable, **state):
        pixels = _bytes(picture_tensor(image))
        self.labels = labels
        height, width, _ = pixels.shape
        super().__init__(
            picture=_png(pixels), size=(height, width), names=labels.names, colours=labels.colours, **state
        )

    def __repr__(self):
        # No address in memory, so that running a lesson again stores the same text.
        return f"<{type(self).__name__} {self.size[0]} × {self.size[1]}: run this cell in Jupyter or Colab>"


class Scribble(_Figure):
    """A painter; made by `scribble`. Lesson 00.

    Args:
        image: as in `scribble`.
        labels: the class table.
        strokes: what is painted at the start.
        brush: its diameter in picture pixels.
    """

    strokes = traitlets.List().tag(sync=True)
    brush = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        image: str | Path | Image.Image | np.ndarray | torch.Tensor,
        labels: LabelTable,
        strokes: Sequence,
        brush: float,
    ):
        super().__init__(image, labels, kind="scribble")
        draw_strokes([], labels, self.size, brush)  # says what is wrong with the brush
        self.brush = brush
        self.strokes = list(strokes)

    @traitlets.validate("strokes")
    def _checked(self, proposal):
        return [check_stroke(stroke, self.labels, self.size, number) for number, stroke in enumerate(proposal.value)]

    @property
    def mask(self) -> np.ndarray:
        """(H, W) uint8 class ids of the strokes, 255 where nothing was painted."""
        return draw_strokes(self.strokes, self.labels, self.size, self.brush)


class Overlay(_Figure):
    """A mask over its picture; made by `overlay`. Lesson 01a.

    Args:
        image: as in `overlay`.
        mask: (H, W) class ids.
        labels: the class table.
        opacity: of the mask at the start, 0…1.
        prediction: (H, W) class ids of a network, or None.
    """

    mask_bytes = traitlets.Bytes().tag(sync=True)  # one class id a pixel, row by row
    prediction_bytes = traitlets.Bytes(None, allow_none=True).tag(sync=True)
    opacity = traitlets.Float().tag(sync=True)

    def __init__(
        self,
        image: str | Path | Image.Image | np.ndarray | torch.Tensor,
        mask: np.ndarray | torch.Tensor,
        labels: LabelTable,
        opacity: float,
        prediction: np.ndarray | torch.Tensor | None,
    ):
        if not 0 <= opacity <= 1:
            raise ValueError(f"The opacity is a number from 0 (only the picture) to 1 (only the mask), got {opacity}.")
        super().__init__(image, labels, kind="overlay", opacity=opacity)
        self.mask_bytes = _ids(mask, labels, self.size, "The mask")
        if prediction is not None:
            self.prediction_bytes = _ids(prediction, labels, self.size, "The prediction")


def _label_table(labels: LabelTable | Sequence[str]) -> LabelTable:
    if isinstance(labels, LabelTable):
        return labels
    if isinstance(labels, str) or not 1 <= len(labels) <= len(OKABE_ITO):
        raise ValueError(
            f"labels is a LabelTable or a list of 1 to {len(OKABE_ITO)} class names, got {labels!r}. "
            "More classes need colours of their own: LabelTable(names, colours)."
        )
    return LabelTable(tuple(labels), OKABE_ITO[: len(labels)])


def _bytes(image: torch.Tensor) -> np.ndarray:
    return (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def _ids(mask, labels: LabelTable, size: tuple[int, int], name: str) -> bytes:
    validate_mask(mask, labels, size=size, name=name)
    if isinstance(mask, torch.Tensor):
        mask = mask.cpu()
    return np.asarray(mask).astype(np.uint8).tobytes()
