"""Memory as the C code takes it."""

from __future__ import annotations

import numpy as np

ALIGNMENT = 64


def aligned(size: int) -> np.ndarray:
    """`size` bytes, all zero, at an address as the C code wants it."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % ALIGNMENT
    return memory[offset : offset + size]


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """The same array at such an address."""
    copy = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
