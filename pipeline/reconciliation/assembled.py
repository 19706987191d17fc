"""AssembledVolume: the segmentation by any id table, from the tiles, without being written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.geometry import Box
from pipeline.reconciliation.write import assemble
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.volumes import Frame, Volume


class AssembledVolume(Volume):
    """Voxels of the run's tiles under the ids of `id_table`, uint64 over its inference box.

    Of `tiles` there have to be those whose cores hold what is read.
    """

    def __init__(self, run: Run, id_table: Artifact, tiles: Mapping[int, Artifact]) -> None:
        frame = Frame(run.inference_box.start, is_placed=True)
        super().__init__(id_table.path, "assembled", run.inference_box.shape, np.dtype(np.uint64), frame)
        self._run, self._id_table, self._tiles = run, id_table, tiles

    @property
    def stamp(self) -> str:
        return self._id_table.sha256

    def _load(self, box: Box) -> np.ndarray:
        wanted = box.translate(self.frame.origin)
        return assemble(wanted, self._run.grid.with_cores_in(wanted), self._id_table, self._tiles)
