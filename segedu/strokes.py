"""Strokes: the few lines that a person paints over a picture, their mask, and a network that learns from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from segedu import resources, runtime
from segedu.datasets import Photographs
from segedu.ids import MaskError, class_ids
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.losses import cross_entropy
from segedu.masks.check import as_bytes
from segedu.pictures import picture_tensor


def example(name: str = "coffee") -> tuple[torch.Tensor, list[tuple], LabelTable]:
    """(image, strokes, labels): a small photograph and strokes on it that ship with segedu. Lesson 00.

    image is (3, H, W) float32 in 0…1, strokes is in the form of draw_strokes, labels is the table
    of their classes.

    Args:
        name: of the file in data/strokes, without its ending; "coffee" is 160×240 pixels, with
            eight strokes on cup, saucer and spoon and six on the table.

    Raises:
        FileNotFoundError: no such file ships.
    """
    stored = json.loads(resources.data_path("strokes", f"{name}.json").read_text(encoding="utf-8"))
    image, _ = Photographs(size=tuple(stored["size"]))[stored["photograph"]]
    labels = LabelTable(tuple(stored["classes"]), tuple(map(tuple, stored["classes"].values())))
    strokes = [(class_name, [tuple(point) for point in points]) for class_name, points in stored["strokes"]]
    return image.as_subclass(torch.Tensor), strokes, labels


def draw_strokes(strokes: Sequence, labels: LabelTable, size: tuple[int, int], brush: float = 5) -> np.ndarray:
    """The mask of strokes: (H, W) uint8 class ids, 255 (ignored) where nothing is painted. Lesson 00.

    Args:
        strokes: pairs (class, [(x, y), …]); later ones lie on top. class is a name in `labels` or
            its id. x is the column and y the row of a pixel, so (0, 0) is the *middle* of the upper
            left pixel (in a polygon it is its corner: masks.from_polygons). The points are joined
            by straight lines; one point makes a dot.
        labels: the class table.
        size: (height, width) of the picture.
        brush: diameter of the round brush in pixels, at least 1: painted is every pixel whose
            middle is at most brush / 2 away from the line.

    Raises:
        ValueError: for a stroke of another form, a point outside the picture and a brush under 1.
        KeyError: for a class that `labels` does not have.

    Example:
        >>> from segedu.labels import LabelTable
        >>> draw_strokes([("cup", [(1, 0), (3, 0)])], LabelTable(("cup",), ((0, 0, 0),)), (1, 5), 1)
        array([[255,   0,   0,   0, 255]], dtype=uint8)
    """
    height, width = size
    if not 1 <= brush < np.inf:
        raise ValueError(f"The brush is a diameter in pixels, at least 1, got {brush}.")
    mask = np.full((height, width), IGNORE_INDEX, np.uint8)
    for number, stroke in enumerate(strokes):
        name, points = check_stroke(stroke, labels, size, number)
        for start, end in zip(points, points[1:] or points, strict=False):
            _paint_line(mask, labels.index(name), brush / 2, start, end)
    return mask


def painted_over(
    image: str | Path | Image.Image | np.ndarray | torch.Tensor, mask: np.ndarray | torch.Tensor, labels: LabelTable
) -> np.ndarray:
    """(H, W, 3) uint8: the picture under its strokes, in the colours of the classes. Lesson 00.

    Args:
        image: in any form that pictures.picture_tensor takes.
        mask: (H, W) class ids, as draw_strokes makes it; where it is 255, the picture is seen.
        labels: the class table, which has the colours.

    Raises:
        MaskError: for a mask that holds no class ids or is of another size.
    """
    mask = as_bytes(class_ids(mask), "The mask")
    pixels = (picture_tensor(image) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    if mask.shape != pixels.shape[:2]:
        raise MaskError(f"The mask is {mask.shape}, its picture {pixels.shape[:2]}; they must be one size.")
    return np.where((mask == IGNORE_INDEX)[..., None], pixels, labels.palette[mask])


def cut_out(
    image: str | Path | Image.Image | np.ndarray | torch.Tensor,
    mask: np.ndarray | torch.Tensor,
    background: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """(3, H, W) float32: the picture where the mask is True, the background elsewhere. Lesson 00.

    Args:
        image: in any form that pictures.picture_tensor takes.
        mask: (H, W) booleans, as `semantic_segmentation(network, image) == 1` gives them.
        background: a grey level, 0 (black) to 1 (white), or another picture, (3, H, W) in 0…1.

    Raises:
        MaskError: for a mask that is not boolean, or of another size than the picture.
        ValueError: for a background of another size.
    """
    image, mask = picture_tensor(image), torch.as_tensor(mask)
    if mask.dtype != torch.bool or mask.shape != image.shape[1:]:
        raise MaskError(
            f"The mask is {tuple(mask.shape)} {mask.dtype}; to cut from a picture of {tuple(image.shape[1:])} pixels, "
            "take booleans of its size, such as classes == 1."
        )
    background = torch.as_tensor(background, dtype=image.dtype)
    if background.ndim and background.shape != image.shape:
        raise ValueError(f"The background is {tuple(background.shape)}, its picture {tuple(image.shape)}: resize it.")
    return torch.where(mask.to(image.device), image, background.to(image.device))


def small_network(num_classes: int, *, layers: int = 3, channels: int = 16) -> nn.Sequential:
    """A network of dilated convolutions for one picture, untrained. Lesson 00.

    It turns pictures (N, 3, H, W) in 0…1 of any size into logits (N, num_classes, H, W); no layer
    makes them smaller. The layers are 3×3 convolutions of dilation 1, 3, 9, …, so that layer by
    layer the receptive field grows to 3, 9, 27, … pixels. Between them, instance normalisation
    takes mean and spread from the picture. Borders are padded by repeating the last row and column.

    Args:
        num_classes: scores of each pixel.
        layers: how many 3×3 convolutions; 0 leaves the 1×1 that scores.
        channels: of each layer.
    """
    modules: list[nn.Module] = []
    for layer in range(layers):
        rate = 3**layer
        modules += [
            nn.Conv2d(channels if modules else 3, channels, 3, dilation=rate, padding=rate, padding_mode="replicate"),
            # not BatchNorm: with one picture and 50 steps its running averages lag behind what was trained
            nn.InstanceNorm2d(channels, affine=True),
            nn.ReLU(),
        ]
    return nn.Sequential(*modules, nn.Conv2d(channels if modules else 3, num_classes, 1))


def learn_from_strokes(
    image: str | Path | Image.Image | np.ndarray | torch.Tensor,
    strokes: Sequence,
    labels: LabelTable,
    *,
    layers: int = 3,
    steps: int = 50,
    brush: float = 3,
    seed: int = 0,
) -> nn.Sequential:
    """A small_network that has learnt this one picture from strokes on it. Lesson 00.

    It is in eval mode, on the CPU. Its class map is inference.semantic_segmentation(network,
    image), its logits network(picture[None]).

    Args:
        image: in any form that pictures.picture_tensor takes.
        strokes: as in draw_strokes, of two classes at least.
        labels: the class table; the network has as many classes.
        layers: of small_network.
        steps: of Adam, with rate 0.01, on the cross-entropy of the painted pixels; all the others
            are ignored.
        brush: as in draw_strokes.
        seed: fixes the first weights; the caller's random state is as it was afterwards.

    Raises:
        ValueError: where fewer than two classes are painted, and what draw_strokes and
            picture_tensor raise.
    """
    picture = picture_tensor(image)[None].to(runtime.device())
    mask = draw_strokes(strokes, labels, tuple(picture.shape[-2:]), brush)
    painted = [labels.names[i] for i in np.unique(mask) if i != IGNORE_INDEX]
    if len(painted) < 2:
        raise ValueError(
            f"Strokes of at least two classes are needed, these paint {', '.join(painted) or 'none'}; "
            f"the classes are {', '.join(labels.names)}."
        )
    target = torch.from_numpy(mask).long()[None].to(picture.device)
    with runtime.preserved_rng():
        runtime.seed_everything(seed)
        network = small_network(len(labels), layers=layers).to(picture.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(steps):
        loss = cross_entropy(network(picture), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval().cpu()


def check_stroke(stroke: Sequence, labels: LabelTable, size: tuple[int, int], number: int) -> tuple[str, list[tuple]]:
    """(class name, [(x, y), …]) of a stroke in any form that draw_strokes takes. Lesson 00.

    Args:
        stroke: what may be one.
        labels: the class table.
        size: (height, width) of the picture.
        number: the stroke's place in its list, for the message.

    Raises:
        ValueError, KeyError: as in draw_strokes.
    """
    form = 'a stroke is (class, [(x, y), …]), such as ("cup", [(120, 60), (140, 62)])'
    if not isinstance(stroke, Sequence) or isinstance(stroke, str) or len(stroke) != 2:
        raise ValueError(f"strokes[{number}] is {stroke!r}; {form}.")
    name, points = stroke
    if isinstance(name, str):
        labels.index(name)
    elif isinstance(name, bool) or not isinstance(name, int | np.integer) or not 0 <= name < len(labels):
        raise KeyError(f"strokes[{number}] is of class {name!r}; the ids are 0…{len(labels) - 1}, or take a name.")
    else:
        name = labels.names[name]
    try:
        # Python's own numbers: they can be sent to the browser, and they read well when printed.
        points = [tuple(value.item() if isinstance(value, np.generic) else value for value in p) for p in points]
        array = np.array(points, float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"strokes[{number}] ({name}) has the points {points!r}; {form}.")
    height, width = size
    outside = ~((array >= 0) & (array <= (width - 1, height - 1))).all(1)
    if outside.any():
        raise ValueError(
            f"strokes[{number}] ({name}) has the point {points[outside.argmax()]} outside the picture, whose columns "
            f"are x = 0…{width - 1} and rows y = 0…{height - 1}. A point is (x, y): first the column, then the row."
        )
    return name, points


def _paint_line(mask: np.ndarray, class_id: int, radius: float, start: tuple, end: tuple) -> None:
    """Paint one straight line in place.

    paintLine in static/figures.js has the same rule, so what one sees is this mask.
    """
    (ax, ay), (bx, by) = start, end
    dx, dy = bx - ax, by - ay
    height, width = mask.shape
    top, bottom = max(int(np.ceil(min(ay, by) - radius)), 0), min(int(max(ay, by) + radius), height - 1)
    left, right = max(int(np.ceil(min(ax, bx) - radius)), 0), min(int(max(ax, bx) + radius), width - 1)
    y, x = np.ogrid[top : bottom + 1, left : right + 1]
    length2 = dx * dx + dy * dy
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / length2, 0, 1) if length2 else 0
    gap_x, gap_y = x - (ax + along * dx), y - (ay + along * dy)
    window = mask[top : bottom + 1, left : right + 1]
    window[gap_x * gap_x + gap_y * gap_y <= radius * radius] = class_id
