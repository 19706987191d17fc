"""Joins and cuts of points, through files: tiles that fill a line, and a volume that is written anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiled_volume import make_run, write_tile

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.reconciliation import (
    AssembledVolume,
    correct,
    find_evidence,
    gather,
    groups,
    list_corrections,
    merge,
    tiles_corrected,
)
from pipeline.reconciliation.outcome import read_outcome
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities

BOX = Box((5, 6, 7), (25, 26, 67))
HEADER = "kind,z1,y1,x1,z2,y2,x2\n"
Tiles = dict[int, Artifact]


def three_tiles(folder: Path, corrections: str) -> tuple[Run, Tiles]:
    """Cores from x 7 to 29, to 44, to 67. At y below 16 one object, in the last tile in two pieces that share
    less; beside it another; blank at y 25."""
    run = make_run(folder, BOX, (20, 20, 30), (0, 0, 15), min_overlap_voxels=50)
    (folder / "corrections.csv").write_text(HEADER + corrections)
    reconciliation = run.config.reconciliation.model_copy(
        update={"corrections": str(folder / "corrections.csv")}
    )
    run = with_identities(
        replace(run, config=run.config.model_copy(update={"reconciliation": reconciliation}))
    )
    tiles = {}
    for tile in run.grid:
        labels = np.full(tile.box.shape, 2, np.uint32)
        labels[:, :10] = 1
        labels[:, 19] = 0
        if tile.index == 2:
            labels[:12, :10] = 3
        tiles[tile.index] = write_tile(run, tile, labels)
    return run, tiles


def corrected(run: Run, tiles: Tiles) -> tuple[Artifact, Artifact, dict]:
    """The id tables before and after, and what became of each correction."""
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    made = [gather(run, group, [evidence[i] for i in group]) for group in groups(run)]
    before = merge(run, made)
    seen = {tile.index: tiles[tile.index] for tile in tiles_corrected(run)}
    after = correct(run, before, made, seen)
    return before, after, json.loads(Path(list_corrections(run, after).path).read_text())


def test_what_became_of_each_correction_is_in_the_list_and_in_the_volume(tmp_path: Path) -> None:
    run, tiles = three_tiles(
        tmp_path,
        "cut,6,7,8,6,7,66\njoin,6,7,66,6,20,8\ncut,6,7,8,7,7,9\njoin,6,7,8,6,25,8\ncut,6,7,8,99,7,8\n"
        "join,6,7,8,6,7,40\ncut,6,7,8,6,20,40\n",
    )
    before, after, said = corrected(run, tiles)
    rows = said["corrections"]
    assert [row["became"] for row in rows] == [
        *("cut", "joined", "one_tile_segment", "blank", "outside", "one_already", "apart_already")
    ]
    assert [row["where"] for row in rows] == [f"line {n}" for n in range(2, 9)]
    assert said["counts"] == dict.fromkeys((row["became"] for row in rows), 1)
    assert [row["why_not"] is not None for row in rows] == [False, False, True, True, True, False, False]
    first, second = (AssembledVolume(run, table, tiles).read(BOX) for table in (before, after))
    for point, ids in ((row["points"][0], (row["segments_before"][0], row["segments"][0])) for row in rows):
        z, y, x = (p - o for p, o in zip(point, BOX.start))
        assert (first[z, y, x], second[z, y, x]) == ids
    assert first[0, 0, 0] == first[0, 0, -1] != first[0, 15, 0]
    assert second[0, 0, 0] != second[0, 0, -1] == second[0, 15, 0]
    assert second[0, 0, 0] == first[0, 0, 0]
    assert set(np.unique(second)) == {0, *np.unique(second[second != 0])}
    assert ((first == 0) == (second == 0)).all()


def test_a_cut_goes_where_tiles_share_the_fewest_voxels(tmp_path: Path) -> None:
    run, tiles = three_tiles(tmp_path, "cut,24,7,8,24,7,66\n")
    before, after, said = corrected(run, tiles)
    [row] = said["corrections"]
    assert row["segments_before"][0] == row["segments_before"][1]
    second = AssembledVolume(run, after, tiles).read(BOX)
    assert (second[-1, 0] == np.where(np.arange(60) < 44 - 7, *row["segments"])).all()
    assert Path(before.path).read_bytes() != Path(after.path).read_bytes()


def test_the_outcome_is_that_of_the_corrected_segmentation(tmp_path: Path) -> None:
    run, tiles = three_tiles(tmp_path, "join,6,7,8,6,20,8\n")
    corrected(run, tiles)
    plain = run.config.reconciliation.model_copy(update={"corrections": None})
    found = [
        read_outcome(replace(run, config=run.config.model_copy(update={"reconciliation": r})))
        for r in (plain, run.config.reconciliation)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[1].segments == found[0].segments - 1
    assert found[1].voxels == found[0].voxels
    assert found[1].largest > found[0].largest


def test_corrections_do_not_depend_on_tiles_where_no_point_lies(tmp_path: Path) -> None:
    run, _ = three_tiles(tmp_path, "join,6,7,8,6,20,8\ncut,999,7,8,6,7,66\n")
    assert [tile.index for tile in tiles_corrected(run)] == [0, 2]


def test_a_file_that_is_edited_while_the_run_is_at_work_is_refused(tmp_path: Path) -> None:
    run, _ = three_tiles(tmp_path, "join,6,7,8,6,20,8\n")
    (tmp_path / "corrections.csv").write_text(HEADER)
    with pytest.raises(InputError, match=r"corrections.csv was edited since the run began: run the same"):
        tiles_corrected(run)


def test_a_file_without_corrections_changes_no_id(tmp_path: Path) -> None:
    run, tiles = three_tiles(tmp_path, "")
    before, after, said = corrected(run, tiles)
    assert said["corrections"] == []
    first, second = (AssembledVolume(run, table, tiles).read(BOX) for table in (before, after))
    assert (first == second).all()


def test_where_nothing_is_segmented_each_correction_is_told_as_on_no_segment(tmp_path: Path) -> None:
    run, tiles = three_tiles(tmp_path, "join,6,7,8,6,7,66\ncut,6,7,8,7,7,9\n")
    tiles = {tile.index: write_tile(run, tile, np.zeros(tile.box.shape, np.uint32)) for tile in run.grid}
    _, _, said = corrected(run, tiles)
    assert [(row["became"], row["segments"]) for row in said["corrections"]] == [("blank", [0, 0])] * 2
