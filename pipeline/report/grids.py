"""Which results are of the tiles, blocks and networks that a run has now: others stay beside them when these
change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import agglomeration, evaluation, reconciliation
from pipeline.reconciliation.shapes.cells import CellGrid
from pipeline.run_folder import Run

OF_FILES = {
    *("infer", "consensus", "evidence", "join"),
    *("train", "import checkpoint", "infer to try", "score try"),
}
"""Recipes of which each tile, group of tiles or network has a file, with its name."""

OF_CELLS = {"mesh", "trace"}
"""Those of which each cell has one, and names its grid."""

OF_SHARDS = {"mesh shard", "skeletons shard"}
"""Those that have a number."""

OF_BLOCKS = {"write", "measure", "downsample", "points", "resegment", "count", "count uncorrected"}
"""Those of which each block of the segmentation has one."""


class Grids:
    """The tiles of a run, in all passes, its networks and those that it tries, and the blocks in which its
    volume is written and scored."""

    def __init__(self, run: Run) -> None:
        self._files = {one.tile_file(tile).name for one, tile in run.floods}
        for tile in run.grid:
            self._files |= {run.segmented_file(tile).name, f"{tile.name}.evidence.h5"}
        self._files |= {f"{group[0]:07d}.h5" for group in reconciliation.groups(run)}
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
        cells = CellGrid.of(run)
        self._cells = str(cells.box), list(cells.side)
        self._shards = reconciliation.count_shards(run)

    def have(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, with the name of its `file`, is of one of them, or of the whole."""
        if record["stage"] in OF_FILES:
            return record["file"] in self._files
        settings = record["settings"]
        if record["stage"] in OF_CELLS:
            return (settings["box"], list(settings["side"])) == self._cells
        if record["stage"] in OF_SHARDS:
            return bool(settings["number"] < self._shards)
        return record["stage"] not in OF_BLOCKS or settings.get("block") in self._blocks
