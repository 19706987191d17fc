"""Movement: where the FOV goes next."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ffn.flood_rules import face_maxima
from pipeline.inference.movement import FaceMaxMovement

DELTAS = st.tuples(*[st.integers(0, 3)] * 3)


@given(deltas=DELTAS, seed=st.integers(0, 1000), threshold=st.floats(-1, 2))
def test_face_maxima_are_those_of_a_search_voxel_by_voxel(
    deltas: tuple[int, int, int], seed: int, threshold: float
) -> None:
    logits = np.random.default_rng(seed).standard_normal((9, 7, 7)).astype(np.float32)
    expected = set()
    for axis, sign in itertools.product(range(3), (-1, 1)):
        if deltas[axis] == 0:
            continue
        ranges = [range(-d, d + 1) for d in deltas]
        ranges[axis] = range(sign * deltas[axis], sign * deltas[axis] + 1)
        score, offset = max(
            (float(logits[4 + z, 3 + y, 3 + x]), (z, y, x)) for z, y, x in itertools.product(*ranges)
        )
        if score >= threshold:
            expected.add((score, offset))
    found = face_maxima(logits, deltas, threshold)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_the_seed_comes_first_and_then_faces_from_strong_to_weak() -> None:
    movement = FaceMaxMovement((20, 20, 20), (2, 2, 2), threshold=0.0)
    assert movement.pop() == (20, 20, 20)
    logits = np.full((5, 5, 5), -1.0, np.float32)
    logits[4, 2, 2], logits[2, 0, 3], logits[2, 2, 4] = 1.0, 3.0, 2.0
    movement.update((20, 20, 20), logits)
    assert [movement.pop() for _ in range(4)] == [(20, 18, 21), (20, 20, 22), (22, 20, 20), None]


def test_positions_of_a_cell_already_visited_are_passed_over() -> None:
    movement = FaceMaxMovement((20, 20, 20), (4, 4, 4), threshold=0.0)
    assert movement.pop() == (20, 20, 20)
    logits = np.full((9, 9, 9), -1.0, np.float32)
    logits[8, 4, 4] = 1.0
    movement.update((20, 20, 20), logits)
    movement.update((23, 20, 20), np.full((9, 9, 9), -1.0, np.float32))
    assert movement.pop() is None, "(24, 20, 20) lies in the cell 22..25 around the first step"


def test_first_in_first_out_across_calls() -> None:
    movement = FaceMaxMovement((0, 0, 0), (1, 1, 1), threshold=0.0)
    movement.pop()
    weak, strong = np.full((2, 3, 3, 3), -1.0, np.float32)
    weak[2, 1, 1] = 0.1
    strong[1, 2, 1] = 9.0
    movement.update((0, 0, 0), weak)
    movement.update((5, 5, 5), strong)
    assert [movement.pop(), movement.pop()] == [(1, 0, 0), (5, 6, 5)]
