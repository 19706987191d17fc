"""What one step of training is shown."""

from __future__ import annotations

import numpy as np

from pipeline.training.examples import Fov, FovStream
from pipeline.training.trainer import Batch

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
