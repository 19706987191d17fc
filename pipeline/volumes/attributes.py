"""What attributes of HDF5 and Zarr arrays say of voxel size, offset and axes, by those who write them.

| attribute | who writes it | what |
| --- | --- | --- |
| `resolution` | CREMI, gunpowder, funlib | voxel size, stored order, in `units`, else nm |
| `voxel_size` | funlib.persistence | the same |
| `offset` | CREMI, gunpowder, funlib | where the first voxel begins in the world, in the same units |
| `element_size_um` | Fiji, elf, PlantSeg | voxel size in micrometres |
| `voxel_size_nm` and the like | this program, people | voxel size in the unit of its name, stored order |
| `units`, `unit` | funlib | of the above: one for all, or one an axis; `pixel` is none |
| `axes`, `axis_names`, `dimension_names` | ilastik, funlib, Zarr 3 | names of the stored axes |
| `axistags` | VIGRA, ilastik | JSON: the names of the stored axes, and how long a voxel is along each |
| `axis_units` | ilastik | JSON: the units of these lengths, by axis; without one they are none |
| `_ARRAY_DIMENSIONS` | xarray | names of the stored axes |
| `DIMENSION_LABELS` | HDF5's dimension scales | the same |
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.errors import InputError
from pipeline.volumes.by_axis import nm_by_axis, numbers_by_axis, stated_in_units
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, Stated, VoxelSize, contradiction, nm_per, positive_sizes

UNITS = {
    f"{name}_{unit}": unit for name in ("element_size", "voxel_size", "resolution") for unit in ("um", "nm")
}
"""Of the attributes that name it."""

SIZES = ("resolution", "voxel_size", *UNITS)
"""Attributes that give the voxel size; the first that is there counts, and it is told where others differ."""

NAMES = ("axes", "axis_names", "dimension_names", "_ARRAY_DIMENSIONS", "DIMENSION_LABELS")
OTHER_NAMES = {
    "channel": "c", "channels": "c", "ch": "c", "time": "t",
    "depth": "z", "slice": "z", "plane": "z", "section": "z", "pln": "z",
    "height": "y", "row": "y", "width": "x", "column": "x", "col": "x",
}  # fmt: skip


def stated_by(attributes: Mapping[str, Any], dimensions: int, uri: str, choice: Choice) -> Stated:
    """What the attributes of an array of so many dimensions say.

    Raises InputError on nonsense that `choice` does not replace.
    """
    axes = axes_of(attributes, dimensions)
    if axes is None:
        refuse_other_order(attributes, dimensions, uri, choice)
    names = axes or tuple(AXES)
    unit = "units" if "units" in attributes else "unit"
    size = next((name for name in SIZES if attributes.get(name) is not None), None)

    def numbers(attribute: str) -> dict[str, float]:
        return numbers_by_axis(attributes[attribute], names, f"{uri}: attribute {attribute}")

    def sizes() -> dict[str, float]:
        found = numbers(size or "")
        positive_sizes(list(found.values()), uri, f"attribute {size}")
        return found

    def nm() -> dict[str, float]:
        return nm_by_axis(attributes.get(unit), names, uri, unit)

    said = None if size is None else choice.unless_set("voxel_size_nm", sizes)
    offset = (
        None if attributes.get("offset") is None else choice.unless_set("origin", partial(numbers, "offset"))
    )
    by_itself = None
    if size in UNITS and said is not None:
        by_itself = {axis: length * nm_per(UNITS[size], uri) for axis, length in said.items()}
    elif size is None:
        by_itself = choice.unless_set("voxel_size_nm", partial(_of_tags, attributes, uri))
    if by_itself is not None:
        stated = replace(stated_in_units(axes, None, offset, nm, choice), voxel_size_nm=by_itself)
    else:
        stated = stated_in_units(axes, said, offset, nm, choice)
    others = ((f"attribute {name}", _size_nm(name, attributes, names, uri)) for name in (*SIZES, "axistags"))
    return replace(stated, otherwise=contradiction(stated.size_nm, others))


def _size_nm(name: str, attributes: Mapping[str, Any], names: tuple[str, ...], uri: str) -> VoxelSize | None:
    """The voxel size by one of the attributes; None where it is not there, or cannot be understood."""
    try:
        if name == "axistags":
            return Stated(voxel_size_nm=_of_tags(attributes, uri)).size_nm
        units = UNITS.get(name, attributes.get("units", attributes.get("unit")))
        nm = nm_by_axis(units, names, uri, "units")
        lengths = numbers_by_axis(attributes.get(name), names, name)
        z, y, x = positive_sizes([lengths[axis] * nm[axis] for axis in AXES], uri, name)
    except InputError:
        return None
    return z, y, x


def axes_of(attributes: Mapping[str, Any], dimensions: int) -> tuple[str, ...] | None:
    """The names of the stored axes; None where they are not said, or z, y and x are not among them."""
    return next((names for names in _named(attributes, dimensions) if set(AXES) <= set(names)), None)


def refuse_other_order(attributes: Mapping[str, Any], dimensions: int, uri: str, choice: Choice) -> None:
    """Raise InputError where those of z, y and x that are named among the stored axes, beside names that say
    nothing, do not lie where they are taken to be without any names."""
    for names in _named(attributes, dimensions):
        said = [name for name in names if name in AXES]
        is_at = [names[place] == axis for place, axis in enumerate(AXES) if axis in names]
        if said != sorted(said, reverse=True) or (dimensions == len(AXES) and not all(is_at)):
            raise InputError(
                f"{uri}: its axes are called {', '.join(names)}, of which not all of z, y and x are known: "
                + choice.mend("axes", "name them in {}, such as xyz")
            )


def _of_tags(attributes: Mapping[str, Any], uri: str) -> dict[str, float] | None:
    """The voxel size in nm that ilastik writes beside the names of axes; None where it does not say it.

    Raises InputError where a unit is not known.
    """
    try:
        tags = {tag["key"]: tag for tag in json.loads(_text(attributes["axistags"]))["axes"]}
        units = json.loads(_text(attributes["axis_units"]))
        said = {axis: (float(tags[axis]["resolution"]), str(units[axis] or "pixel")) for axis in AXES}
    except (KeyError, TypeError, ValueError):
        return None
    size = {axis: length * nm_per(unit, uri) for axis, (length, unit) in said.items()}
    return size if all(0 < length < math.inf for length in size.values()) else None


def _named(attributes: Mapping[str, Any], dimensions: int) -> Iterator[tuple[str, ...]]:
    """The names that each attribute gives to so many axes."""
    try:
        keys = [axis["key"] for axis in json.loads(_text(attributes["axistags"]))["axes"]]
    except (KeyError, TypeError, ValueError):
        keys = None
    for value in (*(attributes.get(name) for name in NAMES), keys):
        names = _as_names(value)
        if len(names) == dimensions:
            yield names


def _as_names(value: Any) -> tuple[str, ...]:
    """Names in lower case, and axes as they are called here; none where the value is no list of names."""
    try:
        listed = _letters(_text(value)) if isinstance(value, (str, bytes)) else value
        names = [_text(name).strip().lower().removesuffix("^") for name in ([] if listed is None else listed)]
    except TypeError:
        return ()
    return tuple(OTHER_NAMES.get(name, name) for name in names)


def _letters(text: str) -> list[str]:
    return re.split(r"\s*,\s*", text) if "," in text else list(text.replace(" ", ""))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return str(value)
