"""Expected run length by its definition, and by the golden case of another program."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.nodes import ids_at
from pipeline.evaluation.run_length import expected_run_length
from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.evaluation.skeletons import Skeletons
from pipeline.geometry import Box
from pipeline.volumes import open_volume


def line(name: str, nodes: int, y: float = 0) -> tuple[str, np.ndarray, np.ndarray]:
    """A straight skeleton along x with a node every nm."""
    x = np.arange(nodes)
    return name, np.stack([0 * x, y + 0 * x, x], axis=1), np.stack([x[:-1], x[1:]], axis=1)


def test_the_golden_case_has_the_lengths_of_the_other_program(erl_case: Path) -> None:
    skeletons = read_skeletons(erl_case / "gt_graph.npz")
    ids = {
        name: ids_at(open_volume(f"{erl_case / name}.h5:main"), skeletons, (30, 30, 30))
        for name in ("vol_gt", "vol_pred")
    }
    perfect = expected_run_length(skeletons, ids["vol_gt"])
    assert perfect.erl_nm == pytest.approx(4166.8127, abs=1e-4)
    assert (perfect.nerl, perfect.splits, perfect.mergers, perfect.omitted) == (1, 0, 0, 0)
    found = expected_run_length(skeletons, ids["vol_pred"])
    assert found.erl_nm == pytest.approx(2952.0161, abs=1e-4)
    assert found.nerl == pytest.approx(0.7085, abs=1e-4)
    mask = open_volume(f"{erl_case / 'vol_no-mask.h5'}:main")
    segments = open_volume(f"{erl_case / 'vol_pred.h5'}:main").read(mask.box)
    banned = np.unique(segments[mask.read(mask.box) != 0])
    masked = expected_run_length(skeletons, ids["vol_pred"], not_allowed=[int(i) for i in banned if i])
    assert masked.erl_nm == pytest.approx(1170.1865, abs=1e-4)
    assert masked.nerl == pytest.approx(0.2808, abs=1e-4)
    assert masked.mergers == 1


def test_a_split_counts_both_parts_and_loses_the_edge_between() -> None:
    skeletons = Skeletons.of([line("a", 11)])
    found = expected_run_length(skeletons, np.array([1] * 6 + [2] * 5, np.uint64))
    assert found.erl_nm == pytest.approx((5**2 + 4**2) / 10)
    assert (found.splits, found.omitted, found.mergers) == (1, 0, 0)


def test_what_is_not_segmented_is_omitted() -> None:
    found = expected_run_length(Skeletons.of([line("a", 11)]), np.array([1] * 5 + [0] + [1] * 5))
    assert found.erl_nm == pytest.approx((4 + 4) ** 2 / 10)  # contiguous or not, as the golden case counts
    assert (found.splits, found.omitted) == (0, 2)


def test_a_merger_counts_for_nothing_and_its_threshold_is_in_nodes() -> None:
    skeletons = Skeletons.of([line("a", 11), line("b", 11, y=50)])
    segments = np.array([7] * 11 + [8] * 9 + [7] * 2, np.uint64)
    found = expected_run_length(skeletons, segments)
    assert found.erl_nm == pytest.approx(8**2 / 20)
    assert (found.mergers, found.merged_skeletons) == (1, 2)
    lenient = expected_run_length(skeletons, segments, merge_threshold_nodes=2)
    assert lenient.erl_nm == pytest.approx((10**2 + 8**2 + 1) / 20)
    assert lenient.mergers == 0


def test_ids_of_64_bits_are_told_apart() -> None:
    large = np.array([2**63 + 1, 2**63 + 1, 2**63 + 2, 2**63 + 2], np.uint64)
    found = expected_run_length(Skeletons.of([line("a", 4)]), large)
    assert found.splits == 1
    assert found.erl_nm == pytest.approx(2 / 3)


@given(st.lists(st.integers(0, 4), min_size=20, max_size=20), st.integers(0, 3))
def test_run_lengths_are_what_the_definition_says(ids: list[int], threshold: int) -> None:
    """Slow and by the words of the definition: two skeletons, loops over segments."""
    skeletons = Skeletons.of([line("a", 12), line("b", 8, y=9)])
    segments, expected = np.array(ids), 0.0
    nodes = {i: [np.sum((segments == i) & (skeletons.owner == s)) for s in (0, 1)] for i in range(1, 5)}
    for i, (in_a, in_b) in nodes.items():
        if in_a > threshold and in_b > threshold:
            continue
        for part in (ids[:12], ids[12:]):
            run = sum(a == b == i for a, b in pairwise(part))
            expected += run**2 / 18
    found = expected_run_length(skeletons, segments, threshold)
    assert found.erl_nm == pytest.approx(expected)
    assert found.perfect_erl_nm == pytest.approx((11**2 + 7**2) / 18)
    assert found.mergers == sum(min(pair) > threshold for pair in nodes.values())


def test_ids_are_those_of_the_voxel_that_a_node_lies_in(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    voxels = rng.integers(0, 200, (9, 140, 150)).astype(np.uint16)
    np.save(tmp_path / "v.npy", voxels)
    volume = open_volume(str(tmp_path / "v.npy"))
    inside = rng.integers(0, voxels.shape, (50, 3))
    nodes = np.concatenate([(inside + rng.uniform(0, 0.99, inside.shape)) * (40, 4, 4), [[-1, 0, 0]]])
    skeletons = Skeletons.of([("a", nodes, np.zeros((0, 2)))])
    found = ids_at(volume, skeletons, (40, 4, 4))
    assert found[:-1].tolist() == voxels[tuple(inside.T)].tolist()
    assert found[-1] == 0


def test_skeletons_are_cut_to_a_box() -> None:
    cut = Skeletons.of([line("a", 11), line("b", 11, y=50)]).inside(Box((0, 0, 3), (1, 9, 8)), (1, 1, 1))
    assert cut.names == ("a", "b")
    assert cut.nodes_nm[:, 2].tolist() == [3, 4, 5, 6, 7]
    assert (set(cut.owner), len(cut.edges)) == ({0}, 4)
    assert expected_run_length(cut, np.ones(5, int)).erl_nm == 4


@pytest.fixture
def erl_case() -> Path:
    folder = Path(os.environ.get("ERL_DATA", Path(__file__).parents[4] / "shared" / "data" / "erl"))
    if not folder.is_dir():
        pytest.skip("ERL_DATA does not name the folder of the golden case (em_erl, tests/data)")
    return folder
