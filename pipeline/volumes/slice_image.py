"""One slice: a grey image out of a PNG, TIFF, JPEG or BMP file, whatever way it is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from pipeline.errors import InputError
from pipeline.volumes.layout import VAST
from pipeline.volumes.lossy import LOSSY_TIFF
from pipeline.volumes.open import TIFF_SUFFIXES
from pipeline.volumes.tiff_file import (
    ORIENTATION,
    only_series,
    opened,
    planes,
    refuse_sparse,
    refuse_turned,
)

SUFFIXES = (".png", *TIFF_SUFFIXES, ".jpg", ".jpeg", ".bmp")
LOSSY_FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WebP", "JPEG2000": "JPEG 2000"}
"""Of Pillow's formats, and how they are called here."""
OF_COLOURS = "has a palette of colours; expected grey values: save it without the palette"
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
Image.MAX_IMAGE_PIXELS = None
"""Slices of electron microscopes have more pixels than Pillow takes for an attack."""

DTYPES = {"1": bool, "I": np.int32, "F": np.float32, "I;16": np.uint16, "I;16B": np.uint16} | dict.fromkeys(
    ("L", "LA", "P", "RGB", "RGBA"), np.uint8
)
"""Pillow's modes that are read, and the type of their values. What prints, or is not linear, is not."""


def read_slice(path: Path) -> np.ndarray:
    """The grey values of the image at `path`, (y, x), in the file's own integer or floating-point type.

    Palettes are looked up; colour whose channels are equal, and opacity that is full, are taken for grey.
    Raises InputError when the file cannot be read, holds several pages, real colour or transparency, or is to
    be shown turned.
    """
    try:
        values = _read_tiff(path) if path.suffix.lower() in TIFF_SUFFIXES else _read_picture(path)
    except InputError:
        raise
    except Exception as error:  # a torn image fails in as many ways as there are codecs
        raise InputError(
            f"slice {path} is not a readable image: {' '.join(str(error).split())}; copy it again"
        ) from None
    return grey(values, path)


def slice_header(path: Path) -> tuple[tuple[int, int], np.dtype]:
    """Shape (y, x) and dtype of what `read_slice` gives, without decoding it. Raises InputError."""
    try:
        if path.suffix.lower() not in TIFF_SUFFIXES:
            with Image.open(path) as image:
                if image.format != "PNG" or "exif" in image.info:  # else it may lie behind the pixels
                    refuse_turned(image.getexif().get(ORIENTATION), path)
                return (image.height, image.width), _picture_dtype(image, path)
        with opened(path, alone=True) as file:
            page = _only_page(file, path)
            is_palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
            dtype = np.dtype(np.uint8) if is_palette else np.dtype(page.dtype)
            return (page.imagelength, page.imagewidth), dtype
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"slice {path} is not a readable image: {' '.join(str(error).split())}; copy it again"
        ) from None


def lossy_slice(path: Path) -> str:
    """What the image at `path` is stored as, if its values are only near to what was written; else nothing.

    Raises InputError.
    """
    if path.suffix.lower() not in TIFF_SUFFIXES:
        with Image.open(path) as image:  # whatever the file is called
            return LOSSY_FORMATS.get(image.format or "", "")
    with opened(path, alone=True) as file:
        return LOSSY_TIFF.get(_only_page(file, path).compression, "")


def grey(values: np.ndarray, path: Path) -> np.ndarray:
    """The one channel of (y, x) or (y, x, channel) values that hold no more than grey. Raises InputError."""
    if values.ndim == 3 and values.shape[-1] in (2, 4):
        opaque = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
        if (values[..., -1] != opaque).any():
            raise InputError(
                f"slice {path} is partly transparent; expected an opaque grey image: save it without alpha"
            )
        values = values[..., :-1]
    if values.ndim == 3 and values.shape[-1] == 3:
        if (values != values[..., :1]).any():
            raise InputError(
                f"slice {path} is in colour; expected grey values: convert it, and labels to ids, in TIFF "
                f"of 32 bits (VAST's are {VAST})"
            )
        values = values[..., 0]
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 2:
        raise InputError(
            f"slice {path} has shape {values.shape}; expected one grey image (y, x): save it as that"
        )
    return values


def page_values(page: tifffile.TiffPage, values: np.ndarray, path: Path) -> np.ndarray:
    """The values of a TIFF page, looked up in its palette if it has one.

    ImageJ writes one of a stack that it shows in colours or in another contrast: there the numbers count, as
    in ImageJ, unless 0 is shown as white. Raises InputError where other palettes have colours.
    """
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE:
        return values
    colours = np.asarray(page.colormap)  # (3, entries), 16 bits
    is_grey = bool((colours == colours[:1]).all())
    if page.is_imagej and not (is_grey and colours[0, 0] > colours[0, -1]):
        return values
    if not is_grey:
        raise InputError(f"{path} {OF_COLOURS}")
    return (colours[0] >> 8).astype(np.uint8)[values]


def _read_tiff(path: Path) -> np.ndarray:
    with opened(path, alone=True) as file:
        page = _only_page(file, path)
        refuse_sparse([page], path)
        values = page_values(page, page.asarray(), path)
    if values.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        return np.moveaxis(values, 0, -1)
    return values


def _only_page(file: tifffile.TiffFile, path: Path) -> tifffile.TiffPage:
    series = only_series(file, path)
    if planes(series) > 1:
        raise InputError(
            f"slice {path} has {planes(series)} pages; a volume in one file is given as that file"
        )
    return series.keyframe


def _read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        _picture_dtype(image, path)
        grey_or_rgb = {"P": "RGBA" if "transparency" in image.info else "RGB"}.get(image.mode)
        values = np.asarray(image.convert(grey_or_rgb) if grey_or_rgb else image)
        if image.mode == "P" and (values[..., :3] != values[..., :1]).any():
            raise InputError(f"slice {path} {OF_COLOURS}")
        refuse_turned(image.getexif().get(ORIENTATION), path)
        return values


def _picture_dtype(image: Image.Image, path: Path) -> np.dtype:
    """The type of an open picture's values. Raises InputError where they would not be its grey values."""
    if _is_deep_colour(path):
        raise InputError(f"slice {path} has channels of 16 bits; save it as grey values of 16 bits")
    if image.mode not in DTYPES:
        raise InputError(f"slice {path} is stored as {image.mode}; save it as grey values")
    if image.mode != "P" and "transparency" in image.info:
        raise InputError(
            f"slice {path} is partly transparent; expected an opaque grey image: save it without alpha"
        )
    return np.dtype(DTYPES[image.mode])


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has more than one channel of 16 bits: Pillow would cut them to 8 without a word."""
    with open(path, "rb") as file:
        head = file.read(26)
    return head.startswith(PNG_HEADER) and len(head) == 26 and head[24] == 16 and head[25] != 0
