"""The benchmark of scores compares what it says: the same voxels, by scikit-image and by the project."""

from __future__ import annotations

from pathlib import Path

import evaluation
import made_up_volumes
import numpy as np
import pytest

from pipeline.evaluation.comparison import Comparison
from pipeline.geometry import Box
from pipeline.volumes import open_volume


@pytest.fixture
def comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    monkeypatch.setattr(made_up_volumes, "SIDE", 64)
    return Comparison(*made_up_volumes.make_volumes(tmp_path, (64, 64, 100)))


def test_scores_differ_by_rounding_only(comparison: Comparison) -> None:
    box = Box.of_shape((60, 64, 100))
    theirs = evaluation._skimage(comparison, box)["scores"]
    assert set(theirs) == {"gt_foreground", "filled", "both_foreground"}
    assert 0.01 < theirs["filled"]["are"] < 0.9
    assert evaluation._difference(comparison, box, theirs) < 1e-9


def test_volumes_are_dense_with_large_ids_and_blanks(comparison: Comparison) -> None:
    segmentation, truth = (open_volume(uri) for uri in (comparison.segmentation, comparison.truth))
    ids, labels = segmentation.read(segmentation.box), truth.read(truth.box)
    assert ids.shape == labels.shape == (64, 64, 128)
    assert labels.all()
    assert labels.max() > 2**62
    assert not np.isin(labels[..., :64], labels[..., 64:]).any(), "every cube has ids of its own"
    assert 0.02 < np.mean(ids == 0) < 0.6
