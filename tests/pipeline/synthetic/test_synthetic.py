"""The phantom: what its labels and image promise, whatever box is asked for."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from skimage.metrics import adapted_rand_error

from pipeline.config import Phantom as PhantomSettings
from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.normalisation import PHANTOM
from pipeline.synthetic import Phantom, make_phantom
from pipeline.synthetic.noise import Waves, smooth_noise, white_noise

SHAPE = (96, 104, 112)
EVERY_NEIGHBOUR = np.ones((3, 3, 3))


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return Phantom(SHAPE, seed=7)


@pytest.fixture(scope="module")
def labels(phantom: Phantom) -> np.ndarray:
    return phantom.labels(phantom.box)


@pytest.fixture(scope="module")
def image(phantom: Phantom) -> np.ndarray:
    return phantom.image(phantom.box)


def boxes_inside(shape: tuple[int, int, int]) -> st.SearchStrategy[Box]:
    ends = [st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True).map(sorted) for n in shape]
    return st.tuples(*ends).map(lambda zyx: Box(tuple(a for a, _ in zyx), tuple(b for _, b in zyx)))


@settings(max_examples=8, deadline=None)
@given(box=boxes_inside(SHAPE))
def test_any_box_is_a_slice_of_the_whole(
    phantom: Phantom, labels: np.ndarray, image: np.ndarray, box: Box
) -> None:
    assert np.array_equal(phantom.labels(box), labels[box.slices()])
    assert np.array_equal(phantom.image(box), image[box.slices()])


def test_a_second_phantom_gives_the_same_bytes_in_another_order(
    labels: np.ndarray, image: np.ndarray
) -> None:
    again = Phantom(SHAPE, seed=7)
    for block in reversed(again.box.blocks((40, 50, 60))):
        assert np.array_equal(again.image(block), image[block.slices()])
        assert np.array_equal(again.labels(block), labels[block.slices()])


def test_another_seed_gives_another_volume(labels: np.ndarray, image: np.ndarray) -> None:
    other = Phantom(SHAPE, seed=4)
    assert (other.image(other.box) != image).mean() > 0.9
    assert adapted_rand_error(labels, other.labels(other.box))[0] > 0.5


def test_dtypes_are_those_of_an_em_volume(labels: np.ndarray, image: np.ndarray) -> None:
    assert labels.dtype == np.uint32
    assert image.dtype == np.uint8


def test_labels_fill_the_volume_and_count_from_one(phantom: Phantom, labels: np.ndarray) -> None:
    assert np.array_equal(np.unique(labels), np.arange(1, phantom.n_labels + 1))


@pytest.mark.parametrize("seed", [7, 6])
def test_every_label_is_one_piece_but_for_specks(seed: int) -> None:
    phantom = Phantom(SHAPE, seed)
    labels = phantom.labels(phantom.box)
    astray = 0
    for box_label in range(1, phantom.n_labels + 1):
        sizes = np.bincount(label(labels == box_label, EVERY_NEIGHBOUR)[0].ravel())[1:]
        astray += sizes.sum() - sizes.max()
    assert astray <= 1e-5 * labels.size


def test_processes_are_many_and_none_is_tiny(labels: np.ndarray) -> None:
    sizes = np.bincount(labels.ravel())[1:]
    assert len(sizes) >= 12
    assert sizes.min() >= 5000
    assert sizes.max() < 0.25 * labels.size


def test_a_volume_smaller_than_one_process_has_one_label() -> None:
    phantom = Phantom((9, 5, 12), seed=0)
    assert np.array_equal(phantom.labels(phantom.box), np.ones((9, 5, 12), np.uint32))


def test_borders_between_labels_are_darker_than_the_inside(labels: np.ndarray, image: np.ndarray) -> None:
    border = np.zeros(labels.shape, bool)
    for axis in range(3):
        step = np.diff(labels, axis=axis) != 0
        after = [slice(None)] * 3
        after[axis] = slice(1, None)
        border[tuple(after)] |= step
    deep = distance_transform_edt(~border) > 4
    assert image[deep].mean() - image[border].mean() > 40


def test_grey_values_are_those_that_phantoms_are_normalised_by(image: np.ndarray) -> None:
    mean, stddev = PHANTOM
    assert image.mean() == pytest.approx(mean, abs=8)
    assert image.std() == pytest.approx(stddev, abs=12)


@pytest.mark.thorough  # the whole default phantom
def test_thresholding_and_connected_components_do_not_solve_the_default_phantom() -> None:
    described, scored = PhantomSettings(), Box.parse("0:128,0:128,160:288")
    phantom = Phantom(described.shape, described.seed, described.spacing)
    labels = phantom.labels(scored)
    smoothed = gaussian_filter(phantom.image(scored).astype(np.float32), 0.7)
    errors = []
    for threshold in range(134, 160, 6):
        segments, _ = label(smoothed > threshold)
        segments[np.bincount(segments.ravel())[segments] < 1000] = 0
        filled = segments[
            tuple(distance_transform_edt(segments == 0, return_distances=False, return_indices=True))
        ]
        errors.append(adapted_rand_error(labels, filled)[0])
    assert min(errors) > 0.2


def test_a_box_of_a_volume_of_a_billion_voxels_needs_that_box_alone() -> None:
    phantom = Phantom((1000, 1000, 1000), seed=1)
    box = Box.parse("500:510,60:70,930:940")
    assert phantom.image(box).std() > 0
    assert 1 <= phantom.labels(box).min() <= phantom.labels(box).max() <= phantom.n_labels


def test_a_box_outside_the_volume_is_refused(phantom: Phantom) -> None:
    with pytest.raises(ValueError, match="0:97,0:104,0:112"):
        phantom.labels(Box.of_shape((97, 104, 112)))


def test_the_written_file_holds_the_phantom_and_equal_settings_give_equal_bytes(tmp_path: Path) -> None:
    described = PhantomSettings(shape=(70, 40, 66), seed=5, voxel_size_nm=(20, 10, 5))
    config = RunConfig.model_validate({"data": {"phantom": described}})
    runs = [Run(tmp_path / name, config) for name in "ab"]
    first, second = (make_phantom(run) for run in runs)
    assert first.sha256 == second.sha256
    phantom = Phantom((70, 40, 66), 5)
    with h5py.File(runs[0].phantom_file) as file:
        assert np.array_equal(file["image"], phantom.image(phantom.box))
        assert np.array_equal(file["labels"], phantom.labels(phantom.box))
        assert [tuple(file[name].attrs["voxel_size_nm"]) for name in file] == [(20, 10, 5)] * 2


@settings(max_examples=20, deadline=None)
@given(box=boxes_inside((30, 30, 30)), seed=st.integers(0, 2**40))
def test_noise_depends_on_coordinates_and_seed_alone(box: Box, seed: int) -> None:
    whole = Box.of_shape((30, 30, 30))
    assert np.array_equal(white_noise(box, seed), white_noise(whole, seed)[box.slices()])
    assert np.allclose(smooth_noise(box, seed, 1), smooth_noise(whole, seed, 1)[box.slices()], atol=1e-5)
    assert not np.array_equal(white_noise(whole, seed), white_noise(whole, seed + 1))


def test_noise_has_mean_0_variance_1_and_no_correlation() -> None:
    noise = white_noise(Box.of_shape((60, 60, 60), start=(1000, 0, 7)), seed=11)
    assert abs(noise.mean()) < 0.01
    assert noise.std() == pytest.approx(1, abs=0.01)
    for axis in range(3):
        assert abs((noise * np.roll(noise, 1, axis)).mean()) < 0.01
    assert smooth_noise(Box.of_shape((60, 60, 60)), 11, 1.5).std() == pytest.approx(1, abs=0.05)


def test_waves_have_variance_1_over_many_wavelengths() -> None:
    fields = [Waves(np.random.default_rng(seed), wavelength=8)([np.arange(64)] * 3) for seed in range(4)]
    assert np.std(fields) == pytest.approx(1, abs=0.05)
