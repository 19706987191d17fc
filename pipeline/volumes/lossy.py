"""Which filters of HDF5, codecs of Zarr and compressions of TIFF give back only what is near to what was
written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import h5py

SCALE_OFFSET, ZFP = 6, 32013
LOSSY_FILTERS = {
    32007: "JPEG XR",
    32016: "B3D",
    32017: "SZ",
    32019: "JPEG",
    32022: "BitGroom",
    32023: "Granular BitRound",
    32024: "SZ3",
    32028: "SPERR",
    32030: "FFMPEG",
}
"""By the numbers under which they are registered with the HDF Group."""
ZFP_REVERSIBLE = 2048 + 128
"""As a header of zfp has its mode, in 12 bits."""

LOSSY_CODECS = (
    *("zfpy", "zfp", "fixedscaleoffset", "quantize", "bitround", "jpeg", "jpegxl", "jpegxr", "jpeg2k"),
    *("htj2k", "webp", "avif", "heif", "lerc", "sz3", "sperr"),
)
"""Names of numcodecs and imagecodecs, without what they begin with."""
LOSSLESS_UNASKED = ("jpegxl", "jpegxr", "jpeg2k", "htj2k", "webp", "avif", "lerc")
"""Those that lose nothing unless they are told a level of quality, or a distance."""
LOSSY_TIFF = (
    dict.fromkeys((6, 7, 33007, 34892), "JPEG")
    | dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000")
    | dict.fromkeys((22610, 34934), "JPEG XR")
    | dict.fromkeys((34927, 50001), "WebP")
    | dict.fromkeys((50002, 52546), "JPEG XL")
    | {34887: "LERC", 48124: "Jetraw"}
)
"""By the numbers of the tag `Compression`, which does not say whether those that can be lossless are."""

ZFP_PARAMETERS = ("tolerance", "rate", "precision")
ZFPY_REVERSIBLE = 5


def lossy_filter(dataset: h5py.Dataset) -> str:
    """The first filter by which the dataset is stored that may change what is written; nothing if none does.

    One of so many bits (scale-offset) cuts off what does not fit, without a word.
    """
    properties = dataset.id.get_create_plist()
    for code, _, values, _ in map(properties.get_filter, range(properties.get_nfilters())):
        if code in LOSSY_FILTERS:
            return LOSSY_FILTERS[code]
        if code == SCALE_OFFSET and values[1] and values[1] < 8 * dataset.dtype.itemsize:
            return f"scale-offset of {values[1]} bits"
        if code == ZFP and not _is_reversible(values):
            return "zfp (not reversible)"
    return ""


def _is_reversible(values: Sequence[int]) -> bool:
    """Whether the parameters of the filter, behind its version a header of zfp, are of that mode."""
    return len(values) > 3 and values[3] >> 20 == ZFP_REVERSIBLE


def lossy_codec(codecs: Iterable[Mapping[str, Any]]) -> str:
    """The first of the codecs of a Zarr array that may change what is written; nothing if none does.

    Each is as the array's metadata have it, in Zarr 2 or 3, also inside shards.
    """
    for codec in codecs:
        told = str(codec.get("id") or codec.get("name"))
        how = codec.get("configuration") or codec
        inner = lossy_codec(how.get("codecs") or [])
        if inner:
            return inner
        name = told.removeprefix("numcodecs.").removeprefix("imagecodecs_")
        if name in LOSSY_CODECS and not _is_lossless(name, how):
            return told
    return ""


def _is_lossless(name: str, how: Mapping[str, Any]) -> bool:
    """Whether a codec of that name loses nothing with these parameters."""
    if name == "zfpy":
        return how.get("mode") == ZFPY_REVERSIBLE or all(how.get(each, -1) < 0 for each in ZFP_PARAMETERS)
    if how.get("lossless") or how.get("reversible"):
        return True
    asked = [how.get(each) for each in ("level", "distance", "lossless", "reversible")]
    return name in LOSSLESS_UNASKED and asked == [None] * len(asked)
