"""The benchmark of reconciliation has a truth that it can tell from others."""

from __future__ import annotations

from pathlib import Path

import cc3d
import numpy as np
import pytest
import reconciliation

from pipeline.geometry import Box


def test_parts_of_the_truth_are_parts_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "SIDE", 40)
    monkeypatch.setattr(reconciliation, "SPACING", 6.0)
    run = reconciliation.make_run(tmp_path, (2, 1, 2), segment_voxels=500)
    whole = reconciliation.truth(run, run.inference_box)
    part = Box((30, 5, 0), (50, 35, 45))
    np.testing.assert_array_equal(reconciliation.truth(run, part), whole[part.slices()])
    assert not np.isin(whole[:40][whole[:40] != 0], whole[40:]).any()
    assert 0 < np.mean(whole == 0) < 1


def test_objects_are_of_one_piece_and_about_as_large_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "SIDE", 80)
    cube = reconciliation.make_cube(segment_voxels=700)
    sizes = np.bincount(cube.ravel())[1:]
    sizes = sizes[sizes > 0]
    assert cc3d.connected_components(cube, connectivity=26).max() == len(sizes)
    assert 350 < sizes.mean() < 1400


@pytest.mark.parametrize(
    ("pairs", "is_equal"),
    [
        ([[0, 0], [7, 1], [8, 2]], True),
        ([[7, 1], [7, 2]], False),
        ([[7, 1], [8, 1]], False),
        ([[0, 1]], False),
        ([[7, 0]], False),
    ],
)
def test_splits_mergers_and_lost_objects_are_not_the_truth(pairs: list[list[int]], is_equal: bool) -> None:
    assert reconciliation.is_one_to_one([np.array(pairs[:1]), np.array(pairs[1:] or pairs)]) == is_equal
