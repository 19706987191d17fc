"""Count a block as it was before a person's corrections, so that what they change is scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.evaluation.stage import counting, counts_name, reach, write_counts
from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact, Target, combined
from pipeline.results.folders import place
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import Volume


def uncorrected_target(run: Run, block: Box, id_table: Artifact, tiles: Mapping[int, Artifact]) -> Target:
    """The file of one block's counts before corrections; arguments as for `count_uncorrected`."""
    read = [tiles[tile.index] for tile in run.grid.with_cores_in(reach(run, block))]
    recipe = counting(run, block, "count uncorrected", {"id table": id_table.sha256, "tiles": combined(read)})
    return Target(place(run.folder / "evaluation" / "uncorrected", block.start, counts_name(block)), recipe)


def count_uncorrected(
    run: Run, block: Box, id_table: Artifact, tiles: Mapping[int, Artifact], segmentation: Volume
) -> Artifact:
    """As `count_block`, of the segmentation that is made of `tiles` by the `id_table` of the merge.

    `tiles` are those whose cores meet `reach(run, block)`. Raises InputError as `count_block` does.
    """

    def write(path: Path) -> None:
        write_counts(run, block, segmentation, path)

    return make(uncorrected_target(run, block, id_table, tiles), write)
