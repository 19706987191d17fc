"""The C code of counting and filling, if there was a compiler when this was set up: see compiled.c.

It gives the same bytes as NumPy and scipy do, for arrays of any integers and strides.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MODULE = "pipeline.evaluation._compiled"
"""What setup.py makes of compiled.c."""

MOST_VOXELS_ALONG = 512
"""Of a box that it fills."""

log = logging.getLogger(__name__)


class Columns(NamedTuple):
    """The pairs of ids that occur, in no order, and the voxels of each; (n,) uint64, uint64, int64."""

    truth: NDArray[np.uint64]
    segmentation: NDArray[np.uint64]
    voxels: NDArray[np.int64]


class Filled(NamedTuple):
    """The voxels of a part of a box, (z, y, x)."""

    ids: np.ndarray
    squares: NDArray[np.int32]
    """Squared distance to the segment that was taken: 0 where nothing was blank, -1 where there is none."""
    further: int
    """How many are further than was looked, or have none: only bounds of their distance are known."""


class _Ids(ctypes.Structure):
    """`struct ids` of compiled.c."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("strides", ctypes.c_int64 * 3),
        ("size", ctypes.c_int),
        ("is_signed", ctypes.c_int),
    )


class _Part(ctypes.Structure):
    """`struct part` of compiled.c."""

    _fields_ = (
        ("ids", ctypes.c_void_p),
        ("shape", ctypes.c_int64 * 3),
        ("start", ctypes.c_int64 * 3),
        ("stop", ctypes.c_int64 * 3),
        ("reach", ctypes.c_int64),
        ("size", ctypes.c_int),
    )


@lru_cache
def library() -> ctypes.CDLL | None:
    """The compiled code; None, with a warning, where it is missing or cannot be loaded."""
    found = importlib.util.find_spec(MODULE)
    try:
        code = ctypes.CDLL(found.origin) if found is not None else None
    except OSError as error:
        log.warning("%s", error)
        code = None
    if code is None:
        log.warning("compiled.c was not compiled: blocks are counted by NumPy, the same and more slowly")
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    code.ffn_count.argtypes, code.ffn_count.restype = [pointer] * 5, pointer
    code.ffn_pairs.argtypes, code.ffn_pairs.restype = [pointer, ctypes.c_int], number
    code.ffn_table.argtypes, code.ffn_table.restype = [pointer, ctypes.c_int, *[pointer] * 3], None
    code.ffn_free.argtypes, code.ffn_free.restype = [pointer], None
    code.ffn_fill.argtypes, code.ffn_fill.restype = [pointer] * 3, number
    return code


def count_pairs(
    code: ctypes.CDLL,
    truth: np.ndarray,
    segmentation: np.ndarray,
    filled: np.ndarray,
    counted: np.ndarray | None,
) -> tuple[Columns, Columns]:
    """The pairs of truth and segmentation, and those of truth and `filled` where the segmentation is 0.

    Integer arrays of one shape; of bool `counted` is, which says what counts (None: all). Raises ValueError
    when shapes differ, MemoryError where there is not enough.
    """
    arrays = [truth, segmentation, filled, *(() if counted is None else (counted,))]
    if any(array.shape != truth.shape for array in arrays):
        raise ValueError(f"shapes differ: {', '.join(str(array.shape) for array in arrays)}")
    if truth.ndim != 3:
        arrays = [array.reshape(1, 1, -1) for array in arrays]
    arrays = [array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays]
    ids = [ctypes.byref(_ids(array)) for array in arrays]
    shape = (ctypes.c_int64 * 3)(*arrays[0].shape)
    counts = code.ffn_count(*ids, *(() if counted is not None else (None,)), shape)
    if not counts:
        raise MemoryError("there is no memory for the pairs of a block")
    try:
        return _columns(code, counts, 0), _columns(code, counts, 1)
    finally:
        code.ffn_free(counts)


def fill_part(
    code: ctypes.CDLL, ids: np.ndarray, start: Sequence[int], shape: Sequence[int], reach: int
) -> Filled:
    """The part of `shape` at `start` of an array of integers, its 0 filled by the nearest id in the array.

    Nearest is as in filling.py. What lies within `reach` voxels is found, and of what lies further an upper
    bound of its distance. Raises ValueError where the array has an axis that is too long.
    """
    if max(ids.shape) > MOST_VOXELS_ALONG:
        raise ValueError(f"an array of {ids.shape} voxels; at most {MOST_VOXELS_ALONG} along each axis")
    ids = np.ascontiguousarray(ids, ids.dtype.newbyteorder("="))
    filled, squares = np.empty(shape, ids.dtype), np.empty(shape, np.int32)
    if not filled.size:
        return Filled(filled, squares, 0)
    three, stop = ctypes.c_int64 * 3, [a + n for a, n in zip(start, shape)]
    size = min(reach, MOST_VOXELS_ALONG - 1)
    part = _Part(ids.ctypes.data, three(*ids.shape), three(*start), three(*stop), size, ids.itemsize)
    further = code.ffn_fill(ctypes.byref(part), filled.ctypes.data, squares.ctypes.data)
    if further < 0:
        raise MemoryError("there is no memory to fill a block")
    return Filled(filled, squares, further)


def _ids(array: np.ndarray) -> _Ids:
    strides = (ctypes.c_int64 * 3)(*array.strides)
    return _Ids(array.ctypes.data, strides, array.itemsize, array.dtype.kind == "i")


def _columns(code: ctypes.CDLL, counts: int, in_blank: int) -> Columns:
    pairs = code.ffn_pairs(counts, in_blank)
    columns = Columns(np.empty(pairs, np.uint64), np.empty(pairs, np.uint64), np.empty(pairs, np.int64))
    code.ffn_table(counts, in_blank, *(column.ctypes.data for column in columns))
    return columns
