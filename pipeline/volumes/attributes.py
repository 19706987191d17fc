"""What attributes of HDF5 and Zarr arrays say of voxel size, offset and axes, by those who write them.

| attribute | who writes it | what |
| --- | --- | --- |
| `resolution` | CREMI, gunpowder, funlib | voxel size, stored order, in `units`, else nm |
| `voxel_size` | funlib.persistence | the same |
| `offset` | CREMI, gunpowder, funlib | where the first voxel begins in the world, in the same units |
| `element_size_um` | ilastik, elf, PlantSeg | voxel size in micrometres |
| `units`, `unit` | funlib | of the above: one for all, or one an axis |
| `axes`, `axis_names`, `dimension_names` | ilastik, funlib, Zarr 3 | names of the stored axes |
| `axistags` | VIGRA, ilastik | JSON with the names of the stored axes |
| `_ARRAY_DIMENSIONS` | xarray | names of the stored axes |
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.volumes.frame import AXES, Stated, nm_per, positive_sizes

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
    units = attributes.get("units", attributes.get("unit"))
    size_nm = None
    for name in ("resolution", "voxel_size"):
        if attributes.get(name) is not None:
            size_nm = _scaled(_numbers(attributes[name], axes, dimensions, uri, name), units, uri)
            positive_sizes(list(size_nm.values()), uri, f"attribute {name}")
            break
    else:
        if attributes.get("element_size_um") is not None:
            sizes = _numbers(attributes["element_size_um"], axes, dimensions, uri, "element_size_um")
            size_nm = _scaled(sizes, "um", uri)
            positive_sizes(list(size_nm.values()), uri, "attribute element_size_um")
    offset_nm = None
    if attributes.get("offset") is not None:
        offset_nm = _scaled(_numbers(attributes["offset"], axes, dimensions, uri, "offset"), units, uri)
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


def _numbers(
    value: Any, axes: Sequence[str] | None, dimensions: int, uri: str, attribute: str
) -> dict[str, float]:
    """One number an axis, by its name; three numbers are those of the axes in space, in the stored order."""
    spatial = [axis for axis in (axes or AXES) if axis in AXES]
    try:
        numbers = [float(number) for number in np.asarray(value).reshape(-1)]
    except (TypeError, ValueError):
        numbers = []
    if axes is not None and len(numbers) == dimensions > len(spatial):
        return {axis: number for axis, number in zip(axes, numbers) if axis in AXES}
    if len(numbers) != len(spatial):
        raise InputError(f"{uri}: attribute {attribute} is {value!r}; expected three numbers z, y, x in nm")
    return dict(zip(spatial, numbers))


def _scaled(numbers: Mapping[str, float], units: Any, uri: str) -> dict[str, float]:
    """In nm. Units are one for all, or one an axis in the same order."""
    if units is None or isinstance(units, (str, bytes)):
        each = [_text(units)] * len(numbers)
    else:
        each = [_text(unit) for unit in units][-len(numbers) :]
    if len(each) != len(numbers):
        raise InputError(f"{uri}: attribute units is {units!r}; expected one, or one an axis")
    return {axis: value * nm_per(unit, uri) for (axis, value), unit in zip(numbers.items(), each)}


def _text(value: Any) -> str:
    if value is None:
        return "nm"
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return str(value)
