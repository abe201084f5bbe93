"""What is painted: codes = material · 32 + shade. Shade 16 is the material's own colour, 0 black, 31 twice as bright.

Codes 1 … 31 are see-through: they belong to the object (the gaps of a railing, the air in a bare tree) but show what
lies behind, as in CamVid's labels. Code 0 is outside of the object.
"""

from __future__ import annotations

from segedu.worlds.street.scene import Material

OPAQUE = 32  # the first code that cannot be seen through
VEILED = {"railing", "mesh", "guard rail", "bare tree", "cyclist"}  # the art that has see-through codes


def code(material: Material, shade: int = 16) -> int:
    """The code of a material in a shade."""
    return material * 32 + shade
