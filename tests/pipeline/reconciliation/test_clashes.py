"""Where two segments of a clash come together, and what it takes to find that out."""

from __future__ import annotations

from types import SimpleNamespace

import edt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from pipeline.config import Reconciliation
from pipeline.geometry import Box, triple
from pipeline.reconciliation import clashes, overlap_evidence
from pipeline.reconciliation.clashes import ClashTable, Side, find_clashes

START = (100, -20, 7)


def found_in(kept: np.ndarray, joined: np.ndarray) -> ClashTable:
    """The clashes of a tile that has `kept`, and of one that has `joined`, in an overlap that begins at
    START."""
    box, few = Box.of_shape(triple(kept.shape), START), Reconciliation(min_overlap_voxels=1)
    return find_clashes(Side(3, kept), Side(4, joined), overlap_evidence(kept, joined), box, box, few)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(2, 7), st.integers(1, 2))
def test_a_point_is_the_first_voxel_of_the_smaller_one_that_is_nearest_to_the_other(
    seed: int, objects: int, joints: int
) -> None:
    rng = np.random.default_rng(seed)
    kept = rng.integers(0, objects + 1, (4, 5, 6)).astype(np.uint32) * 7
    joined = rng.integers(0, joints + 1, (4, 5, 6)).astype(np.uint32)
    found = found_in(kept, joined)
    rows = zip(found.joint, found.first, found.second, found.voxels, found.z, found.y, found.x)
    for joint, first, second, voxels, *point in rows:
        two = [np.argwhere((kept == one) & (joined == joint)) for one in (first, second)]
        smaller, larger = sorted(two, key=len)
        nearest = smaller[cdist(smaller, larger).min(axis=1).round(4).argmin()]
        assert voxels == len(smaller)
        assert point == (nearest + START).tolist()


def test_what_has_leaked_over_many_segments_is_measured_from_each_of_them_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 40 segments there are 780 pairs, and 40 or fewer maps of distances."""
    measured = []

    def noting(mask: np.ndarray, **options: object) -> np.ndarray:
        measured.append(mask.shape)
        return edt.edt(mask, **options)

    monkeypatch.setattr(clashes, "edt", SimpleNamespace(edt=noting))
    kept = np.arange(1, 41, dtype=np.uint32).repeat(8).reshape(4, 8, 10)
    found = found_in(kept, np.ones_like(kept))
    assert len(found) == 40 * 39 / 2
    assert len(measured) <= 40
