"""What BigDataViewer says of voxels: it keeps their size in an XML file beside the HDF5 or N5."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from pipeline.volumes.address import Where
from pipeline.volumes.frame import NM_PER_UNIT

HDF5_CELLS = re.compile(r"/t\d{5}/s(?P<setup>\d{2})/(?P<level>\d+)/cells")
"""Where it puts the voxels of a level."""
N5_LEVEL = re.compile(r"setup(?P<setup>\d+)/timepoint\d+/s\d+")


class Size(NamedTuple):
    """Of a voxel of the finest level: lengths along x, y, z in `unit`."""

    lengths: Sequence[float]
    unit: str


def xml_beside(data: Where) -> Where:
    """Where it keeps what it knows of `data`, an HDF5 file or the folder of an N5."""
    return data.with_suffix(".xml")


def size_by_xml(data: Where, setup: int) -> Size | None:
    """The voxel size of a setup; None where no XML beside `data` says it in a unit of length."""
    try:
        said = ElementTree.fromstring(xml_beside(data).read_bytes()).find("SequenceDescription")
    except (OSError, ElementTree.ParseError, ValueError, LookupError):  # the last two of its encoding
        return None
    if said is None or not any((of.text or "").strip() == data.name for of in said.iterfind("ImageLoader/*")):
        return None
    for one in said.iterfind("ViewSetups/ViewSetup"):
        if (one.findtext("id") or "").strip() == str(setup):
            unit = (one.findtext("voxelSize/unit") or "").strip()
            lengths = _numbers(one.findtext("voxelSize/size") or "")
            return Size(lengths, unit) if unit.lower() in NM_PER_UNIT and len(lengths) == 3 else None
    return None


def _numbers(text: str) -> list[float]:
    try:
        found = [float(number) for number in text.split()]
    except ValueError:
        return []
    return found if all(0 < number < float("inf") for number in found) else []
