"""Picture files that hold ids: what Pillow does not say by itself about how their pixels are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from segedu.ids import DAMAGE, MaskError, first_at, how_stored, stored_numbers

# Encodings that change values on saving: Pillow's names of formats, and of compressions within TIFF.
LOSSY_FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "JPEG2000": "JPEG 2000", "AVIF": "AVIF"}
LOSSY_IN_TIFF = {
    "jpeg": "TIFF with JPEG inside", "tiff_jpeg": "TIFF with JPEG inside", "webp": "TIFF with WebP inside",
    "tiff_sgilog": "TIFF of logarithms", "tiff_sgilog24": "TIFF of logarithms",
}  # fmt: skip
ORIENTATION = 0x0112  # EXIF's tag


@dataclass(frozen=True)
class Decoded:
    """A picture read to its end, and what is known only while its file is open.

    stored:      Pillow's name of how pixels are stored, such as "L;4" for grey of 4 bits.
    pages:       how many pictures the file holds, of which `picture` is the first; 1 where a page was asked for.
    orientation: EXIF's 1 … 8; 1 is upright.
    head:        the file's first bytes.
    highest:     what a PGM or PPM calls white, if it says so; Pillow stretches it to 255 or 65535.
    """

    picture: Image.Image
    stored: str
    pages: int
    orientation: int
    head: bytes
    highest: int | None


def decoded(path: Path, page: int | None = None) -> Decoded:
    """The first picture of a file, or the one of this page (from 0).

    Raises what Pillow raises for a damaged file: OSError, SyntaxError or ValueError; EOFError for a page too far.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        file.seek(0)
        try:
            picture = Image.open(file)
            pages = getattr(picture, "n_frames", 1)
            picture.seek(page or 0)
            stored, highest = how_stored(picture)
            picture.load()
            orientation = picture.getexif().get(ORIENTATION, 1)
        except UnidentifiedImageError:
            raise OSError(
                f"Pillow knows no such form; it begins with {head[:16]!r}; a TIFF of 64 bits or several channels can "
                "be read by tifffile.imread(path)"
            ) from None
        except Image.DecompressionBombError as error:
            raise OSError(f"{error} If you trust it: PIL.Image.MAX_IMAGE_PIXELS = None") from None
        except (OSError, SyntaxError, ValueError, EOFError):
            raise
        except DAMAGE as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
    return Decoded(picture, stored, pages if page is None else 1, orientation, head, highest)


def lossy_encoding(file: Decoded) -> str | None:
    """The name of the file's encoding, if it keeps no exact values."""
    if file.picture.format == "TIFF":
        return LOSSY_IN_TIFF.get(file.picture.info.get("compression"))
    if file.picture.format == "WEBP":
        return None if b"VP8L" in file.head else "WebP of the lossy kind"
    return LOSSY_FORMATS.get(file.picture.format)


def stored_ids(file: Decoded, path: Path) -> np.ndarray | Image.Image:
    """(H, W) the numbers that a grey or palette picture holds, or the RGB picture itself; MaskError where neither."""
    picture = file.picture
    if name := lossy_encoding(file):
        raise MaskError(
            f"{path} is a {name}, which keeps no exact values. The ids cannot be recovered for certain: "
            "export the mask again as PNG."
        )
    if file.pages > 1:
        raise MaskError(
            f"{path} holds {file.pages} pages; a mask is one. Write each into a file of its own, such as the first: "
            f'picture = Image.open("{path.name}"); picture.seek(0); picture.save("{path.stem}_0.png")'
        )
    check_upright(file, path)
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        picture = _without_alpha(picture, path)
    if ";16" in file.stored and picture.mode in ("RGB", "LA", "L"):
        raise MaskError(
            f"{path} holds 16 bits a colour, of which Pillow keeps the upper 8. Export the mask with 8 bits a colour, "
            "or as grey picture of 16 bits."
        )
    if picture.mode == "RGB":
        return picture
    if picture.mode not in ("1", "L", "P", "I", "F") and not picture.mode.startswith("I;16"):
        raise MaskError(
            f'{path} is a picture of mode "{picture.mode}", which holds no class ids. Save it as palette PNG, grey PNG '
            f'or RGB: Image.open("{path.name}").convert("RGB").save("{path.stem}_rgb.png")'
        )
    return stored_numbers(picture, file.stored, file.highest, str(path))


def check_upright(file: Decoded, path: Path) -> None:
    """MaskError for a picture that some programs show turned, and others do not: a mask fits only one of the two."""
    if file.orientation in range(2, 9):  # 0 is written, too, and turns nothing
        raise MaskError(
            f"{path} is to be turned by its EXIF data (orientation {file.orientation}), which some programs do and "
            "others do not, so that picture and mask may be the wrong way round to each other. Write it as it is "
            f'shown: PIL.ImageOps.exif_transpose(PIL.Image.open("{path.name}")).save("{path.stem}.png"), '
            "and look whether picture and mask fit: segedu.plotting.overlay(image, mask, labels)"
        )


def _without_alpha(picture: Image.Image, path: Path) -> Image.Image:
    """The same picture without its transparency, if all of it is opaque."""
    clear = np.asarray(picture.getchannel("A")) < 255
    if clear.any():
        raise MaskError(
            f'{path} is a picture of mode "{picture.mode}" with {clear.sum()} transparent pixels ({first_at(clear)}), '
            "which have no class. If they are background in black: "
            f'flat = Image.new("RGBA", picture.size, "black"); flat.alpha_composite(picture.convert("RGBA")); '
            f'flat.convert("RGB").save("{path.stem}_rgb.png"), where picture = Image.open("{path.name}")'
        )
    return picture.convert("RGB") if picture.mode in ("RGBA", "RGBa") else picture.getchannel(0)
