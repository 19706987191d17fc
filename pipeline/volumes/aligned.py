"""The image that a run makes of sections: what it will be is known before it is there."""

from __future__ import annotations

import numpy as np

from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.volumes.frame import Frame
from pipeline.volumes.open import open_volume
from pipeline.volumes.volume import Volume


class AlignedVolume(Volume):
    """The volume in `run.aligned_folder`, uint8, where `run.aligned` says that it lies.

    Nothing is looked at before voxels are read; whoever reads has waited for the blocks that hold them.
    """

    loads_anew = True

    def __init__(self, run: Run) -> None:
        assert run.aligned is not None, "only a resolved run knows where that is"
        assert run.config.sections is not None, "a run with an aligned image has its sections"
        stated = run.config.sections.tiles.voxel_size_nm
        frame = Frame(run.aligned.start, run.config.data.voxel_size_nm or stated, stated, is_placed=True)
        uri = f"precomputed://file://{run.aligned_folder}"
        super().__init__(uri, "made of sections", run.aligned.shape, np.dtype(np.uint8), frame)

    @property
    def stamp(self) -> str:
        return f"{self.uri} {self.box}"

    def _load(self, box: Box) -> np.ndarray:
        return open_volume(self.uri).read(box.translate(self.frame.origin))


def aligned_blocks(run: Run, box: Box) -> list[Box]:
    """The blocks that hold the voxels of a box of the image, those of sections that are shown in place of
    others among them; none of an image that is there before the run."""
    if run.aligned is None or run.config.sections is None:
        return []
    shape, replaced = run.config.sections.volume.block, run.config.data.replace_sections
    (start, y, x), (stop, yy, xx) = box.start, box.stop
    shown = [other for lost, other in replaced.items() if start <= lost < stop]
    boxes = [box, *(Box((z, y, x), (z + 1, yy, xx)) for z in shown)]
    found = {block for each in boxes for block in run.aligned.whole_parts(shape, each)}
    return sorted(found)
