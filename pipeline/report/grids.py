"""Which results are of the tiles and blocks that a run has now: others stay beside them when these change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import agglomeration, evaluation, reconciliation
from pipeline.run_folder import Run

OF_TILES = {"infer", "consensus", "evidence"}
"""Recipes of which each tile has a file, with its name."""

OF_BLOCKS = {"write", "measure", "downsample", "points", "resegment", "count", "count uncorrected"}
"""Those of which each block of the segmentation has one."""


class Grids:
    """The tiles of a run, in all passes, and the blocks in which its volume is written and scored."""

    def __init__(self, run: Run) -> None:
        self._files = {one.tile_file(tile).name for one, tile in run.floods}
        for tile in run.grid:
            self._files |= {run.segmented_file(tile).name, f"{tile.name}.evidence.h5"}
        blocks = [*reconciliation.blocks(run), *agglomeration.blocks(run)]
        for level in reconciliation.levels(run)[1:]:
            blocks += reconciliation.level_blocks(run, level)
        if run.config.evaluation.box is not None:
            blocks += evaluation.blocks(run)
        self._blocks = set(map(str, blocks))

    def have(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, with the name of its `file`, is of one of them, or of the whole."""
        if record["stage"] in OF_TILES:
            return record["file"] in self._files
        return record["stage"] not in OF_BLOCKS or record["settings"].get("block") in self._blocks
