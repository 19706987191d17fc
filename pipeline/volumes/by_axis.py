"""What a file says axis by axis, as a list: numbers and units by the names of the axes that they are for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, Stated, nm_per


def stated_in_units(
    axes: tuple[str, ...] | None,
    sizes: Mapping[str, float] | None,
    offset: Mapping[str, float] | None,
    read_nm: Callable[[], dict[str, float]],
    choice: Choice,
) -> Stated:
    """What a file states that gives sizes of voxels and where the first begins, both in one unit an axis.

    `read_nm` tells how many nm the units have, 0 of one that is no length: then nothing is known but how many
    voxels the offset is. That is so too of a unit that is not known, where the run file sets the voxel size.
    Raises InputError, with what to set, where it does not.
    """
    if sizes is None and offset is None:
        return Stated(axes)
    nm = choice.unless_set("origin" if sizes is None else "voxel_size_nm", read_nm)
    if nm is not None and all(nm.values()):
        return Stated(axes, _scaled(sizes, nm), _scaled(offset, nm))
    if offset is None or (nm is None and sizes is None):
        return Stated(axes)
    return Stated(axes, origin={axis: offset[axis] / (sizes[axis] if sizes else 1) for axis in AXES})


def by_axis(values: Any, names: Sequence[str], said: str) -> dict[str, Any]:
    """Values for z, y and x, by these names.

    `values` are one for each of `names`, in their order, or one for each of those that are z, y or x.
    Raises InputError, which begins with `said`, where they are neither.
    """
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    spatial = [name for name in names if name in AXES]
    if isinstance(listed, (list, tuple)):
        for named in (names, spatial):
            if len(listed) == len(named):
                return {name: value for name, value in zip(named, listed) if name in AXES}
    each = "" if len(names) == len(spatial) else f", or one for each of {', '.join(names)}"
    raise InputError(f"{said} is {listed!r}; expected three, for {', '.join(spatial)}{each}")


def numbers_by_axis(values: Any, names: Sequence[str], said: str) -> dict[str, float]:
    """`by_axis` of numbers, which may be a list as text. Raises InputError also where one is no number."""
    found = by_axis(_listed(values), names, said)
    try:
        return {axis: float(value) for axis, value in found.items()}
    except (TypeError, ValueError):
        raise InputError(f"{said} is {values!r}; expected numbers") from None


def nm_by_axis(units: Any, names: Sequence[str], uri: str, attribute: str) -> dict[str, float]:
    """How many nm the unit of each axis has, as `nm_per` says. Units are one for all, none, or a list."""
    if units is None or isinstance(units, (str, bytes)):
        found = dict.fromkeys(AXES, units)
    else:
        found = by_axis(units, names, f"{uri}: attribute {attribute}")
    return {axis: nm_per(None if unit is None else _text(unit), uri) for axis, unit in found.items()}


def _scaled(values: Mapping[str, float] | None, nm: Mapping[str, float]) -> dict[str, float] | None:
    return None if values is None else {axis: values[axis] * nm[axis] for axis in AXES}


def _listed(values: Any) -> Any:
    """Text such as `[40, 4, 4]` as the numbers that it lists, all else as it is."""
    try:
        return json.loads(f"[{_text(values).strip('[]() ')}]") if isinstance(values, (str, bytes)) else values
    except ValueError:
        return values


def _text(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text
