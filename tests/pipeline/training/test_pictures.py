"""Pictures for TensorBoard show what a step was given and what it gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.training.example import NOT_COUNTED
from pipeline.training.pictures import GAP, Pictures, side_by_side

import tensorflow as tf  # isort: skip


def test_a_picture_is_the_middle_section_of_image_truth_and_pom_before_and_after() -> None:
    inputs, labels = np.full((5, 4, 6, 2), -99.0), np.full((5, 4, 6, 1), 0.05)
    after = np.full((5, 4, 6, 1), 99.0)
    inputs[2, ..., 0], inputs[2, ..., 1] = 0.0, np.log(19)
    inputs[2, 0, 0, 0], inputs[2, 1, 0, 0] = 3.5, -3.5
    labels[2, :, :3], labels[2, 0, 5] = 0.95, NOT_COUNTED
    picture = side_by_side(inputs, labels, after)
    assert picture.shape == (4, 4 * 6 + 3 * GAP)
    image, truth, before, updated = (picture[:, i * (6 + GAP) : i * (6 + GAP) + 6] for i in range(4))
    assert (image[0, 0], image[1, 0], image[3, 3]) == (255, 0, 128)
    assert (truth[1, 0], truth[1, 4], truth[0, 5]) == (242, 13, 128)
    assert (before == 242).all()
    assert (updated == 255).all()
    assert (picture[:, 6 : 6 + GAP] == 255).all()


def test_pictures_are_in_tensorboards_file(tmp_path: Path) -> None:
    subject = Pictures(tmp_path)
    pictures = {3: np.full((4, 9), 77, np.uint8), 6: np.full((4, 9), 200, np.uint8)}
    for step, picture in pictures.items():
        subject.add(step, picture)
    subject.finish()
    (path,) = tmp_path.glob("events*")
    found = {
        event.step: tf.io.decode_png(value.tensor.string_val[2])[..., 0].numpy()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert found.keys() == pictures.keys()
    assert all(np.array_equal(found[step], picture) for step, picture in pictures.items())


def test_what_a_picture_meets_is_raised_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no folder")
    subject = Pictures(tmp_path / "taken")
    subject.add(1, np.zeros((2, 2), np.uint8))
    with pytest.raises(tf.errors.OpError):
        subject.add(2, np.zeros((2, 2), np.uint8))
