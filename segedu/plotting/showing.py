"""A figure as a notebook stores it: sharp, small, its point below, and a description for who cannot see it."""

from __future__ import annotations

import io
import math
import re

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from segedu.plotting.look import COLUMN, CSS

_DPI = 2 * CSS  # modern screens have two real pixels for one of CSS, in each direction
_LARGE = 100_000  # bytes of a lossless picture, from which on a photograph is worth a JPEG


def show(figure: Figure, point: str, alt: str | None = None) -> None:
    """Show a figure with its one point to take away below it, and close it. Lesson 00.

    Stored are two real pixels for each pixel of CSS, at most 760 of them wide: a line drawing as
    a PNG with a palette, exact white included; pixels and maps as a lossless PNG; a photograph
    whose lossless PNG would be large as a JPEG (see `encoded`).

    Args:
        figure: any figure of matplotlib; wider than 7.9 inches, it is stored smaller.
        point: the caption: one sentence, shown below the figure. Plain text.
        alt: what is to be seen, with the numbers that matter, as told on the telephone: the
            alternative text. Plain text, another one than `point`. None takes `point`.

    Raises:
        ValueError: If a text is empty, or both are the same.

    Example:
        >>> figure = plotting.panels(image, truth, labels=STREET)
        >>> alt = "A street; its mask in colours."
        >>> plotting.show(figure, "Each pixel has one class.", alt)  # doctest: +SKIP
    """
    point = _plain(point, "a caption: the one point to take away")
    if alt is not None:
        alt = _plain(alt, "an alternative text: what is to be seen, as told on the telephone")
        if alt == point:
            raise ValueError("Caption and alternative text are the same; one says the point, the other what is seen.")
    kind, data, width = encoded(figure)
    display({kind: data, "text/plain": alt or point}, raw=True, metadata={kind: {"alt": alt or point, "width": width}})
    display(Markdown(f"*{_escaped(point)}*"))


def encoded(figure: Figure) -> tuple[str, bytes, int]:
    """What show stores of a figure: kind, bytes, width in CSS pixels. It is closed. Lesson 00.

    With 256 colours or fewer, or if 256 come within 8 (of 255) of each, it is a PNG with a palette:
    line drawings, class maps. Else a lossless PNG, which enlarged pixels make small; but if it takes
    more than 100 kB and a JPEG of quality 90 less than two thirds of it, the JPEG: photographs, and
    grey pictures with noise.

    Args:
        figure: any figure of matplotlib.

    Returns:
        ("image/png" or "image/jpeg", the file's bytes, its width).
    """
    image = _rendered(figure)
    few = _few_colours(np.asarray(image))
    png = _saved(few or image, "png", optimize=True)
    kind, data = "image/png", png
    if len(png) > _LARGE:
        jpeg = _saved(image, "jpeg", quality=90, optimize=True)
        if len(jpeg) < len(png) * 2 / 3:
            kind, data = "image/jpeg", jpeg
    return kind, data, math.ceil(image.width / 2)


def _plain(text: str, what: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"A figure needs {what}. Got {text!r}.")
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Markdown that shows the text as it is."""
    return re.sub(r"([\\`*_$<\[])", r"\\\1", text)


def _rendered(figure: Figure) -> Image.Image:
    """The figure's pixels, cropped to what is drawn, at most twice 760 wide."""
    for axis in figure.axes:
        if axis.images:
            axis.spines[:].set_visible(True)  # frames are whole
    figure.set_dpi(_DPI)
    for _ in range(2):  # where labels are long, a constrained layout comes to rest at the second time
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    box = figure.get_tightbbox().padded(0.03)
    dpi = min(_DPI, 2 * COLUMN / box.width)
    # cropped at whole pixels, so that squares stay squares
    left, bottom = math.floor(box.x0 * dpi), math.floor(box.y0 * dpi)
    right, top = math.ceil(box.x1 * dpi), math.ceil(box.y1 * dpi)
    right = min(right, left + 2 * COLUMN)
    buffer = io.BytesIO()
    box = Bbox([[left / dpi, bottom / dpi], [right / dpi, top / dpi]])
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches=box, facecolor="white", pil_kwargs={"compress_level": 1})
    plt.close(figure)
    return Image.open(buffer).convert("RGB")


def _few_colours(pixels: np.ndarray, tolerance: int = 8, most: int = 20_000) -> Image.Image | None:
    """The picture with a palette of its 256 most frequent colours; None if a pixel would change by more than that."""
    packed = pixels.astype(np.uint32) @ np.uint32([65536, 256, 1])
    values, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    if len(values) > most:
        return None
    order = np.argsort(-counts, kind="stable")
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.int16)[order]
    chosen, open_ = [], np.ones(len(colours), bool)
    while open_.any():  # the most frequent colour that none of the chosen comes near
        if len(chosen) == 256:
            return None
        chosen.append(open_.argmax())
        open_ &= np.abs(colours - colours[chosen[-1]]).max(1) > tolerance
    rest = np.setdiff1d(np.arange(len(colours)), chosen)[: 256 - len(chosen)]
    palette = colours[np.concatenate([chosen, rest]).astype(int)]
    nearest = np.empty(len(values), np.uint8)
    for start in range(0, len(values), 2000):
        nearest[order[start : start + 2000]] = np.abs(colours[start : start + 2000, None] - palette).max(2).argmin(1)
    image = Image.fromarray(nearest[places].reshape(pixels.shape[:2]))
    image.putpalette(palette.astype(np.uint8).tobytes())
    return image


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()
