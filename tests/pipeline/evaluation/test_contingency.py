"""Contingency tables count every voxel once, however the voxels are cut."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.evaluation import ContingencyTable, contingency

SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=6)
IDS = st.sampled_from([0, 1, 2, 3, 2**40, 2**64 - 1])


@st.composite
def volume_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(SHAPES)
    truth = draw(hnp.arrays(np.uint64, shape, elements=IDS))
    return truth, draw(hnp.arrays(np.uint64, shape, elements=IDS))


def rows(table: ContingencyTable) -> list[tuple[int, int, int]]:
    return list(zip(table.truth.tolist(), table.segmentation.tolist(), table.voxels.tolist()))


@given(volumes=volume_pairs())
def test_a_table_counts_pairs_in_order_of_ids(volumes: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = volumes
    expected = Counter(zip(truth.ravel().tolist(), segmentation.ravel().tolist()))
    table = ContingencyTable.count(truth, segmentation)
    assert rows(table) == [(*pair, n) for pair, n in sorted(expected.items())]
    assert table.total_voxels == truth.size


@given(volumes=volume_pairs(), data=st.data())
def test_tables_of_any_partition_add_up_to_the_table_of_the_whole(
    volumes: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    truth, segmentation = volumes
    part = data.draw(hnp.arrays(np.int8, truth.shape, elements=st.integers(0, 3)))
    order = data.draw(st.permutations(range(4)))
    parts = [ContingencyTable.count(truth[part == i], segmentation[part == i]) for i in order]
    assert rows(ContingencyTable.total(parts)) == rows(ContingencyTable.count(truth, segmentation))


def test_slabs_that_cut_a_run_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.random.default_rng(1).integers(0, 3, (5, 7, 11))
    whole = ContingencyTable.count(truth, truth // 2)
    monkeypatch.setattr(contingency, "SLAB_VOXELS", 10)
    assert rows(ContingencyTable.count(truth, truth // 2)) == rows(whole)


@given(volumes=volume_pairs())
def test_sizes_are_those_of_the_segments(volumes: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = volumes
    table = ContingencyTable.count(truth, segmentation)
    assert table.truth_sizes.tolist() == np.unique(truth, return_counts=True)[1].tolist()
    assert table.segmentation_sizes.tolist() == np.unique(segmentation, return_counts=True)[1].tolist()


@given(volumes=volume_pairs())
def test_parts_leave_out_the_background(volumes: tuple[np.ndarray, np.ndarray]) -> None:
    truth, segmentation = volumes
    table = ContingencyTable.count(truth, segmentation)
    labelled, segmented = truth != 0, segmentation != 0
    assert rows(table.labelled) == rows(ContingencyTable.count(truth[labelled], segmentation[labelled]))
    assert rows(table.segmented) == rows(ContingencyTable.count(truth[segmented], segmentation[segmented]))


def test_dtypes_do_not_matter() -> None:
    truth = np.random.default_rng(1).integers(0, 5, (4, 4, 4))
    expected = rows(ContingencyTable.count(truth, truth))
    for dtype in (np.uint8, np.int32, np.uint64):
        assert rows(ContingencyTable.count(truth.astype(dtype), truth)) == expected


def test_arrays_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        ContingencyTable.count(np.zeros((2, 3, 4), int), np.zeros((4, 3, 2), int))
