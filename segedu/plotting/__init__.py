"""The drawings that every lesson needs, all in one look."""

from segedu.plotting.images import add_legend, overlay, panels, pictures
from segedu.plotting.look import (
    AMBER,
    BLACK,
    BLUE,
    DECODER,
    ENCODER,
    FONT_LABEL,
    FONT_SMALL,
    FONT_TITLE,
    GREEN,
    GREY,
    HEAD,
    IN_OUT,
    LIGHT,
    ORANGE,
    PURPLE,
    SKIP,
    SKY,
    VOID,
    WIDE,
    WRONG,
    YELLOW,
    baseline,
)
from segedu.plotting.objects import instances
from segedu.plotting.plots import bars, confusion, learning_curves, seeds
from segedu.plotting.showing import show

__all__ = [
    "AMBER", "BLACK", "BLUE", "DECODER", "ENCODER", "FONT_LABEL", "FONT_SMALL", "FONT_TITLE", "GREEN", "GREY", "HEAD",
    "IN_OUT", "LIGHT", "ORANGE", "PURPLE", "SKIP", "SKY", "VOID", "WIDE", "WRONG", "YELLOW", "add_legend", "bars",
    "baseline", "confusion", "instances", "learning_curves", "overlay", "panels", "pictures", "seeds", "show",
]  # fmt: skip
