"""The resolutions at which the volume is stored: the segmentation itself, and coarser ones made of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.geometry import Box, Triple, triple
from pipeline.run_folder import Run
from pipeline.volumes import VoxelSize, image_voxel_size_nm

UNKNOWN_VOXEL_SIZE_NM = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Level:
    """Voxel v of a level covers the voxels v * factor up to (v + 1) * factor of the one before, as far as
    there are some."""

    number: int
    """0 is the finest."""
    box: Box
    """All its voxels."""
    voxel_size_nm: VoxelSize
    factor: Triple

    def source(self, part: Box) -> Box:
        """The voxels of the level before that a part of this one is made of, those that are not there too."""
        z, y, x = self.factor
        return Box(
            triple([a * f for a, f in zip(part.start, (z, y, x))]),
            triple([b * f for b, f in zip(part.stop, (z, y, x))]),
        )


def levels(run: Run) -> list[Level]:
    """The finest, and at most `reconciliation.mips` coarser ones: none of what is one chunk already.

    From one to the next voxels become twice as long along all axes but those along which they are at least
    twice as long as along the shortest: so they become cubes first.
    """
    settings = run.config.reconciliation
    level = Level(0, run.inference_box, image_voxel_size_nm(run) or UNKNOWN_VOXEL_SIZE_NM, (1, 1, 1))
    found = [level]
    while level.number < settings.mips and any(n > c for n, c in zip(level.box.shape, settings.chunk)):
        level = _coarser(level)
        found.append(level)
    return found


def level_blocks(run: Run, level: Level, meeting: Box | None = None) -> list[Box]:
    """The disjoint boxes that together are a level, or those that share voxels with `meeting`.

    Each is of whole chunks, which count from the level's first voxel: only blocks at its end hold cut ones.
    """
    return whole_blocks(level.box, run.config.reconciliation.block, meeting)


def whole_blocks(box: Box, shape: Triple, meeting: Box | None = None) -> list[Box]:
    """As `level_blocks`, of a level whose voxels are `box`."""
    return box.whole_parts(shape, box if meeting is None else meeting)


def _coarser(level: Level) -> Level:
    shortest = min(level.voxel_size_nm)
    factor = triple([2 if size < 2 * shortest else 1 for size in level.voxel_size_nm])
    z, y, x = (size * f for size, f in zip(level.voxel_size_nm, factor))
    start = triple([a // f for a, f in zip(level.box.start, factor)])
    stop = triple([-(-b // f) for b, f in zip(level.box.stop, factor)])
    return Level(level.number + 1, Box(start, stop), (z, y, x), factor)
