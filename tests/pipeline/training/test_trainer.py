"""What one step of training is shown."""

from __future__ import annotations

import numpy as np

from pipeline.training.batch import Batch
from pipeline.training.example import NOT_COUNTED, Fov, FovStream
from pipeline.training.step import mean_loss_of_known

SHAPE = (3, 3, 3)


def counting_stream(number: int, answers: list[float]) -> FovStream:
    """FOVs whose image is `number` and whose POM is the last answer."""
    pom = np.zeros(SHAPE, np.float32)
    while True:
        pom = yield Fov(np.full(SHAPE, number, np.float32), pom, np.ones(SHAPE, np.float32))
        answers.append(float(pom.max()))


def test_examples_take_turns_and_each_gets_the_answer_to_its_own_fov() -> None:
    answers: list[list[float]] = [[] for _ in range(5)]
    batch = Batch([counting_stream(n, answers[n]) for n in range(5)], 2, SHAPE)
    shown = []
    for step in range(5):
        shown.append(batch.inputs[:, 0, 0, 0, 0].tolist())
        batch.advance(10 * (step + 1) + batch.inputs[..., :1])
    assert shown == [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]
    assert answers == [[10, 30], [11, 41], [22, 42], [23, 53], [34, 54]]
    assert batch.inputs[0, ..., 1].max() == 30


def test_a_batch_of_another_size_goes_on_with_the_same_examples_in_the_same_order() -> None:
    answers: list[list[float]] = [[] for _ in range(5)]
    batch = Batch([counting_stream(n, answers[n]) for n in range(5)], 2, SHAPE)
    shown = []
    for size in (3, 1, 4, 2):
        batch.resize(size)
        assert batch.inputs.shape == (size, *SHAPE, 2)
        shown.append(batch.inputs[:, 0, 0, 0, 0].tolist())
        assert batch.order[:size] == shown[-1]
        batch.advance(1 + batch.inputs[..., 1:])
    assert shown == [[0, 1, 2], [3], [4, 0, 1, 2], [3, 4]]
    assert answers == [[1, 2], [1, 2], [1, 2], [1, 2], [1, 2]]


def test_the_loss_of_the_known_voxels_is_their_mean_alone() -> None:
    rng = np.random.default_rng(1)
    pom = rng.normal(size=(2, 3, 3, 3, 1)).astype(np.float32)
    labels = rng.uniform(0, 1, pom.shape).astype(np.float32)
    per_voxel = np.log1p(np.exp(pom)) - labels * pom
    np.testing.assert_allclose(float(mean_loss_of_known(labels, pom)), per_voxel.mean(), rtol=1e-5)
    known = rng.random(pom.shape) < 0.6
    marked = np.where(known, labels, np.float32(NOT_COUNTED))
    np.testing.assert_allclose(float(mean_loss_of_known(marked, pom)), per_voxel[known].mean(), rtol=1e-5)
    assert float(mean_loss_of_known(np.full_like(labels, NOT_COUNTED), pom)) == 0
