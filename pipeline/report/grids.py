"""Which results are of the tiles, blocks and networks that a run has now: others stay beside them when these
change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import agglomeration, evaluation, reconciliation
from pipeline.run_folder import Run

OF_FILES = {"infer", "consensus", "evidence", "train", "import checkpoint", "infer to try", "score try"}
"""Recipes of which each tile, or each network, has a file, with its name."""

OF_BLOCKS = {"write", "measure", "downsample", "points", "resegment", "count", "count uncorrected"}
"""Those of which each block of the segmentation has one."""


class Grids:
    """The tiles of a run, in all passes, its networks and those that it tries, and the blocks in which its
    volume is written and scored."""

    def __init__(self, run: Run) -> None:
        self._files = {one.tile_file(tile).name for one, tile in run.floods}
        for tile in run.grid:
            self._files |= {run.segmented_file(tile).name, f"{tile.name}.evidence.h5"}
        self._files |= {one.model_file.name for one in (run, *run.passes)}
        self._files |= {run.candidate_file(fovs).name for fovs in run.config.training.tried_after}
        for one in run.trials:
            self._files |= {one.try_file.name, *(one.tile_file(tile).name for tile in one.grid)}
        blocks = [*reconciliation.blocks(run), *agglomeration.blocks(run)]
        for level in reconciliation.levels(run)[1:]:
            blocks += reconciliation.level_blocks(run, level)
        if run.config.evaluation.box is not None:
            blocks += evaluation.blocks(run)
        self._blocks = set(map(str, blocks))

    def have(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, with the name of its `file`, is of one of them, or of the whole."""
        if record["stage"] in OF_FILES:
            return record["file"] in self._files
        return record["stage"] not in OF_BLOCKS or record["settings"].get("block") in self._blocks
