"""Frame: where the voxels of a volume lie, and how large they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.errors import InputError
from pipeline.geometry import Triple, triple

VoxelSize: TypeAlias = tuple[float, float, float]

AXES = "zyx"
WHOLE = 0.01
"""How far, in voxels, an offset may be from a whole number of them: files round."""

IN_ORDER = ", its levels put in order (they are listed otherwise than the finest first)"
"""What is told behind the name of a volume whose file lists them so."""

SAME_SIZE = 0.01
"""Voxel sizes that differ by less than this part are one: 3.9999 nm is 4 nm."""

NM_PER_UNIT: Mapping[str, float] = {
    "nm": 1, "nanometer": 1, "nanometers": 1, "nanometre": 1, "nanometres": 1,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometers": 1e3,
    "micrometre": 1e3, "micrometres": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimeters": 1e6, "millimetre": 1e6, "millimetres": 1e6,
    "cm": 1e7, "centimeter": 1e7, "centimetre": 1e7, "m": 1e9, "meter": 1e9, "metre": 1e9,
    "angstrom": 0.1, "angstroms": 0.1, "å": 0.1, "pm": 1e-3, "picometer": 1e-3, "inch": 2.54e7,
}  # fmt: skip


NO_LENGTHS = ("pixel", "pixels", "px", "voxel", "voxels", "arbitrary")
"""Units that are none: they say of how many voxels a voxel is."""


@dataclass(frozen=True)
class Frame:
    """The coordinates of a volume's voxels: whole numbers, z, y, x, that count voxels of its own size.

    Voxel v lies at v * voxel_size_nm in the world, so two volumes of one voxel size meet where their files
    say that they lie.
    """

    origin: Triple = (0, 0, 0)
    """The volume's first voxel."""
    voxel_size_nm: VoxelSize | None = None
    """None: unknown."""
    stated_nm: VoxelSize | None = None
    """The voxel size by the file alone, which the run file may have replaced."""
    is_placed: bool = False
    """Whether the file, or the run file, says where the first voxel is; else the origin is a guess."""
    stated_otherwise: str = ""
    """What else in the file says another voxel size, in words; nothing where the run file sets it."""


@dataclass(frozen=True)
class Stated:
    """What a file says of its axes, each by its name: nothing depends on the order of storage."""

    axes: tuple[str, ...] | None = None
    """Names in the stored order: z, y, x, t (time) and c (channel). None: not said."""
    voxel_size_nm: Mapping[str, float] | None = None
    offset_nm: Mapping[str, float] | None = None
    """Where the first voxel begins in the world."""
    origin: Mapping[str, float] | None = None
    """The same in voxels, for formats that count so; refused like an offset where it is no whole number."""
    otherwise: str = ""
    """See `Frame.stated_otherwise`."""

    def frame(
        self,
        uri: str,
        origin: Triple | None,
        voxel_size_nm: VoxelSize | None,
        mend: str,
        size_setting: str = "data.voxel_size_nm",
    ) -> Frame:
        """The frame, with what the run file sets in place of what the file says.

        `mend` says, for the error, what gives another origin, `size_setting` what the voxel size. Raises
        InputError where the offset is no whole number of voxels, or cannot be told in voxels because their
        size is unknown.
        """
        own = self.size_nm
        return Frame(
            origin or self._origin(uri, own or voxel_size_nm, mend, size_setting),
            voxel_size_nm or own,
            stated_nm=own,
            is_placed=not (origin is None and self.origin is None and self.offset_nm is None),
            stated_otherwise="" if voxel_size_nm else self.otherwise,
        )

    @property
    def size_nm(self) -> VoxelSize | None:
        """The voxel size, z, y, x; None unless it is said for all three."""
        sizes = [(self.voxel_size_nm or {}).get(axis) for axis in AXES]
        z, y, x = sizes
        return None if z is None or y is None or x is None else (float(z), float(y), float(x))

    def _origin(self, uri: str, size_nm: VoxelSize | None, mend: str, size_setting: str) -> Triple:
        if self.origin is not None:
            voxels = [self.origin.get(axis, 0) for axis in AXES]
            return _whole(voxels, f"{uri}: its offset is {_plain(voxels)} voxels (z, y, x)", mend)
        offset = [(self.offset_nm or {}).get(axis, 0.0) for axis in AXES]
        if not any(offset):
            return 0, 0, 0
        if size_nm is None:
            raise InputError(
                f"{uri}: its offset is {_plain(offset)} (z, y, x in nm), but its voxel size is unknown: set "
                f"{size_setting}, or {mend}"
            )
        voxels = [at / size for at, size in zip(offset, size_nm)]
        said = (
            f"{uri}: its offset of {_plain(offset)} nm is {_plain(voxels)} voxels of "
            f"{_plain(size_nm)} nm (z, y, x)"
        )
        return _whole(voxels, said, mend)


def nm_per(unit: str | None, uri: str) -> float:
    """How many nm a unit has; None and "" are nm, and 0 is for one that is no length.

    Raises InputError for one that is not known.
    """
    name = (unit or "nm").strip().lower()
    if name not in NM_PER_UNIT and name not in NO_LENGTHS:
        raise InputError(f"{uri}: unit {unit!r} is not known")
    return NM_PER_UNIT.get(name, 0.0)


def positive_sizes(values: Sequence[float], uri: str, said_by: str) -> list[float]:
    """The numbers as floats; raises InputError, naming what said them, unless all are positive."""
    try:
        sizes = [float(value) for value in values]
    except (TypeError, ValueError):
        sizes = []
    if not sizes or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise InputError(f"{uri}: {said_by} is {values!r}; expected positive numbers, one an axis")
    return sizes


def corner(translation: float, size: float, finest: float) -> float:
    """Where the first voxel of a level begins, in the unit of its axis, counted from the finest's corner.

    OME-NGFF and COSEM mean the *centre* of the first voxel by a translation. A level whose voxels are means
    of two therefore says (size - finest) / 2 though it begins where the finest does, and a finest level with
    translation 0 begins at 0. Programs that take every second voxel, or that think of corners, write 0: then
    the translation itself is the one that is a whole number of voxels. Both can only be so where
    size = finest, and there they are one. Where neither is, `Stated.frame` refuses it.
    """
    begins = translation - (size - finest) / 2
    return begins if abs(begins / size - round(begins / size)) <= WHOLE else translation


def same_size(a: VoxelSize, b: VoxelSize) -> bool:
    """Whether two voxel sizes are one, up to rounding."""
    return all(abs(p - q) <= SAME_SIZE * max(p, q) for p, q in zip(a, b))


def contradiction(size_nm: VoxelSize | None, others: Iterable[tuple[str, VoxelSize | None]]) -> str:
    """The first of other voxel sizes of a file that is known and not `size_nm`, by what says it, in words.

    Nothing where there is none.
    """
    for said_by, other in others:
        if size_nm is not None and other is not None and not same_size(size_nm, other):
            return f"its {said_by} says {size_text(other)}"
    return ""


def size_text(size_nm: VoxelSize | None) -> str:
    """`(40.0, 4.0, 4.0)` -> `40 x 4 x 4 nm`."""
    return "unknown voxel size" if size_nm is None else " x ".join(f"{n:g}" for n in size_nm) + " nm"


def _whole(voxels: Sequence[float], said: str, mend: str) -> Triple:
    if any(abs(v - round(v)) > WHOLE for v in voxels):
        raise InputError(f"{said}, no whole number: {mend}")
    return triple([round(v) for v in voxels])


def _plain(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
