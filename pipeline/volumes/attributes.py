"""What attributes of HDF5 and Zarr arrays say of voxel size, offset and axes, by those who write them.

| attribute | who writes it | what |
| --- | --- | --- |
| `resolution` | CREMI, gunpowder, funlib | voxel size, stored order, in `units`, else nm |
| `voxel_size` | funlib.persistence | the same |
| `offset` | CREMI, gunpowder, funlib | where the first voxel begins in the world, in the same units |
| `element_size_um` | ilastik, elf, PlantSeg | voxel size in micrometres |
| `units`, `unit` | funlib | of the above: one for all, or one an axis, in the stored order |
| `axes`, `axis_names`, `dimension_names` | ilastik, funlib, Zarr 3 | names of the stored axes |
| `axistags` | VIGRA, ilastik | JSON with the names of the stored axes |
| `_ARRAY_DIMENSIONS` | xarray | names of the stored axes |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.volumes.by_axis import nm_by_axis, numbers_by_axis
from pipeline.volumes.frame import AXES, Stated, positive_sizes

IN_UM = "element_size_um"
SIZES = ("resolution", "voxel_size", IN_UM)
"""Attributes that give the voxel size; the first that is there counts."""

NAMES = ("axes", "axis_names", "dimension_names", "_ARRAY_DIMENSIONS")
KNOWN_AXES = frozenset("zyxtc")
OTHER_NAMES = {
    "channel": "c",
    "channels": "c",
    "time": "t",
    "c^": "c",
    "depth": "z",
    "height": "y",
    "width": "x",
}


def stated_by(attributes: Mapping[str, Any], dimensions: int, uri: str) -> Stated:
    """What the attributes of an array of so many dimensions say. Raises InputError on nonsense."""
    axes = axes_of(attributes, dimensions)
    names, said = axes or tuple(AXES), f"{uri}: attribute"
    name = next((name for name in SIZES if attributes.get(name) is not None), None)
    if name is None and attributes.get("offset") is None:
        return Stated(axes)
    unit = "units" if "units" in attributes else "unit"
    nm = nm_by_axis(attributes.get(unit), names, uri, unit)
    size_nm = offset_nm = None
    if name is not None:
        sizes = numbers_by_axis(attributes[name], names, f"{said} {name}")
        positive_sizes(list(sizes.values()), uri, f"attribute {name}")
        size_nm = {axis: size * (1000 if name == IN_UM else nm[axis]) for axis, size in sizes.items()}
    if attributes.get("offset") is not None:
        offset = numbers_by_axis(attributes["offset"], names, f"{said} offset")
        offset_nm = {axis: at * nm[axis] for axis, at in offset.items()}
    return Stated(axes, size_nm, offset_nm)


def axes_of(attributes: Mapping[str, Any], dimensions: int) -> tuple[str, ...] | None:
    """The names of the stored axes; None where they are not said, or are not names of axes."""
    for name in NAMES:
        names = _as_names(attributes.get(name), dimensions)
        if names is not None:
            return names
    try:
        keys = [axis["key"] for axis in json.loads(_text(attributes["axistags"]))["axes"]]
    except (KeyError, TypeError, ValueError):
        return None
    return _as_names(keys, dimensions)


def _as_names(value: Any, dimensions: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    listed = (
        list(_text(value).replace(",", "").replace(" ", "")) if isinstance(value, (str, bytes)) else value
    )
    try:
        names = [_text(name).strip().lower() for name in listed]
    except TypeError:
        return None
    names = [OTHER_NAMES.get(name, name) for name in names]
    if len(names) != dimensions or not set(AXES) <= set(names) or not set(names) <= KNOWN_AXES:
        return None
    return tuple(names)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return str(value)
