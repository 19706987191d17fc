"""What commands that take volumes are told of them: where they lie, how large their voxels are."""

from __future__ import annotations

import math
from collections.abc import Collection

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes import Choice, VoxelSize


def choice_of(
    option: str,
    origin: str | None,
    axes: str | None = None,
    mip: int | None = None,
    size: tuple[float, ...] | None = None,
    lacks: Collection[str] = ("channel",),
) -> Choice:
    """What the options that begin with `option` choose of a volume, of which the command `lacks` some. Raises
    InputError."""
    start_at = numbers(origin, int, f"--{option}-origin")
    first: Triple | None = None if start_at is None else triple(list(start_at))
    z_y_x: VoxelSize | None = None if size is None else (size[0], size[1], size[2])
    return Choice(level=mip, axes=axes, origin=first, voxel_size_nm=z_y_x, option=option, lacks=lacks)


def parsed_box(text: str | None) -> Box | None:
    """What `--box` says. Raises InputError."""
    try:
        return None if text is None else Box.parse(text)
    except ValueError as error:
        raise InputError(f"--box: {error}") from None


def numbers(text: str | None, kind: type[int] | type[float], option: str) -> tuple[float, ...] | None:
    """`"40,4,4"` -> (40, 4, 4); floats are lengths. Raises InputError."""
    if text is None:
        return None
    try:
        z, y, x = (kind(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} is not of the form Z,Y,X") from None
    if kind is float and not all(0 < n < math.inf for n in (z, y, x)):
        raise InputError(f"{option} {text!r}: expected three positive lengths in nm, Z,Y,X")
    return z, y, x
