"""A folder of pictures to label in the browser: what it shows of a labelling.Labelling, and what it asks of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from PIL import Image

from segedu.datasets.files import resized_picture, smaller
from segedu.labelling import Labelling
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.pages import script, style

SHOWN = 2048  # longer side of what the browser gets, in pixels; masks are as large as their pictures
LOSSLESS = 512 * 512  # pixels up to which the picture travels as PNG
# Of a class's colour, for objects side by side: towards white or black, by which part.
MIXES = ((0, 0.0), (255, 0.4), (0, 0.35), (255, 0.65), (0, 0.6), (255, 0.2))
ASKED = (
    "accept", "choose", "dismiss", "fill", "go_to", "new_object", "next", "pick", "previous", "propose", "redo",
    "stroke", "undo",
)  # fmt: skip
LEARN = 20  # seconds that the button "from all" gives


def label_folder(
    folder: str | Path,
    labels: LabelTable | Sequence[str] | None = None,
    *,
    instances: bool = False,
    brush: float | None = None,
) -> Labeller:
    """A painter for the masks of a folder of pictures, saved after every stroke. Lesson 15.

    Brush, fill and erase, zoom, undo and redo, all by keys, too (“?” lists them). “Propose” lets a
    network fill what is not painted yet, as a proposal to be accepted and corrected; what is
    painted it never changes. Masks become files that datasets.PictureFolder and `segedu train`
    read: `images/a.jpg` with `masks/a.png`, a palette PNG of the picture's size, and the classes in
    `labels.txt`. What nobody has painted is 255, void: networks neither learn nor are judged there.
    A mask that is there is read and can be changed; one that does not fit stays as it is.

    Args:
        folder: of pictures, with or without masks, in the forms of datasets.PictureFolder; a folder
            of pictures alone gets `masks/`.
        labels: the label table, or the names of the classes in the order of their ids, such as
            ["background", "leaf"]; None: those of `labels.txt`.
        instances: whether each object of a thing gets an id of its own, in a second PNG of 16 bits:
            `instances/a.png`. Of names in a list all but "background" are things.
        brush: its diameter in picture pixels at the start; None: a fiftieth of the longer side.

    Returns:
        A widget that is a labelling.Labelling: `.mask` and `.name` are the present picture's, and
        its methods (`next`, `stroke`, `fill`, `undo`, `propose`, …) do what the keys do.

    Raises:
        NotADirectoryError: where there is no folder.
        MaskError: a folder without pictures, or with masks in another form than PNG files.
        ValueError: for labels that are none, or other than those of `labels.txt`.

    Example:
        segedu.widgets.label_folder("leaves", ["background", "leaf"])
    """
    return Labeller(folder, labels, instances=instances, brush=brush)


class Labeller(Labelling, anywidget.AnyWidget):
    """The painter of a folder; made by `label_folder`. Lesson 15.

    Args:
        folder: as in `label_folder`.
        labels: the label table, names of classes, or None.
        instances: whether objects get ids.
        brush: its diameter at the start, or None.
    """

    _esm = script("sheet.js", "labeller.js")
    _css = style()
    classes = traitlets.Tuple().tag(sync=True)
    colours = traitlets.Tuple().tag(sync=True)
    pictures = traitlets.Tuple().tag(sync=True)  # their names
    shown = traitlets.Bytes().tag(sync=True)  # a PNG or JPEG file
    painted = traitlets.Bytes().tag(sync=True)  # a PNG file, clear where nothing is painted
    proposed = traitlets.Bytes(None, allow_none=True).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        folder: str | Path,
        labels: LabelTable | Sequence[str] | None = None,
        *,
        instances: bool = False,
        brush: float | None = None,
    ):
        self._live, self._answered = False, []
        self._sent = dict.fromkeys(("picture", "painting", "proposal"))
        Labelling.__init__(self, folder, labels, instances=instances, brush=brush)
        self._palette = _palette(self.labels)
        anywidget.AnyWidget.__init__(
            self, classes=self.labels.names, colours=self.labels.colours, pictures=tuple(self.names)
        )
        self._live = True
        self._tell(" ".join(self.left_out))
        self.on_msg(self._received)

    def __repr__(self):
        # No address in memory, so that running a cell again stores the same text.
        return f"<Labeller of {len(self.names)} pictures: run this cell in Jupyter or Colab>"

    def _changed(self) -> None:
        if self._live:
            self._tell(self.notice)

    def _received(self, _widget, content: dict, _buffers) -> None:
        """What the browser asks for: a method's name and arguments, the brush, and [page, number] of the message."""
        if content.get("do") not in ASKED:
            return
        self._answered, sentence = content["from"], ""
        try:
            self.brush = content["brush"]
            if content["do"] == "propose":
                seconds = f" for {content['with'][0]} seconds" if content["with"] else ""
                self._tell(f"Learning{seconds} …", busy=True)
            with self.hold_sync():  # the answer to one message is one
                getattr(self, content["do"])(*content["with"], **content["options"])
        except (ArithmeticError, KeyError, OSError, ValueError) as error:
            sentence = str(error.args[0] if isinstance(error, KeyError) else error)
        except Exception as error:  # a fault of ours: the page is told, and the log has the rest
            self._tell(f"{type(error).__name__}: {error}", wrong=True)
            raise
        self._tell(sentence or self.notice, wrong=bool(sentence))

    def _tell(self, said: str, *, busy: bool = False, wrong: bool = False) -> None:
        """Send the browser what it shows, in one message."""
        painting, size = self._painting, smaller(self.mask.shape, SHOWN) or self.mask.shape
        with self.hold_sync():
            if self._sent["picture"] is not self.picture:
                self.shown = _file_of(self.picture, size)
            if self._sent["painting"] != (id(painting), painting.version):
                self.painted = _clear_png(_tinted(self.mask, self.ids, size, len(self.labels)), self._palette)
            if self._sent["proposal"] != (id(self.proposal), id(painting), painting.version):
                clear = (
                    None if self.proposal is None else np.where(self.mask == IGNORE_INDEX, self.proposal, IGNORE_INDEX)
                )
                self.proposed = None if clear is None else _clear_png(_reduced(clear, size), self._palette)
            self.state = {
                "place": self.number, "name": self.name, "file": self._file(),
                "size": list(self.mask.shape), "shown": list(size), "brush": self.brush, "chosen": self.chosen,
                "paint": self._next_colour(), "instances": self.ids is not None, "learn": LEARN,
                "objects": 0 if self.ids is None else len(np.setdiff1d(self.ids, [0])),
                "labelled": self.labelled, "share": float(100 * (self.mask != IGNORE_INDEX).mean()),
                "undo": bool(painting.steps), "redo": bool(painting.undone), "proposal": self.proposal is not None,
                "said": said, "wrong": wrong, "busy": busy, "trouble": self.trouble, "done": self._answered,
                "version": painting.version,
            }  # fmt: skip
        self._sent = {
            "picture": self.picture, "painting": (id(painting), painting.version),
            "proposal": (id(self.proposal), id(painting), painting.version),
        }  # fmt: skip

    def _file(self) -> str:
        """The mask's file as seen from where the folder lies."""
        path = self._sheets[self.number].mask
        return path.relative_to(self.folder.parent).as_posix() if self.folder in path.parents else str(path)

    def _next_colour(self) -> list[int]:
        """The colour of what the next stroke paints."""
        place = self.chosen
        if self.ids is not None and self.chosen in self._things:
            place = _tint(self.chosen, self.object or self._painting.new_object(), len(self.labels))
        return self._palette[place].tolist()


def _palette(labels: LabelTable) -> np.ndarray:
    """(256, 3) uint8: the classes' colours, behind them the tints of each for its objects."""
    palette, tints = labels.palette, _tints(len(labels))
    for class_id, colour in enumerate(np.array(labels.colours)):
        for number, (towards, part) in enumerate(MIXES[:tints]):
            mixed = (1 - part) * colour + part * towards
            palette[len(labels) + tints * class_id + number] = mixed.round()
    return palette


def _tints(num_classes: int) -> int:
    return max(1, min(len(MIXES), 255 // num_classes - 1)) if num_classes < 128 else 0


def _tint(class_id, object_id, num_classes: int):
    """The place in the palette of an object: neighbouring ids differ."""
    tints = _tints(num_classes)
    return num_classes + tints * class_id + (object_id - 1) % tints if tints else class_id


def _tinted(mask: np.ndarray, ids: np.ndarray | None, size: tuple[int, int], num_classes: int) -> np.ndarray:
    """(height, width) uint8: places in the palette of what is painted, 255 where nothing is."""
    shown = _reduced(mask, size)
    if ids is None:
        return shown
    objects = _reduced(ids, size).astype(int)
    return np.where(objects > 0, _tint(shown.astype(int), objects, num_classes), shown).astype(np.uint8)


def _reduced(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if ids.shape == tuple(size):
        return ids
    return ids[np.ix_(*(((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, ids.shape, strict=True)))]


def _clear_png(places: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG file in these colours, clear where the place is 255."""
    picture, file = Image.fromarray(places), io.BytesIO()
    picture.putpalette(palette.ravel().tolist())
    picture.save(file, format="PNG", transparency=IGNORE_INDEX, compress_level=1)
    return file.getvalue()


def _file_of(picture: np.ndarray, size: tuple[int, int]) -> bytes:
    """The picture as the browser gets it: a PNG, or a JPEG where it is large."""
    shown, file = picture if picture.shape[:2] == tuple(size) else resized_picture(picture, size), io.BytesIO()
    lossless = size[0] * size[1] <= LOSSLESS
    Image.fromarray(shown).save(file, **({"format": "PNG"} if lossless else {"format": "JPEG", "quality": 92}))
    return file.getvalue()
