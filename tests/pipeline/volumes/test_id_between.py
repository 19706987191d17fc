"""Membranes that have an id are told from neurons."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.volumes.id_between import id_between


def _cells() -> tuple[np.ndarray, np.ndarray]:
    """Ids of thirty cells, side by side, and where two meet."""
    rng, shape = np.random.default_rng(0), (32, 48, 48)
    centres = np.zeros(shape, np.uint64)
    centres.flat[rng.choice(centres.size, 30, replace=False)] = np.arange(5, 35)
    nearest = ndimage.distance_transform_edt(centres == 0, return_distances=False, return_indices=True)
    ids = centres[tuple(nearest)]
    return ids, ndimage.grey_dilation(ids, 3) != ndimage.grey_erosion(ids, 3)


def test_an_id_of_membranes_is_found() -> None:
    ids, membrane = _cells()
    for number in (1, 99):
        found = np.where(membrane, np.uint64(number), ids)
        assert id_between([found[:16], found[16:]]) == number


def test_no_neuron_is_taken_for_that() -> None:
    ids, membrane = _cells()
    assert id_between([ids]) is None
    assert id_between([np.where(membrane, np.uint64(0), ids)]) is None
    assert id_between([np.where(membrane & (np.indices(ids.shape)[0] > 1), np.uint64(0), ids)]) is None
    assert id_between([np.where(ids > 8, np.uint64(8), ids)]) is None  # four objects in one: few touch it
    assert id_between([np.zeros((4, 5, 6), np.uint64)]) is None
