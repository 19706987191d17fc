"""The section `reconciliation` of a run file."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from pipeline.settings.fields import NaturalInt, PositiveInt, PositiveTriple, Probability, Section


class Reconciliation(Section):
    """When two segments of overlapping tiles are one object, and how the volume is stored."""

    min_overlap_voxels: PositiveInt = 100
    """Voxels that two segments must share at least."""
    min_overlap_fraction: Probability = 0.5
    """What part of the smaller segment's voxels in the overlap that must be; blank voxels do not count."""
    min_larger_fraction: Probability = 0.3
    """What part of the larger segment's that must be; lower values mend more false splits and spread more
    false mergers."""
    keep_apart: Literal["never", "most", "seen", "always"] = "most"
    """Which segments of one tile are not joined where a neighbour has them as one. seen: those that lie side
    by side where the tile itself could look. most: of these, where more tiles contradict the neighbour's
    segment than contradict the two; one tile against one is joined, since false splits are more common than
    mergers. always: also those that come together beyond the tile's sight, be they branches or a merger.
    never: none. What is found is in conflicts.json in any case."""
    corrections: str | None = None
    """A file of joins and cuts, pairs of points that people made: .csv, or a .json state of Neuroglancer with
    lines in the layers joins and cuts. A relative path is looked up in data.folder. Nothing is segmented
    again."""
    chunk: PositiveTriple = (64, 64, 64)
    """Voxels, z, y, x, that the volume is stored in: what a reader unpacks at a time."""
    block: PositiveTriple = (256, 256, 256)
    """Voxels that one writing task covers; a multiple of `chunk`."""
    sharded: bool = True
    """Whether many chunks share a file (Neuroglancer's shards): all of a block that is a cube of 2, 4, 8 ...
    chunks. Else each is a file of its own, with the defaults 64 times as many, as old readers want them."""

    mips: NaturalInt = 3
    """How many coarser levels the volume gets at most, for looking at it from afar: none of what is one chunk
    already. All together have a seventh of its voxels, as a rule."""

    meshes: bool = False
    """Whether the volume also gets the surfaces of its segments, for looking at them in three dimensions, at
    several levels of detail. Needs the extra `meshes`."""

    skeletons: bool = False
    """Whether it also gets lines along their middle (TEASAR, by kimimaro). Needs the extra `skeletons`."""

    @model_validator(mode="after")
    def _blocks_hold_whole_chunks(self) -> Reconciliation:
        if any(b % c for b, c in zip(self.block, self.chunk)):
            raise ValueError(f"block {list(self.block)} must be a multiple of chunk {list(self.chunk)}")
        return self
