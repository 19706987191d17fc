"""What a volume holds, by its voxels: the same wherever it lies, and whenever it was touched or copied."""

from __future__ import annotations

import hashlib

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.volumes.volume import Volume

BLOCK: Triple = (64, 64, 64)
"""Where nothing is stored apart."""

MOST_BYTES = 256 << 20
MOST_BLOCKS, MOST_REMOTE_BLOCKS, LEAST_BLOCKS = 512, 64, 16


def sampled_blocks(volume: Volume) -> list[Box]:
    """All chunks of a volume of up to 256 MiB, else as many, evenly spread: 512, or 64 of one in a bucket."""
    voxels = volume.chunk or BLOCK
    count = MOST_BYTES // (voxels[0] * voxels[1] * voxels[2] * volume.dtype.itemsize)
    count = max(LEAST_BLOCKS, min(count, MOST_REMOTE_BLOCKS if volume.is_remote else MOST_BLOCKS))
    if volume.chunk is None:
        return volume.box.spread_blocks(BLOCK, count)
    return volume.chunks(volume.box, count)


def content(volume: Volume) -> str:
    """Shape, dtype and a SHA-256 of the voxels of `sampled_blocks`; what cannot be read counts as that."""
    digest = hashlib.sha256()
    for block in sampled_blocks(volume):
        try:
            digest.update(volume.read(block).data)
        except InputError:  # where it is wanted, that is told by who reads it
            digest.update(b"unreadable")
    return f"{volume.dtype} {volume.shape} {digest.hexdigest()}"


def share_sampled(volume: Volume) -> float:
    """The share of a volume's voxels that `content` reads."""
    return sum(block.size for block in sampled_blocks(volume)) / volume.box.size
