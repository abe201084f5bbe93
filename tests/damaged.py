"""Small files in many forms, and what can happen to the bytes of a file, for tests of what reads them."""

import io

import numpy as np
from PIL import Image

RGB = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
IDS = np.random.default_rng(1).integers(0, 2, (13, 17)).astype(np.uint8)
PALETTE = [0, 0, 0, 255, 0, 0]


def encoded(pixels, form, mode=None, **options):
    """The bytes of a picture file."""
    picture = Image.fromarray(pixels)
    if mode == "P":
        picture.putpalette(PALETTE)
    elif mode:
        picture = picture.convert(mode)
    picture.save(buffer := io.BytesIO(), form, **options)
    return buffer.getvalue()


def stored(array):
    """The bytes of an .npy file."""
    np.save(buffer := io.BytesIO(), array)
    return buffer.getvalue()


def turned(orientation):
    """EXIF data that ask for a turn."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def files():
    """{name: bytes} of sound pictures and masks in the forms that are read."""
    more = {"save_all": True, "append_images": [Image.fromarray(RGB)]}
    return {
        "colours.png": encoded(RGB, "PNG", exif=turned(6)),
        "palette.png": encoded(IDS, "PNG", "P"),
        "sixteen.png": encoded(IDS.astype(np.uint16), "PNG"),
        "animated.png": encoded(RGB, "PNG", **more),
        "bits.png": encoded(IDS * 255, "PNG", "1"),
        "photo.jpg": encoded(RGB, "JPEG", exif=turned(3)),
        "print.jpg": encoded(RGB, "JPEG", "CMYK"),
        "raw.tif": encoded(RGB, "TIFF"),
        "deflated.tif": encoded(RGB, "TIFF", compression="tiff_adobe_deflate"),
        "packed.tif": encoded(IDS, "TIFF", "P", compression="tiff_lzw"),
        "pages.tif": encoded(RGB, "TIFF", **more),
        "floats.tif": encoded(IDS / np.float32(2), "TIFF"),
        "film.gif": encoded(IDS, "GIF", "P", save_all=True, append_images=[Image.fromarray(1 - IDS)]),
        "colours.bmp": encoded(RGB, "BMP"),
        "whole.webp": encoded(RGB, "WEBP", lossless=True),
        "ids.npy": stored(IDS),
    }


def changed(content, edits):
    """The bytes after edits (kind, where in 0…1, bytes): "cut" behind, "set", "insert", "drop" as many bytes there."""
    content = bytearray(content)
    for kind, where, new in edits:
        place = int(where * len(content))
        if kind == "cut":
            del content[place:]
        elif kind == "set":
            content[place : place + len(new)] = new
        elif kind == "insert":
            content[place:place] = new
        else:
            del content[place : place + len(new)]
    return bytes(content)
