"""Augmented patches: what changes, what stays, and that equal seeds give equal examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Augmentation, Training
from pipeline.training.augment import Patch, augment
from pipeline.training.examples import random_symmetry
from tests.pipeline.training.test_examples import COORDINATES, CUBE, maker

SHAPE = (9, 20, 24)
CENTRE = (4, 10, 12)
SEEDS = st.integers(0, 2**32 - 1)
ALL = {
    "contrast": 0.3, "brightness": 0.5, "missing": 0.2, "shifted": 0.3, "blurred": 0.3, "elastic": 3,
}  # fmt: skip


def patch(seed: int = 0) -> Patch:
    rng = np.random.default_rng(seed)
    inside = rng.random(SHAPE) < 0.5
    inside[CENTRE] = True
    return Patch(rng.normal(size=SHAPE).astype(np.float32), inside, rng.random(SHAPE) < 0.1)


def augmented(subject: Patch, seed: int, **given: Any) -> Patch:
    return augment(subject, Augmentation(**given), -4.0, np.random.default_rng(seed))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_centre_stays_in_its_object_and_arrays_keep_their_kind(seed: int) -> None:
    changed = augmented(patch(seed), seed, **ALL)
    assert changed.inside[CENTRE]
    assert changed.image.shape == changed.inside.shape == SHAPE
    assert (changed.image.dtype, changed.inside.dtype) == (np.float32, bool)
    assert changed.ignored is not None
    assert changed.ignored.dtype == bool
    assert np.isfinite(changed.image).all()


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_contrast_and_brightness_are_one_line_a_section_within_their_limits(seed: int) -> None:
    before = patch(seed)
    after = augmented(before, seed, contrast=0.3, brightness=0.5)
    for old, new in zip(before.image, after.image):
        gain, offset = np.polyfit(old.ravel(), new.ravel(), 1)
        assert 0.7 - 1e-4 <= gain <= 1.3 + 1e-4
        assert abs(offset) <= 0.5 + 1e-4
        np.testing.assert_allclose(new, gain * old + offset, atol=1e-4)
    np.testing.assert_array_equal(after.inside, before.inside)


def test_missing_sections_are_black_as_often_as_asked_and_never_the_one_of_the_centre() -> None:
    before, black = patch(), np.zeros(SHAPE[0])
    for seed in range(400):
        after = augmented(before, seed, missing=0.25)
        lost = (after.image == -4).all(axis=(1, 2))
        np.testing.assert_array_equal(after.image[~lost], before.image[~lost])
        np.testing.assert_array_equal(after.inside, before.inside)
        black += lost
    assert black[4] == 0
    np.testing.assert_allclose(np.delete(black, 4) / 400, 0.25, atol=0.1)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_shifted_section_has_its_labels_with_it(seed: int) -> None:
    before = patch(seed)
    after = augmented(before, seed, shifted=0.7, max_shift=3)
    np.testing.assert_array_equal(after.image[4], before.image[4])
    for z in range(SHAPE[0]):
        found = [
            (dy, dx)
            for dy in range(-3, 4)
            for dx in range(-3, 4)
            if np.array_equal(
                after.image[z, 3:-3, 3:-3],
                np.roll(before.image[z], (dy, dx), (0, 1))[3:-3, 3:-3],
            )
        ]
        assert len(found) == 1
        moved = np.roll(before.inside[z], found[0], (0, 1))
        np.testing.assert_array_equal(after.inside[z, 3:-3, 3:-3], moved[3:-3, 3:-3])


def test_a_blurred_section_loses_its_noise_and_keeps_its_mean() -> None:
    before = patch()
    after = augmented(before, 1, blurred=1, max_blur=3)
    assert (after.image.std(axis=(1, 2)) <= before.image.std(axis=(1, 2))).all()
    assert after.image.std() < 0.6 * before.image.std()
    np.testing.assert_allclose(after.image.mean(axis=(1, 2)), before.image.mean(axis=(1, 2)), atol=0.1)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_bending_moves_image_and_labels_alike_and_not_the_centre(seed: int) -> None:
    y = np.broadcast_to(np.arange(SHAPE[1], dtype=np.float32)[:, None], SHAPE)
    before = Patch(y, y >= CENTRE[1])
    after = augmented(before, seed, elastic=3)
    assert after.image[CENTRE] == CENTRE[1]
    assert not np.array_equal(after.image, y)
    assert abs(after.image - y).max() <= 2 * 3 * 1.5  # splines may overshoot
    away = abs(after.image - (CENTRE[1] - 0.5)) > 0.01
    np.testing.assert_array_equal(after.inside[away], (after.image >= CENTRE[1] - 0.5)[away])


def test_without_z_the_sections_stay_sections() -> None:
    probe = np.arange(27).reshape(3, 3, 3)
    turned = {
        random_symmetry(CUBE, np.random.default_rng(seed), turn_z=False)(probe).tobytes()
        for seed in range(1000)
    }
    assert len(turned) == 16
    for seed in range(100):
        along_z = random_symmetry(CUBE, np.random.default_rng(seed), turn_z=False)(probe // 9)
        assert all(len(np.unique(section)) == 1 for section in along_z)


@pytest.mark.parametrize("seed", range(5))
def test_an_example_is_the_same_each_time_and_its_coordinate_is_as_without(seed: int) -> None:
    def example(augmentation: dict[str, Any]) -> tuple[int, np.ndarray]:
        training = Training.model_validate({"augmentation": augmentation})
        place, made = replace(maker(COORDINATES), training=training).example(np.random.default_rng(seed))
        return place, made.image

    plain, first, again = example({}), example(ALL), example(ALL)
    assert plain[0] == first[0]
    assert first[1].tobytes() == again[1].tobytes()
    assert first[1].tobytes() != plain[1].tobytes()
    bright = example({"brightness": 1e-9})
    np.testing.assert_allclose(bright[1], plain[1], atol=1e-5)
