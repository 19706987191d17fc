"""What lies near a border of the truth is left out as CREMI's own evaluation does it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from pipeline.errors import InputError
from pipeline.evaluation.borders import away_from_borders
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.conventions import BoxCounts, score
from pipeline.geometry import Box
from pipeline.volumes import Choice, open_volume
from pipeline.volumes.labels import LabelVolume

SHAPE = (3, 40, 44)
SIZE_NM = (40.0, 4.0, 5.0)


def labels(seed: int, cells: int) -> np.ndarray:
    """Cells around points that are the same in all sections but for a shift, uint64; one is 0, unlabelled."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*map(np.arange, SHAPE[1:]), indexing="ij"))
    points = rng.uniform(0, SHAPE[1:], (cells, 2))
    nearest = ((at[None] - points[:, :, None, None]) ** 2).sum(axis=1).argmin(axis=0)
    return np.stack([np.roll(nearest, z, axis=0) for z in range(SHAPE[0])]).astype(np.uint64)


def stored(folder: Path, **arrays: np.ndarray) -> None:
    with h5py.File(folder / "data.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array


def by_scipy(ids: np.ndarray, distance_nm: float) -> np.ndarray:
    """What counts, by an own way to borders and scipy's distances."""
    counts = np.empty(ids.shape, bool)
    for section, here in zip(ids, counts):
        padded = np.pad(section, 1, mode="edge")
        beside = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
        same = np.all([section == other for other in beside], axis=0)
        here[:] = same.all() or distance_transform_edt(same, sampling=SIZE_NM[1:]) > distance_nm
    return counts


@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(1, 9), nm=st.sampled_from([0.5, 4, 5, 9, 25, 400]))
@settings(deadline=None, max_examples=25)
def test_what_is_near_a_border_is_what_scipy_finds_however_blocks_are_cut(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cells: int, nm: float
) -> None:
    folder, ids = tmp_path_factory.mktemp("truth"), labels(seed, cells)
    stored(folder, truth=ids)
    truth = LabelVolume(open_volume(f"{folder / 'data.h5'}:truth"))
    expected = by_scipy(ids, nm)
    for block in truth.box.parts((2, 15, 20)):
        found = away_from_borders(truth, block, nm, SIZE_NM, "")
        np.testing.assert_array_equal(found, expected[block.slices()])


def test_two_volumes_are_compared_without_it_and_voxels_must_have_a_size(tmp_path: Path) -> None:
    ids = labels(1, 6)
    segments = np.roll(ids, 3, axis=1)
    stored(tmp_path, truth=ids, segments=segments)
    names = f"{tmp_path / 'data.h5'}:segments", f"{tmp_path / 'data.h5'}:truth"
    choices = Choice(voxel_size_nm=SIZE_NM), Choice(voxel_size_nm=SIZE_NM)
    comparison = Comparison(*names, *choices, ignore_border_nm=9)
    counted = by_scipy(ids, 9)
    expected = BoxCounts.count(ids[counted], segments[counted], segments[counted])
    (parts,) = comparison.count(Box.of_shape(SHAPE))
    found = score(BoxCounts.total(parts))
    for convention in ("gt_foreground", "both_foreground", "cremi"):
        assert found[convention] == score(expected)[convention]
    read = comparison.read_counted_truth(Box.of_shape(SHAPE))
    np.testing.assert_array_equal(read, np.where(counted, ids, 0))
    with pytest.raises(InputError, match=r"within 9 nm of a border .* set --voxel-size"):
        next(Comparison(*names, ignore_border_nm=9).count(Box.of_shape(SHAPE)))
