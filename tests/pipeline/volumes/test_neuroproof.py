"""NeuroProof labels: supervoxels are read as bodies, and ids keep all their 64 bits."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.volumes.choice import Choice
from pipeline.volumes.neuroproof import NeuroproofVolume
from pipeline.volumes.open import open_volume
from tests.pipeline.volumes.writers_hdf5 import write_neuroproof

ids = st.integers(0, 9) | st.integers(2**53 - 3, 2**53 + 9) | st.integers(2**64 - 9, 2**64 - 1)


def opened(folder: Path, supervoxels: np.ndarray, transforms: np.ndarray) -> NeuroproofVolume:
    uri = write_neuroproof(folder, supervoxels, transforms)
    return NeuroproofVolume(Path(uri.removesuffix(":stack")), Choice())


@given(body_of=st.dictionaries(ids, ids, min_size=1), stack=st.lists(ids, min_size=1, max_size=40))
def test_bodies_are_those_of_the_table(
    body_of: dict[int, int], stack: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    transforms = np.array(list(body_of.items()), np.uint64)
    supervoxels = np.array(stack, np.uint64).reshape(1, 1, -1)
    volume = opened(tmp_path_factory.mktemp("labels"), supervoxels, transforms)
    assert volume.dtype == np.uint64
    assert volume.read(volume.box).ravel().tolist() == [body_of.get(i, 0) for i in stack]
    assert volume.without_body(volume.box) == sum(i not in body_of and i != 0 for i in stack)


@pytest.mark.parametrize(("stack", "table"), [(np.uint64, np.int64), (np.int64, np.uint64)])
def test_ids_above_2_to_the_53_are_told_apart_whatever_the_types(
    stack: type, table: type, tmp_path: Path
) -> None:
    big = 2**53
    supervoxels: np.ndarray = np.array([[[big, big + 1, big + 2]]], stack)
    volume = opened(tmp_path, supervoxels, np.array([[big, big + 5], [big + 1, big + 6]], table))
    assert volume.read(volume.box).ravel().tolist() == [big + 5, big + 6, 0]


def test_supervoxels_without_a_row_or_below_zero_are_counted(tmp_path: Path) -> None:
    volume = opened(tmp_path, np.array([[[0, 3, -1, 5, 5]]], np.int32), np.array([[3, 4], [3, 4]], np.int64))
    assert volume.read(volume.box).ravel().tolist() == [0, 4, 0, 0, 0]
    assert volume.without_body(volume.box) == 3


@pytest.mark.parametrize(
    ("transforms", "told"),
    [
        ([[3, 4], [7, 1], [3, 5]], "gives several bodies to 1 supervoxels: 3 belongs to 4 and 5"),
        ([[3, -4]], r"1 row with negative ids, \(3, -4\) among them"),
        (np.zeros((0, 2), int), "has no rows"),
        ([[1.0, 2.0]], "is float64 of shape"),
        ([[1, 2, 3]], "expected integer rows of supervoxel id, body id"),
    ],
)
def test_a_table_that_is_none_is_refused(transforms: object, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        opened(tmp_path, np.ones((1, 1, 1), np.uint8), np.array(transforms))


def test_a_stack_of_no_integers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected integer supervoxel ids"):
        opened(tmp_path, np.ones((1, 1, 1), np.float32), np.array([[1, 2]]))


def test_fib25_labels_have_the_bodies_its_readme_counts(fib25: Path) -> None:
    labels = NeuroproofVolume(fib25 / "groundtruth_z000_125.h5", Choice())
    with h5py.File(fib25 / "groundtruth_z000_125.h5") as file:
        body_of = dict(file["transforms"][()].tolist())
        supervoxels = file["stack"][10:12]
    bodies = labels.read(labels.box)
    assert len(np.unique(bodies)) == 302  # it counts 0 too
    np.testing.assert_array_equal(bodies[10:12], np.vectorize(body_of.get)(supervoxels))


@pytest.mark.parametrize("name", ["stack", "/stack", "stack/"])
def test_a_slash_around_the_name_leaves_them_what_they_are(name: str, tmp_path: Path) -> None:
    uri = write_neuroproof(tmp_path, np.full((2, 2, 2), 3, np.uint64), np.array([[3, 40]], np.uint64))
    volume = open_volume(f"{uri.removesuffix('stack')}{name}")
    assert isinstance(volume, NeuroproofVolume)
    assert np.unique(volume.read(volume.box)).tolist() == [40]
