"""The costliest errors come first, cost what VOI says, and their points show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import variation_of_information

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.points import located
from pipeline.evaluation.worst import count_errors, worst
from pipeline.volumes import open_volume

VOLUMES = hnp.arrays(np.uint32, (4, 5, 6), elements=st.integers(0, 4))


@given(truth=VOLUMES, segmentation=VOLUMES)
def test_all_errors_together_cost_the_variation_of_information(
    truth: np.ndarray, segmentation: np.ndarray
) -> None:
    truth[0, 0] = 1
    labelled = truth != 0
    table = ContingencyTable.count(truth, segmentation)
    found = worst(table, 1000)
    split, merge = variation_of_information(truth[labelled], segmentation[labelled])
    assert sum(wrong.bits for wrong in found) == pytest.approx(split + merge)
    assert [w.bits for w in found] == sorted((w.bits for w in found), reverse=True)
    assert len({w.what for w in found}) == len(found) == count_errors(table)
    assert worst(table, 3) == found[:3]


def test_points_lie_on_the_seam_in_both_objects_or_in_the_blank(tmp_path: Path) -> None:
    truth = np.zeros((8, 30, 60), np.uint32)
    truth[:, 2:9], truth[:, 12:19], truth[:, 22:29] = 1, 2, 3
    segmentation = np.where(truth == 1, np.where(np.indices(truth.shape)[2] < 41, 11, 12), 0)
    segmentation[truth == 2], segmentation[truth == 3] = 20, 20
    segmentation[:, 19:22, 10:13] = 20  # where 2 and 3 were joined nobody labelled anything
    segmentation[:4, 22:29, 50:] = 0
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "segmentation.npy", segmentation.astype(np.uint64))
    volumes = [open_volume(str(tmp_path / f"{name}.npy")) for name in ("segmentation", "truth")]
    whole = volumes[0].box
    found = worst(ContingencyTable.count(truth, segmentation), 10)
    for blocks in ([whole], whole.blocks((4, 16, 20)), whole.blocks((8, 30, 41))):
        counted = [(b, ContingencyTable.count(truth[b.slices()], segmentation[b.slices()])) for b in blocks]
        merger, split, blank = located(found, counted, volumes[0].read, volumes[1].read, whole)
        assert (merger.kind, merger.truth, merger.segments) == ("merger", (2, 3), (20,))
        assert merger.point is not None
        assert truth[merger.point] == 3
        assert (split.kind, split.truth, split.segments) == ("split", (1,), (11, 12))
        assert split.point is not None
        assert split.point[2] == 41
        assert segmentation[split.point] == 12
        assert (blank.kind, blank.truth, blank.voxels) == ("blank", (3,), 4 * 7 * 10)
        assert blank.point is not None
        assert (truth[blank.point], segmentation[blank.point]) == (3, 0)


def test_a_perfect_segmentation_has_nothing_to_look_at() -> None:
    truth = np.arange(24).reshape(2, 3, 4) // 5
    assert worst(ContingencyTable.count(truth, truth * 7), 5) == []
    assert worst(ContingencyTable.count(truth * 0, truth), 5) == []
