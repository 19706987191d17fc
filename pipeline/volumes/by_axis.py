"""What a file says axis by axis, as a list: numbers and units by the names of the axes that they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.volumes.frame import AXES, nm_per


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
    """`by_axis` of numbers. Raises InputError also where one is no number."""
    found = by_axis(values, names, said)
    try:
        return {axis: float(value) for axis, value in found.items()}
    except (TypeError, ValueError):
        raise InputError(f"{said} is {values!r}; expected numbers") from None


def nm_by_axis(units: Any, names: Sequence[str], uri: str, attribute: str) -> dict[str, float]:
    """How many nm the unit of each axis has. Units are one for all, none, or a list as `by_axis` has it."""
    if units is None or isinstance(units, (str, bytes)):
        found = dict.fromkeys(AXES, units)
    else:
        found = by_axis(units, names, f"{uri}: attribute {attribute}")
    return {axis: nm_per(_text(unit), uri) for axis, unit in found.items()}


def _text(unit: Any) -> str | None:
    return unit.decode() if isinstance(unit, bytes) else None if unit is None else str(unit)
