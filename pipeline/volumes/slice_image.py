"""One slice: a grey image out of a PNG, TIFF, JPEG or BMP file, whatever way it is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from pipeline.errors import InputError

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (".png", *TIFF_SUFFIXES, ".jpg", ".jpeg", ".bmp")
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
Image.MAX_IMAGE_PIXELS = None
"""Slices of electron microscopes have more pixels than Pillow takes for an attack."""


def read_slice(path: Path) -> np.ndarray:
    """The grey values of the image at `path`, (y, x), in the file's own integer or floating-point type.

    Palettes are looked up; colour whose channels are equal, and opacity that is full, are taken for grey.
    Raises InputError when the file cannot be read, holds several pages, or real colour or transparency.
    """
    try:
        values = _read_tiff(path) if path.suffix.lower() in TIFF_SUFFIXES else _read_picture(path)
    except InputError:
        raise
    except Exception as error:  # a torn image fails in as many ways as there are codecs
        raise InputError(f"slice {path} is not a readable image: {' '.join(str(error).split())}") from None
    return grey(values, path)


def grey(values: np.ndarray, path: Path) -> np.ndarray:
    """The one channel of (y, x) or (y, x, channel) values that hold no more than grey. Raises InputError."""
    if values.ndim == 3 and values.shape[-1] in (2, 4):
        opaque = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
        if (values[..., -1] != opaque).any():
            raise InputError(f"slice {path} is partly transparent; expected an opaque grey image")
        values = values[..., :-1]
    if values.ndim == 3 and values.shape[-1] == 3:
        if (values != values[..., :1]).any():
            raise InputError(
                f"slice {path} is in colour; expected grey values: convert it, and labels to grey ids"
            )
        values = values[..., 0]
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 2:
        raise InputError(f"slice {path} has shape {values.shape}; expected one grey image (y, x)")
    return values


def page_values(page: tifffile.TiffPage, values: np.ndarray, path: Path) -> np.ndarray:
    """The values of a TIFF page, looked up in its palette if it has one. Raises InputError."""
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        raise InputError(f"{path} is stored with 0 as white; save it with 0 as black")
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        colours = np.asarray(page.colormap)  # (3, entries), 16 bits
        if (colours != colours[:1]).any():
            raise InputError(f"{path} has a palette of colours; expected grey values")
        return (colours[0] >> 8).astype(np.uint8)[values]
    return values


def _read_tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            raise InputError(
                f"slice {path} has {len(file.pages)} pages; a volume in one file is given as that file"
            )
        page = file.series[0].keyframe
        return page_values(page, page.asarray(), path)


def _read_picture(path: Path) -> np.ndarray:
    if _is_deep_colour(path):
        raise InputError(f"slice {path} has channels of 16 bits; save it as grey values of 16 bits")
    with Image.open(path) as image:
        if image.mode == "P":
            transparent = "transparency" in image.info
            return np.asarray(image.convert("RGBA" if transparent else "RGB"))
        if image.mode == "CMYK" or "transparency" in image.info:
            raise InputError(f"slice {path} is in colours for print, or partly transparent; save it as grey")
        return np.asarray(image)


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has more than one channel of 16 bits: Pillow would cut them to 8 without a word."""
    with open(path, "rb") as file:
        head = file.read(26)
    return head.startswith(PNG_HEADER) and len(head) == 26 and head[24] == 16 and head[25] != 0
