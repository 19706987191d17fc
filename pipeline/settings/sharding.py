"""Shards: files that hold many chunks of a precomputed volume, each of them of one block alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pipeline.errors import InputError
from pipeline.geometry import Triple, triple
from pipeline.settings.reconciliation import Reconciliation

INDEX_BITS = 9
"""A shard has an index for every 2^9 chunks, which is read as a whole: some kB."""


def sharding(shape: Triple, settings: Reconciliation) -> dict[str, Any]:
    """How the info file of a volume of `shape`, z, y, x, says which chunks lie in one file.

    Chunks are numbered so that one bit after the other is of their place along x, y, z; those whose numbers
    differ in the lowest bits alone share a file. That many bits are taken that every block is of whole files;
    where it is none, each chunk has a file of its own, as in a level that is long along one axis alone.
    """
    grid, block = _in_chunks(shape, settings)
    bits = list(_axes_of_bits(grid))
    shared, side = 0, [1, 1, 1]
    for axis in bits:
        side[axis] *= 2
        if block[axis] < grid[axis] and block[axis] % side[axis]:
            break
        shared += 1
    preshift = min(shared, INDEX_BITS)
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "preshift_bits": preshift,
        "minishard_bits": shared - preshift,
        "shard_bits": len(bits) - shared,
        "minishard_index_encoding": "gzip",
        "data_encoding": "gzip",
    }


def refuse_single_chunks(shape: Triple, settings: Reconciliation) -> None:
    """Raise InputError where each chunk of a volume of `shape`, z, y, x, would have a file of its own, though
    a block holds several."""
    grid, block = _in_chunks(shape, settings)
    spec = sharding(shape, settings)
    if spec["preshift_bits"] == 0 and any(min(b, n) > 1 for b, n in zip(block, grid)):
        fitting = [c * _power_of_two(block) for c in settings.chunk]
        raise InputError(
            f"reconciliation.block {list(settings.block)} cannot be written as shards of several chunks of "
            f"{list(settings.chunk)}: set it to {fitting}, or reconciliation.sharded to false"
        )


def chunk_number(place: Triple, grid: Triple) -> int:
    """The number of the chunk at this place, z, y, x, in a grid of so many."""
    number, taken = 0, [0, 0, 0]
    for bit, axis in enumerate(_axes_of_bits(grid)):
        number |= (place[axis] >> taken[axis] & 1) << bit
        taken[axis] += 1
    return number


def _in_chunks(shape: Triple, settings: Reconciliation) -> tuple[Triple, Triple]:
    """How many chunks there are along each axis, and how many in a block."""
    grid = [-(-n // c) for n, c in zip(shape, settings.chunk)]
    block = [b // c for b, c in zip(settings.block, settings.chunk)]
    return triple(grid), triple(block)


def _axes_of_bits(grid: Triple) -> Iterator[int]:
    """The axis of each bit of a chunk's number, the lowest first; an axis has as many as its chunks need."""
    for bit in range(max(grid).bit_length()):
        yield from (axis for axis in (2, 1, 0) if 1 << bit < grid[axis])


def _power_of_two(block: Triple) -> int:
    """Of a cube of about as many chunks as the block has, those along an axis."""
    return int(max(2, 2 ** round(math.log2(math.prod(block)) / 3)))
