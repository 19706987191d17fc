"""What came out is counted over all tiles, and a result that can hardly be right is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Reconciliation, RunConfig
from pipeline.reconciliation.clashes import clash_table
from pipeline.reconciliation.conflicts import Conflicts
from pipeline.reconciliation.evidence import TileEvidence
from pipeline.reconciliation.group import Group, gathered
from pipeline.reconciliation.id_table import IdTable
from pipeline.reconciliation.merge import sizes_of
from pipeline.reconciliation.outcome import Outcome, read_outcome
from pipeline.reconciliation.overlap import concatenate
from pipeline.reconciliation.segments import Segments, as_properties, count_in_volume
from pipeline.reconciliation.write import PROPERTIES
from pipeline.results.parts import put
from pipeline.run_folder import Run

sizes = st.lists(st.lists(st.integers(1, 10**12), max_size=4), max_size=5)


def group_of(index: int, voxels: list[int]) -> Group:
    """A tile for itself, with segments of these sizes."""
    ids, none = np.arange(1, len(voxels) + 1, dtype=np.uint32), np.zeros(0)
    own = TileEvidence(index, ids, np.array(voxels, np.int64), ids > 0, none, concatenate([]))
    return gathered([own], Reconciliation())


@given(sizes, st.data())
def test_segments_are_added_up_over_all_tiles(voxels: list[list[int]], data: st.DataObject) -> None:
    counts = np.array([len(v) for v in voxels], np.int64)
    flat = [n for tile in voxels for n in tile]
    ids = data.draw(st.lists(st.integers(1, 3), min_size=len(flat), max_size=len(flat)))
    offsets = np.cumsum([0, *counts])
    table = IdTable(offsets, np.zeros(len(flat), np.uint32), np.array(ids, np.uint64))
    totals = {i: sum(n for n, own in zip(flat, ids) if own == i) for i in set(ids)}
    none = Conflicts.of(clash_table(), table, np.zeros(0, bool))
    groups = [group_of(index, tile) for index, tile in enumerate(voxels)]
    assert Outcome.of(sizes_of(groups[::-1], table), none) == Outcome(
        len(totals), sum(flat), max(totals.values(), default=0)
    )


@pytest.mark.parametrize("most", [2, 3, 10])
def test_segments_are_told_as_many_as_the_volume_has(tmp_path: Path, most: int) -> None:
    run, outcome = Run(tmp_path, RunConfig()), Outcome(1234, 900, 300)
    assert count_in_volume(run) is None
    assert outcome.describe(1000, None).startswith("up to 1,234 segments over 90% of the tiles' voxels")
    ids, ends = np.array([3, 7, 2**63], np.uint64), np.ones((3, 3), np.int64)
    listed = as_properties(Segments(ids, np.array([5, 6, 7]), ends, ends + 1), most)
    put(run.volume, f"{PROPERTIES}/info", json.dumps(listed).encode())
    assert count_in_volume(run) == 3
    # the other ones of tiles lie in overlaps alone, where the volume has another tile
    assert outcome.describe(1000, 3).startswith("3 segments over 90%")


@pytest.mark.parametrize(
    ("outcome", "doubt"),
    [
        (Outcome(0, 0, 0), "nothing was segmented"),
        (Outcome(3, 40, 20), "only 4.0% of the voxels are segmented"),
        (Outcome(9, 900, 800), "one segment holds 89% of what is segmented"),
        (Outcome(1, 999, 999), "all that is segmented is one segment"),
        (Outcome(9, 900, 300), ""),
    ],
)
def test_a_blank_result_and_one_segment_are_doubted(outcome: Outcome, doubt: str) -> None:
    said = outcome.doubts(1000)
    assert [doubt in line for line in said] == ([True] if doubt else [])


def test_before_the_merge_there_is_no_outcome(tmp_path: Path) -> None:
    assert read_outcome(Run(tmp_path, RunConfig())) is None
