"""Training and inference flood by one set of rules, which inference's defaults repeat."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Inference, RunConfig
from pipeline.ffn.flood_rules import (
    MOVE_THRESHOLD,
    PAD_PROBABILITY,
    SEED_PROBABILITY,
    face_maxima,
    visited_cell,
)
from pipeline.geometry import Triple

offsets = st.tuples(*[st.integers(-60, 60)] * 3)
steps = st.tuples(*[st.integers(1, 9)] * 3)


def test_inference_begins_as_training_does_unless_it_is_told_otherwise() -> None:
    settings = Inference()
    assert settings.seed_probability == SEED_PROBABILITY
    assert settings.pad_probability == PAD_PROBABILITY
    assert settings.move_threshold == MOVE_THRESHOLD


def test_inference_floods_as_training_is_told_to() -> None:
    rules = {"pad_probability": 0.5, "move_threshold": 0.6}
    config = RunConfig.model_validate({"training": rules})
    assert (config.inference.pad_probability, config.inference.move_threshold) == (0.5, 0.6)
    assert config.inference.seed_probability == SEED_PROBABILITY
    other = RunConfig.model_validate({"training": rules, "inference": {"move_threshold": 0.7}})
    assert (other.inference.pad_probability, other.inference.move_threshold) == (0.5, 0.7)
    assert RunConfig.model_validate(config.model_dump()) == config


@given(offsets, offsets, steps)
def test_offsets_are_of_one_cell_where_they_round_alike(a: Triple, b: Triple, deltas: Triple) -> None:
    def rounded(offset: Triple) -> list[int]:
        # cell k is that of offsets from k * delta - delta // 2 on, as long as delta
        return [
            next(k for k in range(-70, 71) if k * d - d // 2 <= o < (k + 1) * d - d // 2)
            for o, d in zip(offset, deltas)
        ]

    assert (visited_cell(a, deltas) == visited_cell(b, deltas)) == (rounded(a) == rounded(b))
    assert visited_cell((0, 0, 0), deltas) == (0, 0, 0)


@given(st.tuples(*[st.integers(1, 3)] * 3), st.integers(0, 1000), st.integers(0, 3))
def test_of_equal_maxima_the_first_voxel_counts_and_the_threshold_itself_is_reached(
    deltas: Triple, seed: int, threshold: int
) -> None:
    shape = [2 * d + 1 for d in deltas]
    logits = np.random.default_rng(seed).integers(-1, 4, shape).astype(np.float32)
    expected: list[tuple[float, Triple]] = []
    for axis, sign in itertools.product(range(3), (-1, 1)):
        best: tuple[float, Triple] | None = None
        for z, y, x in np.ndindex(*shape):
            offset = z - deltas[0], y - deltas[1], x - deltas[2]
            on_face = offset[axis] == sign * deltas[axis]
            if on_face and (best is None or logits[z, y, x] > best[0]):
                best = float(logits[z, y, x]), offset
        assert best is not None
        if best[0] >= threshold and best not in expected:
            expected.append(best)
    assert face_maxima(logits, deltas, threshold) == expected
