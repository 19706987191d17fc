"""The merge by groups of tiles gives what a merge of all evidence at once gives, byte for byte."""

from __future__ import annotations

from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import evidence_of
from merged_at_once import merge_whole
from test_merge import grids, random_labels
from test_reconciliation_stage import known_segmentation, segment
from tiled_volume import cut, make_run, merged, write_tile

from pipeline.config import Reconciliation
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.reconciliation import find_evidence, gather, groups, merge, merge_groups
from pipeline.reconciliation import group as grouping
from pipeline.reconciliation.conflicts import Conflicts
from pipeline.reconciliation.evidence import read_evidence
from pipeline.reconciliation.group import gathered, read_group
from pipeline.reconciliation.merge import ids_in_volume
from pipeline.tile_grid import TileGrid

RULES = st.sampled_from(["never", "most", "seen", "always"])
BOX = Box((3, 5, 7), (43, 45, 37))


@settings(deadline=None, max_examples=60)
@given(grids(), st.integers(0, 2**32), st.integers(1, 4), RULES, st.integers(1, 9), st.randoms())
def test_any_grouping_and_order_gives_the_same_table_and_conflicts(
    grid: TileGrid, seed: int, mergers: int, rule: str, most: int, random: Random
) -> None:
    rules = Reconciliation(min_overlap_voxels=1, min_overlap_fraction=0.1, min_larger_fraction=0.05)
    rules = rules.model_copy(update={"keep_apart": rule})
    truth = random_labels(grid.box.shape, seed, 9)
    labels = {t.index: (cut(truth, grid.box, t, seed) + mergers - 1) // mergers for t in grid}
    evidence = evidence_of(grid, labels, rules)
    expected = merge_whole(evidence, rules)
    random.shuffle(evidence)
    of = {e.tile: random.randrange(most) for e in evidence}
    made = [gathered([e for e in evidence if of[e.tile] == group], rules) for group in set(of.values())]
    random.shuffle(made)
    table, clashes = merge_groups(made, rules)
    for column in ("offsets", "local_ids", "global_ids"):
        np.testing.assert_array_equal(getattr(table, column), getattr(expected, column), strict=True)
    whole = [gathered(evidence, rules)]
    found = Conflicts.of(clashes, table, ids_in_volume(made, table)).columns
    wanted = Conflicts.of(merge_groups(whole, rules)[1], expected, ids_in_volume(whole, expected)).columns
    for column, values in wanted.items():
        np.testing.assert_array_equal(found[column], values, strict=True)


def test_objects_of_several_groups_are_taken_apart_where_the_rule_says_so() -> None:
    """The law above is of little worth where no chain is ever cut."""
    cuts = 0
    for seed in range(20):
        grid = TileGrid(Box.of_shape((12, 12, 40)), (12, 12, 10), (0, 0, 5))
        rules = Reconciliation(min_overlap_voxels=1, min_larger_fraction=0.05)
        truth = random_labels(grid.box.shape, seed, 9)
        labels = {t.index: (cut(truth, grid.box, t, seed) + 1) // 2 for t in grid}
        evidence = evidence_of(grid, labels, rules)
        made = [gathered(evidence[::2], rules), gathered(evidence[1::2], rules)]
        joined = merge_groups(made, rules.model_copy(update={"keep_apart": "never"}))[0]
        apart = merge_groups(made, rules.model_copy(update={"keep_apart": "always"}))[0]
        cuts += int(apart.global_ids.max()) > int(joined.global_ids.max())
    assert cuts > 5


@pytest.mark.parametrize("group", [(1, 1, 1), (1, 2, 3)])
def test_any_size_of_groups_gives_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: tuple[int, int, int]
) -> None:
    truth = known_segmentation(BOX.shape)
    run = make_run(tmp_path, BOX, (16, 16, 16), (6, 6, 6))
    tiles = {t.index: write_tile(run, t, (cut(truth, BOX, t, 1) + 1) // 2) for t in run.grid}
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    assert len(groups(run)) == 1
    expected = merged(run, evidence)
    with h5py.File(expected.path) as file:
        assert file.attrs["conflicts"] > 0
        whole = merge_whole([read_evidence(e) for e in evidence], run.config.reconciliation)
        np.testing.assert_array_equal(file["global_ids"][:], whole.global_ids)
    run.id_table_file.unlink()
    monkeypatch.setattr(grouping, "GROUP", group)
    assert len(groups(run)) > 1
    assert merged(run, evidence).sha256 == expected.sha256


def test_every_tile_is_in_one_group_near_those_of_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path, Box.of_shape((40, 90, 90)), (8, 8, 8), (2, 2, 2))
    found = groups(run)
    assert sorted(index for group in found for index in group) == list(range(len(run.grid)))
    assert len(found) == grouping.count_groups(run) == 1 * 2 * 2
    tiles = list(run.grid)
    for group in found:
        starts = [tiles[index].box.start for index in group]
        assert all(max(axis) - min(axis) <= 7 * 6 for axis in zip(*starts))


def test_a_group_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (24, 24, 30), (4, 4, 4))
    tiles = segment(run, known_segmentation(BOX.shape))
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    made = gather(run, groups(run)[0], evidence)
    kept = read_group(made)
    Path(made.path).write_bytes(b"torn")
    for read in (lambda: merge(run, [made]), kept.inside):
        with pytest.raises(InputError, match=r"cannot read joins .*0000000\.h5: .* the run makes it again"):
            read()


def test_evidence_of_a_tile_in_two_groups_is_refused() -> None:
    grid = TileGrid(Box.of_shape((4, 4, 9)), (4, 4, 4), (0, 0, 1))
    rules = Reconciliation(min_overlap_voxels=1)
    evidence = evidence_of(grid, {t.index: np.ones(t.box.shape, np.uint32) for t in grid}, rules)
    made = [gathered(evidence[:2], rules), gathered(evidence[1:], rules)]
    with pytest.raises(InputError, match=r"tiles \[0, 1, 1, 2\]; expected each tile once"):
        merge_groups(made, rules)
