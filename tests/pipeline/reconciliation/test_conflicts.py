"""Contradictions between tiles, through files: counted in the outcome, listed with a place."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from tiled_volume import cut, make_run, merged, write_tile

from pipeline.geometry import Box, triple
from pipeline.reconciliation import find_evidence, list_conflicts
from pipeline.reconciliation.evidence import read_evidence, seen_by
from pipeline.reconciliation.id_table import read_tile_ids
from pipeline.reconciliation.outcome import Outcome, read_outcome
from pipeline.results.tile_labels import read_labels
from pipeline.viewing.worst_points import conflict_points

BOX = Box((5, 6, 7), (25, 26, 67))


def test_a_merger_in_one_tile_is_listed_with_the_ids_that_it_did_not_join(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (20, 20, 30), (0, 0, 15), min_overlap_voxels=50)
    truth = np.ones(BOX.shape, np.uint32)
    truth[:, 9:] = 2
    labels = {t.index: cut(truth, BOX, t, seed=3) for t in run.grid}
    labels[1][:] = 1
    tiles = {t.index: write_tile(run, t, labels[t.index]) for t in run.grid}
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    listed = list_conflicts(run, merged(run, evidence[::-1]))
    found = json.loads(Path(listed.path).read_text())
    assert (found["conflicts"], found["joined"], found["voxel_size_nm"]) == (2, 0, [40, 8, 4])
    assert [row["kind"] for row in found["worst"]] == ["kept apart"] * 2
    for row, at_x in zip(found["worst"], (range(22, 37), range(37, 52))):
        z, y, x = row["point"]
        assert truth[z - 5, y - 6, x - 7] == 1  # the smaller one, beside the other
        assert truth[z - 5, y - 5, x - 7] == 2
        assert x in at_x
        assert len(set(row["segments"])) == 2
        assert row["voxels"] == 20 * 9 * 15
    outcome = read_outcome(run)
    assert outcome is not None
    assert (outcome.conflicts, outcome.joined) == (2, 0)
    assert (
        outcome.describe_conflicts() == "2 places where tiles contradict each other: 2 kept apart, 0 joined"
    )
    shown = conflict_points(run.conflicts_file)
    assert [point["point"] for point in shown] == [triple(row["point"]) for row in found["worst"]]


@pytest.mark.parametrize("seed", range(2))
def test_ids_that_are_nowhere_in_the_volume_are_told_and_points_lie_on_what_it_has(
    tmp_path: Path, seed: int
) -> None:
    """Of what lies in overlaps alone, outside the tile's core, the volume has what another tile has there."""
    run = make_run(tmp_path, BOX, (20, 20, 20), (0, 0, 10), min_overlap_voxels=5)
    seeds = np.random.default_rng(seed).uniform(0, BOX.shape, (300, 3))
    truth = 1 + cKDTree(seeds).query(np.argwhere(np.ones(BOX.shape)))[1].reshape(BOX.shape)
    tiles = {t.index: write_tile(run, t, (cut(truth, BOX, t, seed) + 1) // 2) for t in run.grid}
    table = merged(run, [find_evidence(run, tile, tiles) for tile in run.grid])
    found = json.loads(Path(list_conflicts(run, table).path).read_text())
    volume = np.zeros(BOX.shape, np.uint64)
    for tile in run.grid:
        labels = read_labels(tile, tiles[tile.index], tile.core)
        volume[tile.core.slices(BOX.start)] = read_tile_ids(table, tile.index).to_global(labels)
    there, gone = set(volume[volume != 0].tolist()), 0
    for row in found["worst"]:
        named, _, lacking = row["what"].rpartition(": ")[2].partition("; of ")
        ids = [int(i) for i in re.findall(r"\d+", named)]
        assert row["segments"] == [i for i in ids if i in there]
        assert re.findall(r"\d+", lacking) == [str(i) for i in ids if i not in there]
        gone += not there.issuperset(ids[: 1 if row["kind"] == "joined" else 2])
        z, y, x = np.subtract(row["point"], BOX.start)  # no third tile has a core there
        assert volume[z, y, x] in row["segments"]
    assert 0 < gone == found["without_voxels"] < found["conflicts"] <= 1000


def test_a_tile_is_compared_anew_where_its_core_is_another(tmp_path: Path) -> None:
    """The last tile along an axis ends with the box: where only the box's start moves, its core does."""
    start, stop = (0, 0, 0), (20, 20, 70)
    wide, narrow = (make_run(tmp_path, Box((*start[:2], x), stop), (20, 20, 40), (0, 0, 10)) for x in (0, 10))
    (_, last), (_, moved) = wide.grid, narrow.grid
    assert (last.box, last.core.start[2], moved.box, moved.core.start[2]) == (moved.box, 35, last.box, 40)
    labels = np.ones(last.box.shape, np.uint32)
    labels[:, :, 37 - last.box.start[2] :] = 2
    for run, has_first in ((wide, True), (narrow, False)):
        tiles = {last.index: write_tile(run, last, labels)}
        assert read_evidence(find_evidence(run, [*run.grid][1], tiles)).in_core.tolist() == [has_first, True]


def test_without_contradictions_there_are_none(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (20, 20, 30), (0, 0, 15))
    tiles = {t.index: write_tile(run, t, np.ones(t.box.shape, np.uint32)) for t in run.grid}
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    found = json.loads(Path(list_conflicts(run, merged(run, evidence)).path).read_text())
    assert (found["conflicts"], found["worst"]) == (0, [])
    assert read_outcome(run) == Outcome(1, 3 * 20 * 20 * 30, 3 * 20 * 20 * 30)


def test_a_tile_sees_no_closer_to_its_neighbours_than_half_a_fov(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (20, 20, 30), (0, 0, 15))
    assert [str(seen_by(run, tile)) for tile in run.grid] == [
        "5:25,6:26,7:36",
        "5:25,6:26,23:51",
        "5:25,6:26,38:67",
    ]
    unreflected = run.config.inference.model_copy(update={"reflect": False})
    run = replace(run, config=run.config.model_copy(update={"inference": unreflected}))
    assert str(seen_by(run, next(iter(run.grid)))) == "6:24,7:25,8:36"


@pytest.mark.parametrize("fov", [33, 25, 23])
def test_what_no_tile_could_see_is_out_of_sight_however_short_the_overlap(tmp_path: Path, fov: int) -> None:
    """Two tiles share 12 voxels; by a FOV of 23 one of them is in sight of the first, by larger ones none."""
    box = Box((5, 6, 7), (38, 39, 95))
    run = make_run(tmp_path, box, (33, 33, 50), (0, 0, 12), min_overlap_voxels=50)
    network = run.config.network.model_copy(update={"fov": (33, 33, fov)})
    run = replace(run, config=run.config.model_copy(update={"network": network}))
    first, last = run.grid
    labels = {tile.index: np.ones(tile.box.shape, np.uint32) for tile in run.grid}
    labels[first.index][:, 16:] = 2
    tiles = {tile.index: write_tile(run, tile, labels[tile.index]) for tile in run.grid}
    assert (first.box & last.box).shape[2] == 12
    clashes = read_evidence(find_evidence(run, first, tiles)).clashes
    assert clashes.is_seen.tolist() == [fov == 23]
