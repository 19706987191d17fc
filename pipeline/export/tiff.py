"""A part of a volume as one OME-TIFF of many pages, BigTIFF where it is large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

from pipeline.errors import InputError
from pipeline.export.part import Part
from pipeline.volumes.frame import AXES
from pipeline.volumes.tiff import CREATOR

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
TYPES = {
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "int8": "int8", "int16": "int16",
    "int32": "int32", "float32": "float", "float64": "double",
}  # fmt: skip
"""OME's names of the types that it has."""
NEAREST = {"uint64": "uint32", "int64": "int32", "float16": "float32"}
"""What takes the place of those that it does not have."""

PLANES_BYTES = 2**28
"""So many planes are in memory at a time; one at least."""
LARGEST_PLANE_BYTES = 2**31
CLASSIC_BYTES = 2**31
"""Beyond it, offsets in the file get 64 bits; readers of a plain TIFF take them for signed ones of 32."""


def as_tiff(part: Part) -> Part:
    """The part as a type that OME has. Raises InputError where a plane of it is too large for memory."""
    name = part.dtype.name
    fitting = replace(part, dtype=np.dtype(NEAREST.get(name, name)))
    if _plane_bytes(fitting) > LARGEST_PLANE_BYTES:
        raise InputError(
            f"a plane of box {part.box} has {_plane_bytes(fitting):,} bytes, and TIFF is written plane by "
            f"plane, of up to {LARGEST_PLANE_BYTES:,}: choose a smaller box, or write .h5 or .zarr"
        )
    return fitting


def write_tiff(part: Part, path: Path) -> Iterator[int]:
    """Write the file: a page a plane, packed by deflate. Says of each plane how many voxels it had.

    Voxel size and place are OME's: `PhysicalSize` and, of the first plane, `Position`. Raises OSError where
    the file system refuses.
    """
    shape, big = part.box.shape, part.box.size * part.dtype.itemsize > CLASSIC_BYTES
    with tifffile.TiffWriter(path, bigtiff=big) as file:
        for number, plane in enumerate(_planes(part)):
            file.write(
                plane,
                photometric="minisblack",
                compression="zlib",
                metadata=None,
                description=_ome(part) if number == 0 else None,
                software=CREATOR if number == 0 else None,
            )
            yield shape[1] * shape[2]


def _planes(part: Part) -> Iterator[np.ndarray]:
    """(y, x) each, read several at a time: where they are stored in chunks all of those are read anyway."""
    _, y, x = part.box.shape
    count = max(1, PLANES_BYTES // _plane_bytes(part))
    for slab in part.box.parts((count, y, x)):
        yield from part.read(slab)


def _plane_bytes(part: Part) -> int:
    _, y, x = part.box.shape
    return y * x * part.dtype.itemsize


def _ome(part: Part) -> str:
    z, y, x = part.box.shape
    ome = ElementTree.Element("OME", {"xmlns": NAMESPACE, "Creator": CREATOR})
    image = ElementTree.SubElement(ome, "Image", {"ID": "Image:0", "Name": Path(part.volume.uri).name})
    told = {
        "ID": "Pixels:0", "DimensionOrder": "XYZCT", "Type": TYPES[part.dtype.name],
        "SizeX": str(x), "SizeY": str(y), "SizeZ": str(z), "SizeC": "1", "SizeT": "1",
    }  # fmt: skip
    plane = {"TheZ": "0", "TheC": "0", "TheT": "0"}
    size = part.voxel_size_nm
    for axis, at, length in zip(AXES.upper(), part.box.start, size or (1.0, 1.0, 1.0)):
        if size:
            told |= {f"PhysicalSize{axis}": repr(float(length)), f"PhysicalSize{axis}Unit": "nm"}
        plane |= {f"Position{axis}": repr(at * length), f"Position{axis}Unit": "nm" if size else "pixel"}
    pixels = ElementTree.SubElement(image, "Pixels", told)
    ElementTree.SubElement(pixels, "Channel", {"ID": "Channel:0:0", "SamplesPerPixel": "1"})
    ElementTree.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(z)})
    ElementTree.SubElement(pixels, "Plane", plane)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(ome, encoding="unicode")
