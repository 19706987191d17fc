"""Reconciliation alone joins no two objects: what a tile keeps apart, where it looks, stays apart."""

from __future__ import annotations

from random import Random

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import Labels, evidence_of, ids_of, merge_segments
from tiled_volume import cut

from pipeline.apart import joins_to_keep
from pipeline.config import Reconciliation
from pipeline.geometry import Box, triple
from pipeline.reconciliation import IdTable
from pipeline.reconciliation.clashes import concatenate_clashes, stays_apart
from pipeline.reconciliation.conflicts import Conflicts
from pipeline.tile_grid import TileGrid

GRID = TileGrid(Box.of_shape((20, 34, 60)), (20, 20, 28), (0, 6, 12))
ROW = TileGrid(Box.of_shape((20, 20, 60)), (20, 20, 30), (0, 0, 15))
CELL = 9
FEW = Reconciliation(min_overlap_voxels=20)

some_cases = settings(deadline=None, max_examples=25)
SEEDS = st.integers(0, 2**32)


def cells(grid: TileGrid, seed: int) -> np.ndarray:
    """Objects of one piece that fill the volume, each one or some cells large."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, 5, [-(-n // CELL) for n in grid.box.shape])
    fine = coarse.repeat(CELL, 0).repeat(CELL, 1).repeat(CELL, 2)
    return cc3d.connected_components(fine[grid.box.slices()], connectivity=6)


def objects(grid: TileGrid, truth: np.ndarray, labels: Labels, table: IdTable) -> list[set[int]]:
    """Of every merged object the true ones that it holds, where `labels` are each tile's true segments."""
    found: dict[int, set[int]] = {}
    for tile in grid:
        here, ids = truth[tile.box.slices()], ids_of(table, tile.index)
        for local, merged in zip(ids.local_ids.tolist(), ids.global_ids.tolist()):
            found.setdefault(merged, set()).add(int(here[labels[tile.index] == local][0]))
    return list(found.values())


@some_cases
@given(SEEDS, st.floats(0, 0.25), st.integers(0, 2), st.randoms(use_true_random=False))
def test_neither_noise_in_ids_nor_a_dropped_border_joins_two_objects(
    seed: int, noise: float, dropped: int, order: Random
) -> None:
    truth, rng = cells(GRID, seed), np.random.default_rng(seed)
    clean = {tile.index: cut(truth, GRID.box, tile, seed) for tile in GRID}
    labels = {}
    for index, own in clean.items():
        noisy = np.where(rng.random(own.shape) < noise, rng.permuted(own.ravel()).reshape(own.shape), own)
        inside = np.pad(np.ones([n - 2 * dropped for n in own.shape], bool), dropped)
        labels[index] = np.where(inside, noisy, 0).astype(np.uint32)
    evidence = evidence_of(GRID, labels, FEW)
    order.shuffle(evidence)
    merged = merge_segments(evidence, FEW)
    assert all(len(true) == 1 for true in objects(GRID, truth, clean, merged))


@some_cases
@given(SEEDS)
def test_a_tile_that_merges_all_it_has_joins_no_two_segments_of_its_neighbours(seed: int) -> None:
    truth = cells(ROW, seed)
    labels = {tile.index: cut(truth, ROW.box, tile, seed) for tile in ROW}
    labels[1][:] = 1
    seen = FEW.model_copy(update={"keep_apart": "seen"})
    merged = merge_segments(evidence_of(ROW, labels, seen), seen)
    for index in (0, 2):
        ids = ids_of(merged, index).global_ids
        assert len(np.unique(ids)) == len(ids)


@some_cases
@given(SEEDS, st.sampled_from(["never", "most", "seen", "always"]), st.randoms(use_true_random=False))
def test_what_is_to_stay_apart_does_whatever_tiles_have_merged(seed: int, rule: str, order: Random) -> None:
    rules = Reconciliation(min_overlap_voxels=5, min_larger_fraction=0.05).model_copy(
        update={"keep_apart": rule}
    )
    truth = cells(GRID, seed)
    labels = {t.index: (cut(truth, GRID.box, t, seed) + 2) // 3 for t in GRID}  # mergers at random
    evidence = evidence_of(GRID, labels, rules)
    clashes = concatenate_clashes([e.clashes for e in evidence])
    order.shuffle(evidence)
    table = merge_segments(evidence, rules)
    ends = [table.global_of(clashes.keeper, ids) for ids in (clashes.first, clashes.second)]
    assert (ends[0] != ends[1])[stays_apart(clashes, rules)].all()


@pytest.mark.parametrize("fibres", [2, 3])
def test_equal_fibres_merged_in_the_middle_tile_stay_apart_in_the_others(fibres: int) -> None:
    truth = np.ones(ROW.box.shape, np.uint32)
    for number in range(fibres):
        truth[:, number * 20 // fibres :] = number + 1
    labels = {tile.index: cut(truth, ROW.box, tile, seed=3) for tile in ROW}
    labels[1][:] = 1
    evidence = evidence_of(ROW, labels, Reconciliation())
    ids = merge_segments(evidence, Reconciliation())
    for index in (0, 2):
        assert len(set(ids_of(ids, index).global_ids.tolist())) == fibres
    found = Conflicts.of(concatenate_clashes([e.clashes for e in evidence]), ids, np.ones(99, bool))
    assert len(found) == 2 * fibres * (fibres - 1) / 2
    assert not found.is_joined.any()
    point = triple([int(found.columns[axis][0]) for axis in "zyx"])
    around = Box.of_shape((1, 1, 1), point).grow((0, 1, 0)) & ROW.box
    assert len(np.unique(truth[around.slices()])) == 2  # one looks at the seam


@pytest.mark.parametrize(("rule", "objects_there"), [("never", 1), ("most", 1), ("seen", 1), ("always", 2)])
def test_branches_that_meet_out_of_a_tiles_sight_are_joined_and_told(rule: str, objects_there: int) -> None:
    rules = Reconciliation().model_copy(update={"keep_apart": rule})
    truth = np.zeros(ROW.box.shape, np.uint32)
    truth[:, :6] = truth[:, 14:] = 1
    truth[:, :, 35:] = 1
    left = ROW.intersecting(ROW.box)[0]
    labels = {t.index: truth[t.box.slices()].copy() for t in ROW}
    labels[left.index] = cc3d.connected_components(labels[left.index]).astype(np.uint32)
    evidence = evidence_of(ROW, labels, rules)
    ids = merge_segments(evidence, rules)
    found = Conflicts.of(concatenate_clashes([e.clashes for e in evidence]), ids, np.ones(99, bool))
    assert len(set(ids_of(ids, left.index).global_ids.tolist())) == objects_there
    assert found.columns["is_seen"].tolist() == [False]
    assert found.is_joined.tolist() == [objects_there == 1]


@pytest.mark.parametrize(("rule", "joined"), [("never", True), ("most", True), ("seen", False)])
def test_one_tile_that_splits_an_object_is_outvoted(rule: str, joined: bool) -> None:
    """A split in the middle tile is contradicted by both of its neighbours, and they are not."""
    rules = Reconciliation().model_copy(update={"keep_apart": rule})
    labels = {t.index: np.ones(t.box.shape, np.uint32) for t in ROW}
    labels[1][:, 10:] = 2
    ids = merge_segments(evidence_of(ROW, labels, rules), rules)
    assert (len(np.unique(ids.global_ids)) == 1) is joined


def test_of_a_chain_the_weakest_join_is_left_out() -> None:
    a, b = np.array([0, 1, 2]), np.array([1, 2, 3])
    for strength, made in (([9, 5, 7], [True, False, True]), ([5, 5, 5], [True, True, False])):
        kept = joins_to_keep(a, b, np.array(strength), np.array([[0, 3]]))
        assert kept.tolist() == made


@some_cases
@given(st.data())
def test_joins_are_those_that_a_slow_search_makes(data: st.DataObject) -> None:
    nodes = st.integers(0, 9)
    edges = data.draw(st.lists(st.tuples(nodes, nodes, st.integers(1, 3)), min_size=1, max_size=20))
    apart = data.draw(st.lists(st.tuples(nodes, nodes).filter(lambda p: p[0] != p[1]), max_size=6))
    a, b, strength = np.array(edges).T
    group = {n: {n} for n in range(10)}
    expected = {}
    order = sorted(range(len(edges)), key=lambda i: (-strength[i], *sorted(edges[i][:2])))
    for i in order:
        union = group[edges[i][0]] | group[edges[i][1]]
        expected[i] = not any({*pair} <= union for pair in apart)
        if expected[i]:
            group.update(dict.fromkeys(union, union))
    kept = joins_to_keep(a, b, strength, np.array(apart).reshape(-1, 2))
    assert kept.tolist() == [expected[i] for i in range(len(edges))]
