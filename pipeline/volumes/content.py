"""What a volume holds, by its voxels: the same wherever it lies, and whenever it was touched or copied."""

from __future__ import annotations

import hashlib
import math

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.results.unreadable import came_of_refusal
from pipeline.volumes.volume import Volume

BLOCK: Triple = (64, 64, 64)
"""Where nothing is stored apart."""

MOST_BYTES = 256 << 20
LARGEST_BYTES = 32 << 20
"""Read at a time: a chunk may be as large as a file, of a virtual dataset that is made of files."""

MOST_BLOCKS, MOST_REMOTE_BLOCKS, LEAST_BLOCKS = 512, 64, 16


def sampled_blocks(volume: Volume) -> list[Box]:
    """All of a volume of up to 256 MiB that is in no bucket, else of its chunks, or blocks of up to 32 MiB,
    as many, evenly spread, as have that: 16 to 512, or 64 of one in a bucket."""
    shape = _cut(volume.chunk or BLOCK, volume.dtype.itemsize)
    if not volume.is_remote and math.prod(volume.shape) * volume.dtype.itemsize <= MOST_BYTES:
        origin = (0, 0, 0) if volume.chunk is None else volume.box.start
        return volume.box.blocks(_joined(shape, volume.shape), origin)
    count = MOST_BYTES // (math.prod(shape) * volume.dtype.itemsize)
    count = max(LEAST_BLOCKS, min(count, MOST_REMOTE_BLOCKS if volume.is_remote else MOST_BLOCKS))
    if volume.chunk == shape:
        return volume.chunks(volume.box, count)
    return volume.box.spread_blocks(shape, count)


def _cut(shape: Triple, itemsize: int) -> Triple:
    """A shape of at most LARGEST_BYTES, halved along its longest axes."""
    sides = list(shape)
    while math.prod(sides) * itemsize > LARGEST_BYTES:
        longest = sides.index(max(sides))
        sides[longest] = -(-sides[longest] // 2)
    return triple(sides)


def _joined(shape: Triple, whole: Triple) -> Triple:
    """A multiple of a shape, of which MOST_BLOCKS cover the whole."""
    sides = list(shape)
    while math.prod(-(-n // side) for n, side in zip(whole, sides)) > MOST_BLOCKS:
        shortest = min((side, axis) for axis, side in enumerate(sides) if side < whole[axis])[1]
        sides[shortest] *= 2
    return triple(sides)


def content(volume: Volume) -> str:
    """Shape, dtype and a SHA-256 of the voxels of `sampled_blocks`; what is damaged counts as that.

    Raises InputError where the file system or a server refuses to have a block read: what is there may be as
    it was.
    """
    digest = hashlib.sha256()
    for block in sampled_blocks(volume):
        try:
            digest.update(volume.read(block).data)
        except InputError as error:  # where it is wanted, damage is told by who reads it
            if came_of_refusal(error):
                raise
            digest.update(b"unreadable")
    return f"{volume.dtype} {volume.shape} {digest.hexdigest()}"


def share_sampled(volume: Volume) -> float:
    """The share of a volume's voxels that `content` reads."""
    return sum(block.size for block in sampled_blocks(volume)) / volume.box.size
