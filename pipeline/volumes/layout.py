"""Layout: which axes of a stored array are z, y and x, and how a box is taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES

COLOURS = (3, 4)
"""So many channels has what may be colours, none of which holds ids whole."""
VAST = "65536 R + 256 G + B"

Index: TypeAlias = tuple[slice | int, ...]


@dataclass(frozen=True)
class Layout:
    """An array of N axes of which three are z, y and x; of every other axis one position is read."""

    positions: tuple[int, ...]
    """Along each stored axis the position that is read; -1 where the axis is z, y or x."""
    order: Triple
    """The stored axes that are z, y and x."""

    @classmethod
    def of(cls, shape: Sequence[int], stated: Sequence[str] | None, choice: Choice, uri: str) -> Layout:
        """The layout of a stored array of `shape`, whose file names its axes as `stated`.

        What the run file says of the axes goes first. Without any names they are z, y, x, with axes of
        length 1 around them. Raises InputError, with what to set, where axes are left over or missing.
        """
        names = _names(shape, tuple(choice.axes) if choice.axes else stated, choice, uri)
        if choice.channel and "c" not in names:
            raise InputError(
                f"{uri} has shape {tuple(shape)} and no channels; "
                f"{choice.setting('channel')} is {choice.channel}"
            )
        positions = [
            -1 if name in AXES else _position(name, length, choice, shape, uri)
            for name, length in zip(names, shape)
        ]
        return cls(tuple(positions), triple([names.index(axis) for axis in AXES]))

    def volume_shape(self, shape: Sequence[int]) -> Triple:
        """`shape`, or anything else that is said axis by axis, in z, y, x order."""
        return triple([shape[axis] for axis in self.order])

    def index(self, box: Box) -> Index:
        """The index into the stored array of a box that counts from the array's first voxel."""
        wanted = dict(zip(self.order, box.slices()))
        return tuple(wanted.get(axis, position) for axis, position in enumerate(self.positions))

    def turned(self, part: np.ndarray) -> np.ndarray:
        """What `index` took out of the stored array, in z, y, x order."""
        return part.transpose(np.argsort(np.argsort(self.order)))

    def stored_chunk(self, index: Triple, chunks: Sequence[int]) -> tuple[int, ...]:
        """The grid position, along all stored axes, of the chunk at `index` (z, y, x) of the wanted ones."""
        wanted = dict(zip(self.order, index))
        return tuple(
            wanted[axis] if position < 0 else position // chunks[axis]
            for axis, position in enumerate(self.positions)
        )


def _names(shape: Sequence[int], names: Sequence[str] | None, choice: Choice, uri: str) -> tuple[str, ...]:
    if names is None:
        names = _guessed(shape, choice, uri)
    if len(names) != len(shape):
        raise InputError(
            f"{uri} has shape {tuple(shape)}, but {len(names)} axes are named ({', '.join(names)}); "
            f"{choice.mend('axes', 'name every stored axis in {}')}"
        )
    if any(names.count(axis) != 1 for axis in AXES):
        raise InputError(
            f"{uri} has shape {tuple(shape)} and axes {', '.join(names)}; expected three dimensions z, y, x: "
            f"{choice.mend('axes', '{} can name the stored axes, such as xyz or tczyx')}"
        )
    return tuple(names)


def _guessed(shape: Sequence[int], choice: Choice, uri: str) -> tuple[str, ...]:
    """z, y, x for the axes that are longer than 1, if there are three, or else for the last three."""
    long = [axis for axis, length in enumerate(shape) if length > 1]
    if len(long) > 3 or len(shape) < 3:
        raise InputError(
            f"{uri} has shape {tuple(shape)}; expected three dimensions z, y, x"
            + (f"; {choice.mend('axes', 'name its axes in {}, such as czyx')}" if len(shape) > 3 else "")
        )
    spatial = long if len(long) == 3 else list(range(len(shape)))[-3:]
    if any(axis not in spatial for axis in long):
        raise InputError(f"{uri} has shape {tuple(shape)}; {choice.mend('axes', 'name its axes in {}')}")
    named = dict(zip(spatial, AXES))
    return tuple(named.get(axis, f"axis{axis}") for axis in range(len(shape)))


def _position(name: str, length: int, choice: Choice, shape: Sequence[int], uri: str) -> int:
    """The one position to read along an axis that is not in space."""
    chosen = choice.channel if name == "c" else None
    if chosen is None and length == 1:
        return 0
    if name != "c":
        raise InputError(
            f"{uri} has shape {tuple(shape)}, with {length} positions along axis {name}; expected 1: "
            "save one of them as a volume of its own"
        )
    if chosen is None:
        mend = choice.mend("channel", f"set {{}} to one of 0 to {length - 1}")
        if choice.is_of_ids and length in COLOURS:
            mend = (
                f"if ids are colours there, save them as numbers of 32 bits (VAST's are {VAST}); else {mend}"
            )
        raise InputError(f"{uri} has {length} channels; {mend}")
    if chosen >= length:
        raise InputError(
            f"{uri} has {length} channels; {choice.setting('channel')} is {chosen}; "
            f"expected 0 to {length - 1}"
        )
    return chosen
